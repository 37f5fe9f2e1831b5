//! What the fuzz target of manifests runs, and the test of mutated manifests with it.

use nasperf_pipe::manifest::load::parse;
use nasperf_pipe::manifest::request::Request;
use nasperf_pipe::manifest::vocabulary::Vocabulary;
use std::path::Path;

/// Resolves a manifest, or draws its errors.
pub fn manifest(bytes: &[u8], vocabulary: &Vocabulary) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let request = Request { profile: None, set: Vec::new() };
    if let Err(errors) = parse("fuzz.toml", text, Path::new(""), vocabulary, &request) {
        assert!(!errors.to_string().is_empty());
    }
}
