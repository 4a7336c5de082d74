#![no_main]

libfuzzer_sys::fuzz_target!(init: lanboot_fuzz::write_seeds("text"), |data: &[u8]| {
    lanboot_fuzz::targets::text::run(data);
});
