//! The sound front end against librosa and scipy, permutations against NumPy (`tests/golden/signal/make.py`), and real clips.

use crate::data_context::test_data;
use crate::support::formula::{agrees, draw};
use nasperf_pipe::data::numpy_random::permutation;
use nasperf_pipe::data::signal::log_mel::{BANDS, LogMel, frames};
use nasperf_pipe::data::signal::resample::resample;
use serde_json::Value;
use std::f64::consts::TAU;
use std::path::Path;

fn golden(topic: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/signal/sounds.json");
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    all[topic].as_array().unwrap().clone()
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// `sound` of the script.
fn sound(kind: &str, n: usize) -> Vec<f32> {
    let drawn = match kind {
        "noise" => draw(5, n),
        "loud and quiet" => draw(6, n),
        _ => Vec::new(),
    };
    let sample = |i: usize| {
        let t = i as f64 / 22_050.0;
        match kind {
            "noise" => drawn[i],
            "sweep" => 0.8 * (TAU * (40.0 * t + 2500.0 * t * t)).sin(),
            "faint tone" => (32_767.0 * 0.002 * (TAU * 440.0 * t).sin()).round_ties_even() / 32_768.0,
            "loud and quiet" => drawn[i] * if (i / 4000).is_multiple_of(2) { 1.0 } else { 1e-5 },
            "clicks" => f64::from(u8::from(i % 977 == 5)) * 0.9,
            "silence" => 0.0,
            other => panic!("no sound {other}"),
        }
    };
    (0..n).map(|i| sample(i) as f32).collect()
}

/// The digest, and spots to an absolute `tolerance`.
fn compare(what: &str, found: &[f32], golden: &Value, tolerance: f64) {
    let found: Vec<f64> = found.iter().map(|v| f64::from(*v)).collect();
    agrees(what, &found, &numbers(&golden["digest"]), tolerance);
    for (i, expected) in numbers(&golden["spots"]).into_iter().enumerate() {
        let at = i * found.len() / 24;
        let value = found[at];
        assert!((value - expected).abs() < tolerance, "{what}[{at}]: {value} instead of {expected}");
    }
}

#[test]
fn log_mel_agrees_with_librosa() {
    let (mel, cases) = (LogMel::new(22_050), golden("maps"));
    assert_eq!(cases.len(), 26);
    for case in &cases {
        let (kind, n) = (case["kind"].as_str().unwrap(), case["n"].as_u64().unwrap() as usize);
        let map = mel.transform(&sound(kind, n));
        assert_eq!(map.len(), BANDS * frames(n));
        compare(&format!("{kind} of {n} samples"), &map, case, 2e-5);
    }
}

#[test]
fn resampling_agrees_with_scipy() {
    let cases = golden("rates");
    assert_eq!(cases.len(), 15);
    for case in &cases {
        let rate = |key: &str| case[key].as_u64().unwrap() as u32;
        let (kind, n, from, to) = (case["kind"].as_str().unwrap(), rate("n") as usize, rate("from"), rate("to"));
        let out = resample(&sound(kind, n), from, to);
        assert_eq!(out.len(), (n * to as usize).div_ceil(from as usize));
        // where several phases are kept, each has its own sum of weights here and a common one there: 100 dB
        let tolerance = if from == 2 * to { 1e-6 } else { 3e-5 };
        compare(&format!("{kind} of {n} samples from {from} to {to} Hz"), &out, case, tolerance);
    }
}

#[test]
fn permutations_agree_with_numpy() {
    for case in golden("permutations") {
        let (n, seed) = (case["n"].as_u64().unwrap() as u32, case["seed"].as_u64().unwrap() as u32);
        let found = permutation(n, seed);
        let as_numbers = |part: &[u32]| part.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let end = found.len().saturating_sub(20);
        assert_eq!(as_numbers(&found[..found.len().min(20)]), numbers(&case["first"]));
        assert_eq!(as_numbers(&found[end..]), numbers(&case["last"]));
        let sum: u64 = found.iter().enumerate().map(|(i, v)| u64::from(*v) * (i as u64 % 9973)).sum();
        assert_eq!(Some(sum), case["sum"].as_u64(), "{n} with seed {seed}");
    }
}

/// Samples of a PCM16 file with the plain header of 44 bytes.
fn pcm16(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    bytes[44..].as_chunks::<2>().0.iter().map(|pair| f32::from(i16::from_le_bytes(*pair)) / 32_768.0).collect()
}

#[test]
fn a_real_clip_at_half_its_rate_is_the_one_that_others_made() {
    let Some(folder) = test_data().map(|data| data.join("fsd50k/clips_44100")) else { return };
    for name in ["1-100032-A.wav", "1-54505-A.wav"] {
        let full = pcm16(&folder.join(name));
        let half = pcm16(&folder.join("../clips_22050").join(name));
        let ours = resample(&full, 44_100, 22_050);
        assert_eq!(ours.len(), half.len());
        let energy = |part: &mut dyn Iterator<Item = f64>| part.map(|v| v * v).sum::<f64>();
        let all = energy(&mut half.iter().map(|v| f64::from(*v)));
        let rest = energy(&mut half.iter().zip(&ours).map(|(a, b)| f64::from(a - b)));
        // they differ in the edge of the filter, where these clips have little
        assert!(rest < 0.01 * all, "{name}: {rest} of {all}");
        let map = LogMel::new(22_050).transform(&ours);
        assert_eq!(map.len(), BANDS * frames(ours.len()));
    }
}
