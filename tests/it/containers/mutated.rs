//! The bodies of the fuzz targets (`fuzz/`) over mutated real files, with a fixed seed: readers give errors, never a panic.

#[path = "../../../fuzz/bodies/manifest.rs"]
mod manifest_body;
#[path = "../../../fuzz/bodies/readers.rs"]
mod readers;

use crate::containers::hdf5::file;
use crate::containers::{golden, unhex};
use crate::data_context::test_data;
use crate::manifest::vocabulary::vocabulary;
use nasperf_pipe::data::synthetic::{Purpose, Stream};
use std::fs;
use std::path::{Path, PathBuf};

/// Cases per reader.
const CASES: u64 = 20_000;
/// Bytes of a real file that are used; what matters stands at the start.
const MOST: usize = 6000;

/// The files of `folder` whose names end like this, cut to `MOST` bytes; at most four.
fn real(folder: &str, end: &str) -> Vec<Vec<u8>> {
    let Some(data) = test_data() else { return Vec::new() };
    let entries = fs::read_dir(data.join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.to_str().unwrap().ends_with(end)).collect();
    paths.sort();
    paths.truncate(4);
    let start = |path: &PathBuf| {
        let mut bytes = fs::read(path).unwrap();
        bytes.truncate(MOST);
        bytes
    };
    paths.iter().map(start).collect()
}

/// Bytes of a golden file.
fn written(name: &str) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for case in golden(name) {
        match &case["hex"] {
            serde_json::Value::Object(written) => all.extend(written.values().map(unhex)),
            hex => all.push(unhex(hex)),
        }
    }
    all
}

fn mutate(name: &str, seeds: &[Vec<u8>], body: &mut dyn FnMut(&[u8])) {
    assert!(!seeds.is_empty());
    let mut stream = Stream::new("mutated", name, Purpose::Noise, 0, None);
    for _ in 0..CASES {
        let mut bytes = seeds[stream.below(seeds.len() as u64) as usize].clone();
        for _ in 0..=stream.below(4) {
            let len = bytes.len() as u64;
            // Headers stand at the start, so half of the changes do too.
            let reach = if stream.below(2) == 0 { len } else { len.min(200) };
            let at = stream.below(reach) as usize;
            match stream.below(8) {
                _ if bytes.is_empty() => {}
                0 => bytes[at] = 0xff,
                1 => bytes[at] = 0,
                2 => bytes[at] ^= 1 << stream.below(8),
                3 => bytes.truncate(at),
                4 => {
                    let end = (at + 1 + stream.below(8) as usize).min(bytes.len());
                    bytes.drain(at..end);
                }
                5 => {
                    let end = (at + stream.below(64) as usize).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
                6 => {
                    // A claimed length grows.
                    let end = (at + 4).min(bytes.len());
                    bytes[at..end].fill([0xff, 0x7f, 0x80][stream.below(3) as usize]);
                }
                _ => bytes[at] = stream.bits() as u8,
            }
        }
        body(&bytes);
    }
}

#[test]
fn pickles() {
    let seeds = [written("pickle.json"), real("psicov/features", "guuA.pkl")].concat();
    mutate("pickle", &seeds, &mut readers::pickle);
}

#[test]
fn arrays_of_numpy() {
    let seeds = [written("npy.json"), real("psicov/distance", "guuA-cb.npy")].concat();
    mutate("npy", &seeds, &mut readers::npy);
    mutate("npz", &written("npz.json"), &mut readers::npz);
}

#[test]
fn files_of_hdf5() {
    let seeds: Vec<Vec<u8>> = golden("hdf5.json").iter().map(file).collect();
    mutate("hdf5", &seeds, &mut readers::hdf5);
}

#[test]
fn archives() {
    mutate("archive", &written("archive.json"), &mut readers::archive);
}

#[test]
fn matrices_of_matlab() {
    let seeds = [real("ecg/records", ".mat"), real("darcy", ".mat")].concat();
    if !seeds.is_empty() {
        mutate("mat", &seeds, &mut readers::mat);
    }
}

#[test]
fn sounds_and_images() {
    if test_data().is_none() {
        return;
    }
    mutate("wav", &real("fsd50k/clips_22050", ".wav"), &mut readers::wav);
    mutate("fits", &real("cosmic", ".fits"), &mut readers::fits);
}

#[test]
fn texts() {
    if test_data().is_none() {
        return;
    }
    let short = |mut bytes: Vec<u8>| {
        bytes.truncate(1000);
        bytes
    };
    let tables = [real("fsd50k", ".csv"), real("satellite", ".csv")].concat();
    mutate("csv", &tables.into_iter().map(short).collect::<Vec<_>>(), &mut readers::csv);
    let lines = [real("deepsea", ".bed"), real("deepsea", ".fa"), real("ecg/records", ".hea")].concat();
    mutate("text", &lines.into_iter().map(short).collect::<Vec<_>>(), &mut readers::text);
}

#[test]
fn manifests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    let vocabulary = vocabulary();
    mutate("manifest", &seeds, &mut |bytes| manifest_body::manifest(bytes, &vocabulary));
}
