#![no_main]

libfuzzer_sys::fuzz_target!(init: lanboot_fuzz::write_seeds("boot_config"), |data: &[u8]| {
    lanboot_fuzz::targets::boot_config::run(data);
});
