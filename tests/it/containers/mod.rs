//! Containers of raw data: files that other programs wrote, and the real files of the data folder.
mod archives;
mod fits;
pub mod hdf5;
mod mutated;
mod npy;
mod numpy;
mod readers;

use std::path::Path;

/// One of `tests/golden/containers/`.
pub fn golden(name: &str) -> Vec<serde_json::Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/containers").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn unhex(value: &serde_json::Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
