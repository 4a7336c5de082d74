#![no_main]

libfuzzer_sys::fuzz_target!(init: lanboot_fuzz::write_seeds("fat"), |data: &[u8]| {
    lanboot_fuzz::targets::fat::run(data);
});
