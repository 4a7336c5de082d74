#![no_main]

libfuzzer_sys::fuzz_target!(init: lanboot_fuzz::write_seeds("pe"), |data: &[u8]| {
    lanboot_fuzz::targets::pe::run(data);
});
