//! `primary.xml` and `filelists.xml`, packed or plain.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rowi::repo::fuzz::primary(bytes));
