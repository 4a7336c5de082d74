#![no_main]

libfuzzer_sys::fuzz_target!(init: lanboot_fuzz::write_seeds("tftp"), |data: &[u8]| {
    lanboot_fuzz::targets::tftp::run(data);
});
