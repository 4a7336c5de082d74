#![no_main]

libfuzzer_sys::fuzz_target!(init: lanboot_fuzz::write_seeds("nbd"), |data: &[u8]| {
    lanboot_fuzz::targets::nbd::run(data);
});
