//! A record file as it is: headers, recovery, the index.
#![no_main]

libfuzzer_sys::fuzz_target!(|file: &[u8]| damo_fuzz::read(file));
