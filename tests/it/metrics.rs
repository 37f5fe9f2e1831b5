//! Metrics against scikit-learn and numpy (`tests/golden/metrics/make.py`), to 1e-9.

use crate::support::formula::draw;
use nasperf_pipe::metrics::auroc::auroc;
use nasperf_pipe::metrics::average_precision::average_precision;
use nasperf_pipe::metrics::contacts::{PAD, contact_errors};
use nasperf_pipe::metrics::defined::mean_of_defined;
use nasperf_pipe::metrics::f1::{f1, macro_f1};
use nasperf_pipe::metrics::rates::Confusion;
use nasperf_pipe::metrics::tallies::LabelScores;
use serde_json::Value;
use std::path::Path;

fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/metrics/scores.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn cases<'a>(golden: &'a Value, topic: &str) -> &'a [Value] {
    golden[topic].as_array().unwrap()
}

fn close(found: Option<f64>, expected: &Value, what: &str) {
    match (found, expected.as_f64()) {
        (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-9, "{what}: {found} {expected}"),
        (found, expected) => assert_eq!(found, expected, "{what}"),
    }
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// Scores and labels of a case, listed or by formula.
fn ranked(case: &Value) -> (Vec<f32>, Vec<bool>) {
    let Some(n) = case["n"].as_u64() else {
        let scores = numbers(&case["scores"]).into_iter().map(|s| s as f32).collect();
        return (scores, numbers(&case["labels"]).into_iter().map(|l| l == 1.0).collect());
    };
    let stream = case["stream"].as_u64().unwrap();
    let stepped = |s: f64| case["steps"].as_f64().map_or(s, |steps| (s * steps).floor());
    let scale = case["scale"].as_f64().unwrap_or(1.0);
    let scores = draw(stream, n as usize).into_iter().map(|s| (stepped(s) * scale) as f32).collect();
    let below = case["below"].as_f64().unwrap();
    (scores, draw(stream + 1, n as usize).into_iter().map(|d| d < below).collect())
}

#[test]
fn ranking_metrics_agree_with_scikit_learn() {
    let golden = golden();
    let cases = cases(&golden, "ranking");
    assert_eq!(cases.len(), 21);
    for case in cases {
        let what = format!("{} {}", case["name"], case["stream"]);
        let (scores, labels) = ranked(case);
        close(average_precision(&scores, &labels), &case["ap"], &format!("{what}: average precision"));
        close(auroc(&scores, &labels), &case["auroc"], &format!("{what}: AUROC"));
        // ranks alone count: a strictly rising map changes nothing, nor does another order of the samples
        let halved: Vec<f32> = scores.iter().rev().map(|s| s * 0.5).collect();
        let turned: Vec<bool> = labels.iter().rev().copied().collect();
        if scores.iter().all(|s| *s == 0.0 || s.abs() > 1e-30) {
            close(average_precision(&halved, &turned), &case["ap"], &what);
            close(auroc(&halved, &turned), &case["auroc"], &what);
        }
    }
}

#[test]
fn tallies_give_the_mean_of_the_labels_that_have_a_score() {
    let golden = golden();
    let long: Vec<_> = cases(&golden, "ranking").iter().filter(|case| case["n"] == 5000).collect();
    assert_eq!(long.len(), 3);
    let columns: Vec<_> = long.iter().map(|case| ranked(case)).collect();
    let mut tally = LabelScores::new(4);
    for row in 0..5000 {
        let (mut scores, mut truth) = ([0.5f32; 4], [false; 4]);
        for (label, (s, t)) in columns.iter().enumerate() {
            (scores[label], truth[label]) = (s[row], t[row]);
        }
        tally.add(&scores, &truth);
    }
    for (found, key) in [(tally.mean_average_precision(), "ap"), (tally.mean_auroc(), "auroc")] {
        let expected = long.iter().map(|case| case[key].as_f64().unwrap()).sum::<f64>() / 3.0;
        assert!((found.0 - expected).abs() < 1e-9 && found.1 == 1, "{key}: {found:?} {expected}");
    }
    let threads = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
    let bits = |n| threads(n).install(|| tally.mean_average_precision().0.to_bits());
    assert_eq!(bits(1), bits(3));
}

#[test]
fn f1_agrees_with_scikit_learn() {
    let golden = golden();
    let cases = cases(&golden, "f1");
    assert_eq!(cases.len(), 7);
    for case in cases {
        let classes = case["classes"].as_u64().unwrap();
        let label = |d: f64| ((d + 0.5) * (d + 0.5) * classes as f64).floor() as u32;
        let side = |key: &str, offset: u64| -> Vec<u32> {
            match case["n"].as_u64() {
                Some(n) => draw(case["stream"].as_u64().unwrap() + offset, n as usize).into_iter().map(label).collect(),
                None => numbers(&case[key]).into_iter().map(|v| v as u32).collect(),
            }
        };
        let (truth, predicted) = (side("truth", 0), side("predicted", 1));
        let found = f1(&truth, &predicted, classes as usize);
        assert_eq!(found.len(), case["f1"].as_array().unwrap().len());
        for (found, expected) in found.iter().zip(case["f1"].as_array().unwrap()) {
            close(Some(*found), expected, "F1");
        }
        close(Some(macro_f1(&truth, &predicted, classes as usize)), &case["macro"], "macro F1");
    }
}

#[test]
fn rates_agree_with_scikit_learn() {
    let golden = golden();
    let expected = &golden["rates"];
    let (n, stream) = (expected["n"].as_u64().unwrap() as usize, expected["stream"].as_u64().unwrap());
    let mut counts = Confusion::default();
    for (truth, predicted) in draw(stream, n).into_iter().zip(draw(stream + 1, n)) {
        counts.add(truth > 0.45, predicted > 0.4);
    }
    let found = [("tp", counts.tp), ("fp", counts.fp), ("tn", counts.tn), ("fn", counts.fn_)];
    for (key, count) in found {
        assert_eq!(Some(count), expected[key].as_u64(), "{key}");
    }
    for (key, rate) in [("tpr", counts.tpr()), ("fpr", counts.fpr()), ("fnr", counts.fnr())] {
        close(rate, &expected[key], key);
    }
}

#[test]
fn distance_errors_agree_with_the_whole_array_form() {
    let golden = golden();
    let cases = cases(&golden, "distances");
    assert_eq!(cases.len(), 4);
    let mut first = Vec::new();
    for case in cases {
        let number = |key: &str| case[key].as_u64().unwrap();
        let (side, length, stream) = (number("side") as usize, number("length") as usize, number("stream"));
        let map: Vec<f32> = draw(stream, side * side).into_iter().map(|d| (12.0 * d + 4.0) as f32).collect();
        let far = draw(stream + 1, side * side);
        let distance = |at: usize| {
            let (i, j) = (at / side, at % side);
            (12.0 * far[i.min(j) * side + i.max(j)].abs() + 4.0) as f32
        };
        let truth: Vec<f32> = (0..side * side).map(distance).collect();
        let found = contact_errors(&map, &truth, side, length, PAD);
        for (found, expected) in found.iter().zip(case["errors"].as_array().unwrap()) {
            assert_eq!(Some(found.pairs), expected["pairs"].as_u64());
            close(found.mean, &expected["mean"], "mean error");
        }
        first.push(found[0].mean);
    }
    let (mean, skipped) = mean_of_defined(&first);
    assert!(mean.is_finite() && skipped == 2);
}
