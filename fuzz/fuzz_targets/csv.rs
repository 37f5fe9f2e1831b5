#![no_main]
#[path = "../bodies/readers.rs"]
#[allow(dead_code)] // each target runs one of them
mod readers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::csv(bytes));
