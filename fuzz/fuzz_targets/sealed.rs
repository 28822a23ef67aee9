//! A record file whose checksums hold, whatever is in it.
#![no_main]

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    let mut file = file.to_vec();
    damo_fuzz::seal(&mut file);
    damo_fuzz::read(&file);
});
