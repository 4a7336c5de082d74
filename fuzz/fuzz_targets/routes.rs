#![no_main]

libfuzzer_sys::fuzz_target!(init: lanboot_fuzz::write_seeds("routes"), |data: &[u8]| {
    lanboot_fuzz::targets::routes::run(data);
});
