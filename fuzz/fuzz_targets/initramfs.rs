#![no_main]

libfuzzer_sys::fuzz_target!(init: lanboot_fuzz::write_seeds("initramfs"), |data: &[u8]| {
    lanboot_fuzz::targets::initramfs::run(data);
});
