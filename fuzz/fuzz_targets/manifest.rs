#![no_main]
#[path = "../bodies/manifest.rs"]
mod manifest;
#[path = "../../tests/it/manifest/vocabulary.rs"]
mod vocabulary;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| manifest::manifest(bytes, &vocabulary::vocabulary()));
