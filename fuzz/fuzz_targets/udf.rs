#![no_main]

libfuzzer_sys::fuzz_target!(init: lanboot_fuzz::write_seeds("udf"), |data: &[u8]| {
    lanboot_fuzz::targets::udf::run(data);
});
