#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| oct_fuzz::targets::operators(data));
