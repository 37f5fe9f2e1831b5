//! Raw arrays for a peer, as .npy files in a folder that goes when it is dropped.

use std::path::Path;
use tempfile::TempDir;

pub struct Arrays {
    folder: TempDir,
}

impl Arrays {
    pub fn new() -> Self {
        Arrays { folder: tempfile::tempdir().expect("a scratch folder") }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn f32(&self, name: &str, shape: &[usize], values: &[f32]) {
        self.write(name, "<f4", shape, values.iter().flat_map(|v| v.to_le_bytes()).collect());
    }

    pub fn u8(&self, name: &str, shape: &[usize], values: &[u8]) {
        self.write(name, "|u1", shape, values.to_vec());
    }

    /// Version 1.0 of `numpy.lib.format`: magic, length of the header, the header as a Python literal, the values.
    fn write(&self, name: &str, descr: &str, shape: &[usize], values: Vec<u8>) {
        let shape: String = shape.iter().map(|n| format!("{n},")).collect();
        let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
        while !(header.len() + 11).is_multiple_of(64) {
            header.push(' ');
        }
        header.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.into_bytes());
        bytes.extend(values);
        std::fs::write(self.folder().join(format!("{name}.npy")), bytes).expect("a scratch file");
    }
}
