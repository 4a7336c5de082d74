#![no_main]

libfuzzer_sys::fuzz_target!(init: lanboot_fuzz::write_seeds("iso"), |data: &[u8]| {
    lanboot_fuzz::targets::iso::run(data);
});
