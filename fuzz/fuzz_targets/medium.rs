#![no_main]

libfuzzer_sys::fuzz_target!(init: lanboot_fuzz::write_seeds("medium"), |data: &[u8]| {
    lanboot_fuzz::targets::medium::run(data);
});
