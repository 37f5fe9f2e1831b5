//! A file of HDF5 with the layouts that MATLAB writes.

use crate::containers::{golden, unhex};
use nasperf_pipe::data::hdf5_values::{Hdf5, Hdf5Error};
use nasperf_pipe::data::synthetic::{Purpose, Stream};
use serde_json::{Value, json};
use std::path::Path;

/// The file, whose runs of zeros are given by their length.
pub fn file(case: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in case["packed"].as_array().unwrap() {
        match piece.as_u64() {
            Some(zeros) => bytes.resize(bytes.len() + zeros as usize, 0),
            None => bytes.extend(unhex(piece)),
        }
    }
    bytes
}

fn read(bytes: &[u8], scratch: &Path, piece: usize) -> Result<Vec<Value>, Hdf5Error> {
    let hdf5 = Hdf5::open("x.mat", &mut &bytes[..], scratch)?;
    let mut all = Vec::new();
    for dataset in hdf5.datasets() {
        let mut values = hdf5.values(dataset)?;
        let mut found = Vec::new();
        let wanted = dataset.elements().min(1000);
        while found.len() < wanted {
            let mut out = vec![0.0; piece.min(wanted - found.len())];
            values.read(&mut out)?;
            found.extend(out);
        }
        all.push(json!([dataset.name, dataset.shape, found]));
    }
    Ok(all)
}

#[test]
fn arrays_in_every_layout() {
    let scratch = tempfile::tempdir().unwrap();
    for case in golden("hdf5.json") {
        let bytes = file(&case);
        for piece in [1, 4, 1000] {
            assert_eq!(json!(read(&bytes, scratch.path(), piece).unwrap()), case["arrays"]);
        }
        let hdf5 = Hdf5::open("x.mat", &mut bytes.as_slice(), scratch.path()).unwrap();
        let classes: Vec<_> = hdf5.datasets().iter().filter_map(|dataset| dataset.class.clone()).collect();
        assert_eq!(classes, ["double", "int16", "uint8", "double", "single"], "by name");
        for end in (0..bytes.len()).step_by(97) {
            assert!(read(&bytes[..end], scratch.path(), 1000).is_err(), "cut at {end}");
        }
    }
}

#[test]
fn damage_is_an_error() {
    let scratch = tempfile::tempdir().unwrap();
    let bytes = file(&golden("hdf5.json")[0]);
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let mut stream = Stream::new("hdf5", "test", Purpose::Noise, 0, None);
    let mut errors = 0;
    for _ in 0..4000 {
        let mut damaged = bytes.clone();
        for _ in 0..=stream.below(3) {
            // Structure stands where bytes are not zero, or beside.
            let at = places[stream.below(places.len() as u64) as usize] + stream.below(3) as usize;
            if let Some(byte) = damaged.get_mut(at) {
                *byte = [0, 0xff, stream.bits() as u8, *byte ^ 1][stream.below(4) as usize];
            }
        }
        errors += usize::from(read(&damaged, scratch.path(), 100).is_err());
    }
    assert!(errors > 1000, "{errors}");
    let message = read(b"not HDF5", scratch.path(), 1).unwrap_err().to_string();
    assert!(message.contains("x.mat") && message.contains("superblock"), "{message}");
}
