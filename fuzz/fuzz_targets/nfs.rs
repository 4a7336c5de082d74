#![no_main]

libfuzzer_sys::fuzz_target!(init: lanboot_fuzz::write_seeds("nfs"), |data: &[u8]| {
    lanboot_fuzz::targets::nfs::run(data);
});
