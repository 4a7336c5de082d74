#![no_main]

libfuzzer_sys::fuzz_target!(init: lanboot_fuzz::write_seeds("dhcp"), |data: &[u8]| {
    lanboot_fuzz::targets::dhcp::run(data);
});
