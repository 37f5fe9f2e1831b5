//! A user's own arrays: `init` writes a manifest that runs, shapes are checked before anything runs, and what does not fit is
//! named. Previews and bundles of any task.

use crate::support::lab::Lab;
use nasperf_pipe::artifacts::dataset::{Array, encode};
use nasperf_pipe::data::npy_writer::start_npy;
use nasperf_pipe::data::synthetic::{Purpose, Stream};
use std::io::Write;
use std::path::Path;

fn npy(path: &Path, descr: &str, shape: &[usize], bytes: &[u8]) {
    let mut file = std::fs::File::create(path).unwrap();
    start_npy(&mut file, descr, shape).unwrap();
    file.write_all(bytes).unwrap();
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Noise with a bump of its own per label: (N,2,40) and (N,3) of bytes.
fn series(count: usize) -> (Vec<f32>, Vec<u8>) {
    let mut stream = Stream::new("own", "test", Purpose::Content, 0, None);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let labels = [0, 1, 2].map(|_| stream.below(2) as u8);
        for channel in 0..2 {
            for at in 0..40 {
                let bump = |label: usize| {
                    let centre = 8.0 + 12.0 * label as f64;
                    3.0 * f64::from(labels[label]) * (-((at as f64 - centre) / 2.0).powi(2)).exp()
                };
                let bumps: f64 = if channel == 0 { (0..3).map(bump).sum() } else { 0.0 };
                x.push((10.0 + bumps + 0.3 * stream.normal()) as f32);
            }
        }
        y.extend(labels);
    }
    (x, y)
}

#[test]
fn a_folder_of_series_runs_end_to_end() {
    let lab = Lab::new("");
    let folder = lab.path("Bumps");
    std::fs::create_dir(&folder).unwrap();
    let (x, y) = series(120);
    npy(&folder.join("x.npy"), "<f4", &[120, 2, 40], &floats(&x));
    npy(&folder.join("y.npy"), "|u1", &[120, 3], &y);
    let said = lab.expect(0, &["init", "--data", "Bumps"]);
    assert!(said.out.contains("kind = \"multi-label\"") && said.out.contains("written to bumps.toml"), "{}", said.out);
    // what is there is not overwritten
    assert!(lab.expect(2, &["init", "--data", "Bumps"]).err.contains("--output"));
    let run = ["bumps.toml", "--set", "run.seeds=[0]", "--set", "retrain.epochs=12", "--set", "network.width=4"];
    lab.expect(0, &run);
    let results = lab.expect(0, &[&["results", "--format", "json"][..], &run].concat());
    let scores: serde_json::Value = serde_json::from_str(&results.out).unwrap();
    let score = scores.as_array().unwrap().first().cloned().unwrap_or_default();
    assert_eq!(
        (score["metric"].as_str(), score["data"].as_str()),
        (Some("mean AUROC"), Some("files")),
        "{}",
        results.out
    );
    assert!(score["value"].as_f64().unwrap() > 0.7, "bumps can be told from noise: {}", results.out);
    // the files are inputs: unchanged nothing runs, changed the data are prepared again
    lab.expect(0, &run);
    assert!(lab.executed().is_empty());
    npy(&folder.join("y.npy"), "|u1", &[120, 3], &vec![1; 360]);
    assert!(lab.expect(0, &["plan", "bumps.toml"]).out.contains("fetch"));
}

#[test]
fn fields_with_their_own_test_run_end_to_end() {
    let lab = Lab::new("");
    let folder = lab.path("smooth");
    std::fs::create_dir(&folder).unwrap();
    let mut stream = Stream::new("own", "fields", Purpose::Content, 0, None);
    for (name, count) in [("train", 24), ("test", 8)] {
        let x: Vec<f32> = (0..count * 12 * 10).map(|_| stream.normal() as f32).collect();
        let y: Vec<f32> = x.iter().map(|v| 2.0 * v + 1.0).collect();
        let file = [("x", Array::f32(&[count, 12, 10], &x)), ("y", Array::f32(&[count, 12, 10], &y))];
        let bytes = encode(&file.each_ref().map(|(name, array)| (*name, array))).unwrap();
        std::fs::write(folder.join(format!("{name}.safetensors")), bytes).unwrap();
    }
    let said = lab.expect(0, &["init", "--data", "smooth", "--name", "affine"]);
    for part in ["kind = \"dense\"", "test_x = \"test.safetensors:x\"", "dimension = 2"] {
        assert!(said.out.contains(part), "{part}\n{}", said.out);
    }
    let sets = ["--set", "run.seeds=[0]", "--set", "retrain.epochs=80", "--set", "network.width=2"];
    lab.expect(0, &[&["affine.toml"][..], &sets].concat());
    let results = lab.expect(0, &[&["results", "affine.toml", "--format", "json"][..], &sets].concat());
    let scores: serde_json::Value = serde_json::from_str(&results.out).unwrap();
    let (value, trivial) = (&scores[0]["value"], &scores[0]["trivial"]["value"]);
    assert!(value.as_f64().unwrap() < 0.8 * trivial.as_f64().unwrap(), "{}", results.out);
    // a figure of the samples, from the same cache
    let drawn = lab.expect(0, &["preview", "affine", "--manifest", "affine.toml", "-n", "3"]);
    assert!(drawn.out.contains("affine.svg"), "{}", drawn.out);
    assert_eq!(std::fs::read_to_string(lab.path("affine.svg")).unwrap().matches("data:image/png").count(), 6);
}

const OWN: &str = "[run]\nname = \"own\"\nseeds = [0]\n[task.own]\ndimension = 1\nkind = \"point\"\ndir = \"d\"\nx = \"x.npy\"\n\
                   y = \"y.npy\"\n[[grid]]\ntask = [\"own\"]\nmethod = [\"wrn/default\"]\n";

#[test]
fn what_does_not_fit_is_said_before_anything_runs() {
    let lab = Lab::new(OWN);
    std::fs::create_dir(lab.path("d")).unwrap();
    npy(&lab.path("d/x.npy"), "<f4", &[4, 2, 5], &floats(&[0.0; 40]));
    npy(&lab.path("d/y.npy"), "<i8", &[3], &[0; 24]);
    assert!(lab.expect(2, &["check", "m.toml"]).err.contains("y.npy: expected 4 rows as in x.npy, found 3"));
    npy(&lab.path("d/y.npy"), "<i8", &[4, 5], &[0; 160]);
    assert!(lab.expect(2, &["check", "m.toml"]).err.contains("expected one class per row"));
    for (change, expected) in [
        ("dimension = 2", "expected an array (N,C,H,W) or (N,H,W)"),
        ("loss = \"relative-l2\"\ndimension = 1", "a point task takes \"cross-entropy\""),
        ("test_x = \"x.npy\"\ndimension = 1", "`test_x` and `test_y` go together"),
    ] {
        npy(&lab.path("d/y.npy"), "<i8", &[4], &[0; 32]);
        if change == "dimension = 2" {
            npy(&lab.path("d/x.npy"), "<f4", &[4, 5], &floats(&[0.0; 20]));
        } else {
            npy(&lab.path("d/x.npy"), "<f4", &[4, 2, 5], &floats(&[0.0; 40]));
        }
        lab.write("m.toml", &OWN.replace("dimension = 1", change));
        let said = lab.expect(2, &["check", "m.toml"]);
        assert!(said.err.contains(expected), "{expected}\n{}", said.err);
    }
    lab.write("m.toml", OWN);
    let classes: Vec<u8> = [0i64, 1, -1, 2].iter().flat_map(|v| v.to_le_bytes()).collect();
    npy(&lab.path("d/y.npy"), "<i8", &[4], &classes);
    assert!(lab.expect(1, &["m.toml"]).err.contains("y.npy, row 2: expected a class 0, 1, …, found -1"));
    std::fs::remove_file(lab.path("d/y.npy")).unwrap();
    assert!(lab.expect(2, &["m.toml"]).err.contains("y.npy"));
}

#[test]
fn init_says_what_is_wrong_with_an_array() {
    let lab = Lab::new("");
    std::fs::create_dir(lab.path("d")).unwrap();
    let init = |expected: &str| {
        let said = lab.expect(2, &["init", "--data", "d"]);
        assert!(said.err.contains(expected), "{expected}\n{}", said.err);
    };
    init("np.savez(\"data.npz\", x=x, y=y)");
    npy(&lab.path("d/x.npy"), "<f4", &[4, 2, 5], &floats(&[0.5; 40]));
    npy(&lab.path("d/y.npy"), "<U1", &[4], &[b'a'; 16]);
    init("y.npy: expected numbers, found texts; for classes save their numbers");
    npy(&lab.path("d/y.npy"), "<c8", &[4], &[0; 32]);
    init("y.npy: expected numbers, found complex numbers");
    npy(&lab.path("d/y.npy"), "<i8", &[4], &[0; 24]);
    init("y.npy, offset");
    npy(&lab.path("d/y.npy"), "<i8", &[3], &[0; 24]);
    init("`y.npy`: expected 4 rows as in `x.npy`, found 3");
    npy(&lab.path("d/y.npy"), "<f4", &[4], &floats(&[0.0, 1.0, f32::NAN, 1.0]));
    init("`y.npy`: expected finite values, found NaN");
    // the same where a manifest names the arrays, before anything runs
    npy(&lab.path("d/y.npy"), "<U1", &[4], &[b'a'; 16]);
    lab.write("own.toml", OWN);
    assert!(lab.expect(2, &["check", "own.toml"]).err.contains("found texts; for classes save their numbers"));
}

#[test]
fn a_value_per_position_of_a_series_gets_a_network_that_has_it() {
    let lab = Lab::new("");
    std::fs::create_dir(lab.path("sums")).unwrap();
    let (x, _) = series(24);
    let sums: Vec<f32> =
        x.chunks(80).flat_map(|row| (0..40).map(|at| row[at] + row[40 + at]).collect::<Vec<_>>()).collect();
    npy(&lab.path("sums/x.npy"), "<f4", &[24, 2, 40], &floats(&x));
    npy(&lab.path("sums/y.npy"), "<f4", &[24, 40], &floats(&sums));
    let said = lab.expect(0, &["init", "--data", "sums"]);
    assert!(said.out.contains("method = [\"darts/default\"]"), "{}", said.out);
    lab.expect(0, &["sums.toml", "--set", "run.seeds=[0]", "--set", "retrain.epochs=1"]);
    assert!(lab.executed().iter().any(|node| node.starts_with("evaluate")));
}

#[test]
fn a_bundle_makes_another_cache_whole() {
    let lab = Lab::new(crate::support::lab::SMALL);
    lab.expect(0, &["m.toml"]);
    lab.expect(0, &["bundle", "m.toml", "-o", "all.tar.zst", "--results"]);
    lab.expect(0, &["bundle", "m.toml", "-o", "data.tar.zst"]);
    assert!(lab.expect(4, &["bundle", "m.toml", "-o", "no.tar.zst", "--cache", "empty"]).err.contains("fetch --until"));
    // what that message advises is enough
    lab.expect(0, &["fetch", "--until", "preprocess", "m.toml", "--cache", "fetched"]);
    lab.expect(0, &["bundle", "m.toml", "-o", "fetched.tar.zst", "--cache", "fetched"]);
    lab.expect(0, &["unbundle", "all.tar.zst", "--cache", "other"]);
    lab.expect(0, &["m.toml", "--cache", "other", "--require-cached"]);
    lab.expect(0, &["unbundle", "data.tar.zst", "--cache", "data"]);
    lab.expect(4, &["m.toml", "--cache", "data", "--require-cached"]);
    lab.expect(0, &["m.toml", "--cache", "data", "--require-cached", "--until", "preprocess"]);
    // again: all is known; damaged: an error, and what came before is whole
    assert!(lab.expect(0, &["unbundle", "all.tar.zst", "--cache", "other"]).out.contains("0 results new"));
    let bytes = std::fs::read(lab.path("all.tar.zst")).unwrap();
    std::fs::write(lab.path("cut.tar.zst"), &bytes[..bytes.len() / 2]).unwrap();
    assert!(lab.expect(1, &["unbundle", "cut.tar.zst", "--cache", "cut"]).err.contains("cut or damaged"));
    lab.expect(0, &["unbundle", "all.tar.zst", "--cache", "cut"]);
    lab.expect(0, &["m.toml", "--cache", "cut", "--require-cached"]);
}

#[test]
fn every_task_can_be_looked_at() {
    let lab = Lab::new("");
    for task in ["cifar100", "satellite"] {
        let said = lab.expect(0, &["preview", task, "-n", "4", "-o", "figure.svg"]);
        assert_eq!(said.out.matches("  [").count(), 4, "{}", said.out);
        let figure = std::fs::read_to_string(lab.path("figure.svg")).unwrap();
        let drawn = figure.matches("<image").count() + figure.matches("<polyline").count();
        assert_eq!(drawn, 4, "{task}");
    }
    let said = lab.expect(2, &["preview", "cifar10"]);
    assert!(said.err.contains("cifar100") && said.err.contains("--manifest"), "{}", said.err);
}
