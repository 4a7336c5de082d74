#![no_main]

libfuzzer_sys::fuzz_target!(init: lanboot_fuzz::write_seeds("http"), |data: &[u8]| {
    lanboot_fuzz::targets::http::run(data);
});
