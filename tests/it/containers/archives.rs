//! Archives that Python wrote, and a real one of PyTorch.

use crate::containers::{golden, unhex};
use crate::data_context::test_data;
use nasperf_pipe::data::archive::{ArchiveError, members};
use nasperf_pipe::data::npy::{Npy, NpyError};
use nasperf_pipe::data::npz::{NpzError, arrays};
use serde_json::json;
use std::io::Read;

/// Paths and bytes; reads `most` bytes of each member at most.
fn listed(mut bytes: &[u8], most: u64) -> Result<Vec<(String, Vec<u8>)>, ArchiveError> {
    let mut seen = Vec::new();
    members::<ArchiveError>("x", &mut bytes, &mut |path, reader| {
        let mut body = Vec::new();
        let read = reader.take(most).read_to_end(&mut body);
        read.map_err(|source| ArchiveError::Damaged { file: "x".into(), source })?;
        seen.push((path.to_string(), body));
        Ok(())
    })?;
    Ok(seen)
}

#[test]
fn archives_of_python() {
    for case in golden("archive.json") {
        let (name, bytes) = (case["name"].as_str().unwrap(), unhex(&case["hex"]));
        let word = case["error"].as_str().unwrap();
        let found = listed(&bytes, u64::MAX);
        if !word.is_empty() {
            let message = found.unwrap_err().to_string();
            assert!(message.contains(word), "{name}: {message}");
            continue;
        }
        let found = found.unwrap_or_else(|e| panic!("{name}: {e}"));
        let expected = case["members"].as_array().unwrap();
        let expected: Vec<_> = expected.iter().map(|m| (m[0].as_str().unwrap().to_string(), unhex(&m[1]))).collect();
        assert_eq!(found, expected, "{name}");
        for most in [0, 3] {
            let paths = listed(&bytes, most).unwrap_or_else(|e| panic!("{name}, skipping: {e}"));
            assert_eq!(paths.len(), expected.len(), "{name}");
        }
        if name.starts_with("zip") && !expected.is_empty() {
            let directory = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
            for end in 0..directory {
                let cut = listed(&bytes[..end], u64::MAX);
                assert!(cut.is_err() || end == 0, "{name} cut at {end}");
            }
        }
    }
}

#[test]
fn npz_of_numpy() {
    for case in golden("npz.json") {
        let (mut seen, bytes) = (Vec::new(), unhex(&case["hex"]));
        let mut take = |name: &str, mut npy: Npy<&mut dyn Read>| {
            let mut values = vec![0.0; npy.remaining()];
            npy.next_f64(&mut values).map_err(NpzError::from)?;
            if npy.header().fortran {
                values = vec![1.0; 4];
            }
            seen.push(json!([name, npy.header().shape, values]));
            Ok::<(), NpzError>(())
        };
        arrays("x.npz", &mut bytes.as_slice(), &mut take).unwrap_or_else(|e| panic!("{}: {e}", case["name"]));
        assert_eq!(json!(seen), case["arrays"], "{}", case["name"]);
        let mut refuse = |_: &str, _: Npy<&mut dyn Read>| {
            Err(NpzError::from(NpyError { file: "mine".into(), offset: 7, problem: "none".into() }))
        };
        assert_eq!(
            arrays("x.npz", &mut bytes.as_slice(), &mut refuse).unwrap_err().to_string(),
            "mine, offset 7: none"
        );
    }
}

#[test]
fn the_archive_of_pytorch() {
    let Some(data) = test_data() else { return };
    let bytes = std::fs::read(data.join("darcy/darcy_train_16.pt")).unwrap();
    let found = listed(&bytes, u64::MAX).unwrap();
    let sizes: Vec<usize> = found.iter().map(|(_, body)| body.len()).collect();
    assert!(found[0].0.ends_with("data.pkl") && sizes.contains(&(1000 * 16 * 16 * 4)), "{sizes:?}");
    let paths = listed(&bytes, 0).unwrap();
    assert_eq!(paths.len(), found.len());
}
