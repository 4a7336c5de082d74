#![no_main]

libfuzzer_sys::fuzz_target!(init: lanboot_fuzz::write_seeds("media"), |data: &[u8]| {
    lanboot_fuzz::targets::media::run(data);
});
