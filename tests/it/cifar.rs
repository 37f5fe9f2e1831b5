//! CIFAR-100: every published form gives the same data set, files that are not CIFAR are named, and the embedded stand-in
//! can be learned.

use crate::cholesky::solve;
use crate::data_context::{DataContext, definition, test_data};
use nasperf_pipe::artifacts::dataset::{DatasetMeta, Target, decode};
use nasperf_pipe::data::counts::Counts;
use nasperf_pipe::data::synthetic::{Purpose, Stream};
use nasperf_pipe::digest::Digest;
use nasperf_pipe::stages::fetch::{FetchParams, fetch};
use nasperf_pipe::stages::preprocess::{PreprocessParams, preprocess};
use nasperf_pipe::tasks::cifar100::generator::Cifar100Generator;
use nasperf_pipe::tasks::cifar100::preparation::Cifar100Preparation;
use nasperf_pipe::tasks::cifar100::source::Cifar100Source;
use nasperf_pipe::tasks::contract::generator::Generator;
use nasperf_pipe::tasks::contract::preparation::Preparation;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Pixels and labels.
type Part = (Vec<u8>, Vec<u32>);

fn counts(classes: u64, train: u64, validation: u64, test: u64) -> Counts {
    Counts::of(&[("classes", classes), ("train", train), ("validation", validation), ("test", test)])
}

fn prepare(files: &[(&str, PathBuf)], counts: &Counts) -> Result<(DatasetMeta, Part, Part), String> {
    let mut context = DataContext::new();
    for (name, path) in files {
        context = context.input("raw", name, path);
    }
    Cifar100Preparation.prepare(counts, "files", &mut context).map_err(|e| e.to_string())?;
    assert_eq!(context.unfinished(), Vec::<String>::new(), "every input is read to its end");
    let meta: DatasetMeta = serde_json::from_slice(&context.output("dataset.json")).unwrap();
    let part = |name: &str| {
        let bytes = context.output(&format!("{name}.safetensors"));
        let x = decode(&bytes, "x").unwrap();
        assert_eq!(x.shape[1..], [3, 32, 32]);
        (x.bytes.to_vec(), decode(&bytes, "y").unwrap().to_u32().unwrap())
    };
    Ok((meta, part("train"), part("test")))
}

/// A tar archive, plain, of the given files under `folder/`.
fn tar(folder: &str, files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("{folder}/{name}"), bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn real_files_in_all_published_forms_give_the_same_data() {
    let Some(data) = test_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let python = |name: &str| data.join("cifar100/cifar-100-python").join(name);
    let binary = |name: &str| data.join("cifar100/cifar-100-binary").join(name);
    let plain: Vec<_> = ["train", "test", "meta"].map(|name| (name, python(name))).into();
    let bin: Vec<_> = ["train.bin", "test.bin", "fine_label_names.txt"].map(|name| (name, binary(name))).into();
    let archive = |name: &str, inner: &str, files: &[(&'static str, PathBuf)]| {
        let files: Vec<_> = files.iter().map(|(name, path)| (*name, std::fs::read(path).unwrap())).collect();
        std::fs::write(folder.path().join(name), gzip(&tar(inner, &files))).unwrap();
        folder.path().join(name)
    };
    let python_tar = archive("cifar-100-python.tar.gz", "cifar-100-python", &plain);
    let binary_tar = archive("cifar-100-binary.tar.gz", "cifar-100-binary", &bin);
    let amounts = counts(34, 139, 35, 58);
    let (meta, train, test) = prepare(&plain, &amounts).unwrap();
    assert_eq!(prepare(&bin, &amounts).unwrap(), (meta.clone(), train.clone(), test.clone()));
    for (name, path) in [("cifar-100-python.tar.gz", python_tar), ("cifar-100-binary.tar.gz", binary_tar)] {
        assert_eq!(prepare(&[(name, path)], &amounts).unwrap(), (meta.clone(), train.clone(), test.clone()), "{name}");
    }
    // digests, labels and sums by numpy from the Python files
    let sha = |part: &Part| Digest::of(&part.0).to_string();
    assert_eq!(sha(&train), "1106df355bb817ec7a6ad949ac461346671daaa4b46b4ceec5c11692d7e70ab7");
    assert_eq!(sha(&test), "e893f8b07a10b9e652bf3d0bafce0632a42712917db95e023232b2135f5ab7fc");
    assert_eq!((train.1.len(), train.1.iter().sum::<u32>(), &train.1[..6]), (174, 2793, &[18, 20, 1, 15, 9, 26][..]));
    assert_eq!((test.1.len(), test.1.iter().sum::<u32>(), &test.1[55..]), (58, 911, &[26, 7, 22][..]));
    assert_eq!(meta.class_names[..3], ["amphibian_reptile", "bird", "fish"]);
    assert_eq!((meta.shape.channels, &meta.shape.target), (3, &Target::Point { classes: 34 }));
    assert_eq!((meta.search.train.end, meta.search.score.start, meta.search.score.end), (139, 139, 174));
    assert_eq!((meta.last.train.end, meta.last.score.part.as_str(), meta.last.score.end), (174, "test", 58));

    for (amounts, words) in [
        (counts(34, 40_000, 10_000, 10_000), ["expected 50000 pictures, found 174", "data.train and data.validation"]),
        (counts(34, 139, 35, 60), ["expected 60 pictures, found 58", "data.test"]),
        (counts(20, 139, 35, 58), ["expected a label below 20, found", "data.classes"]),
        (counts(100, 139, 35, 58), ["expected 100 class names, found 34", "data.classes"]),
    ] {
        let message = prepare(&plain, &amounts).unwrap_err();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    }
}

/// The Python version's pickle of two pictures, written by hand (protocol 2, as Python 2 writes it).
fn python_batch(rows: u8, labels: &[u8]) -> Vec<u8> {
    let mut bytes =
        b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
            .to_vec();
    bytes.extend(b"(K\x01K");
    bytes.push(rows);
    bytes.extend(b"M\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T");
    let len = u32::from(rows) * 3072;
    bytes.extend(len.to_le_bytes());
    bytes.extend((0..len).map(|i| (i % 251) as u8));
    bytes.extend(b"tbU\x0bfine_labels](");
    labels.iter().for_each(|label| bytes.extend([b'K', *label]));
    bytes.extend(b"eu.");
    bytes
}

#[test]
fn files_that_are_not_cifar_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let good = python_batch(2, &[3, 1]);
    let (train, test) = (path("train", &good), path("test", &good));
    let amounts = counts(10, 2, 0, 2);
    let (meta, part, _) = prepare(&[("train", train.clone()), ("test", test.clone())], &amounts).unwrap();
    assert_eq!((part.1, meta.class_names.len()), (vec![3, 1], 0));
    let with_train = |name: &str, bytes: &[u8]| {
        prepare(&[(name, path(&format!("bad-{name}"), bytes)), ("test", test.clone())], &amounts).unwrap_err()
    };
    for (name, bytes, word) in [
        ("train", python_batch(2, &[3]), "as many labels as pictures"),
        ("train", b"cos\nsystem\n(U\x02lstR.".to_vec(), "nothing is executed"),
        ("train", b"\x80\x02}.".to_vec(), "fine_labels"),
        ("train", good[..good.len() - 3000].to_vec(), "train, offset"),
        ("train.bin", vec![0; 3074 + 5], "cut inside record 1"),
        ("cifar.tar.gz", gzip(&tar("x", &[("train", good.clone())]))[..300].to_vec(), "cifar.tar.gz"),
        ("cifar.tar.gz", gzip(&tar("x", &[("train", good.clone()), ("train.bin", vec![0; 3074])])), "once"),
        ("cifar.tar.gz", b"\xfd7zXZ\0".to_vec(), "not a readable archive"),
        ("other", good.clone(), "named `train` or `train.bin`, found none in other, test"),
    ] {
        let message = with_train(name, &bytes);
        assert!(message.contains(word), "{message}");
    }
    // Damage anywhere is an error or a different picture, never a crash.
    let mut stream = Stream::new("cifar100", "test", Purpose::Noise, 0, None);
    let archive = tar("cifar-100-python", &[("train", good.clone()), ("test", good)]);
    for round in 0..300 {
        let mut bytes = archive.clone();
        for _ in 0..4 {
            let near_header = stream.below(2) == 0;
            let at = stream.below(if near_header { 800 } else { bytes.len() as u64 }) as usize;
            bytes[at] = stream.bits() as u8;
        }
        let _ = prepare(&[("a.tar", path("mutated.tar", &bytes))], &counts(256, 2, 0, 2 + round % 2));
    }
}

fn generate(counts: &Counts, threads: usize) -> DataContext {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut context = DataContext::new();
    pool.install(|| Cifar100Generator.generate(counts, None, &mut context)).unwrap();
    context
}

#[test]
fn embedded_pictures_are_the_same_for_any_thread_count_and_prepare_like_official_ones() {
    let changes = [("data.source", json!("embedded")), ("data.size", json!("tiny"))];
    let params = FetchParams::from_settings(&definition("cifar100", &changes), &Cifar100Source).unwrap();
    let mut raw = DataContext::new();
    fetch(&Cifar100Source, &Cifar100Generator, &params, &mut raw).unwrap();
    for threads in [1, 2, 4] {
        assert_eq!(generate(&params.counts, threads).digests(), raw.digests());
    }
    assert_eq!(raw.output("train.bin").len(), 300 * 3074);
    let params = PreprocessParams::from_settings(&definition("cifar100", &changes), &Cifar100Preparation).unwrap();
    let mut context = raw.next_stage();
    preprocess("test", &[], &Cifar100Preparation, &params, &mut context).unwrap();
    let meta: DatasetMeta = serde_json::from_slice(&context.output("dataset.json")).unwrap();
    assert_eq!((meta.source.as_str(), meta.class_names.len()), ("embedded:tiny", 100));
    assert_eq!(meta.class_names[37], "ring-checker-7");
    let labels = decode(&context.output("train.safetensors"), "y").unwrap().to_u32().unwrap();
    for class in 0..100 {
        // two of each to train on, one to validate
        assert_eq!(labels[..200].iter().filter(|label| **label == class).count(), 2);
        assert_eq!(labels[200..].iter().filter(|label| **label == class).count(), 1);
    }
    assert_ne!(labels[..20], (0..20).collect::<Vec<u32>>(), "not in order: training may be unshuffled");
}

/// Pixels in [0, 1] and labels of a generated file.
fn records(path: &Path, count: usize) -> (Vec<Vec<f64>>, Vec<usize>) {
    let bytes = std::fs::read(path).unwrap();
    let pictures = bytes.chunks(3074).take(count);
    pictures.map(|r| (r[2..].iter().map(|v| f64::from(*v) / 255.0).collect(), usize::from(r[1]))).unzip()
}

/// Colour means of 8×8 cells, gradient energy, differences at growing lags, colour histogram.
fn hand_features(picture: &[f64]) -> Vec<f64> {
    let at = |plane: usize, y: usize, x: usize| picture[(plane * 32 + y) * 32 + x];
    let mut out = vec![1.0];
    for plane in 0..3 {
        for cell in 0..64 {
            let (cy, cx) = (4 * (cell / 8), 4 * (cell % 8));
            out.push((0..16).map(|k| at(plane, cy + k / 4, cx + k % 4)).sum::<f64>() / 16.0);
        }
    }
    let grey = |y: usize, x: usize| (at(0, y, x) + at(1, y, x) + at(2, y, x)) / 3.0;
    for cell in 0..16 {
        let (cy, cx) = (7 * (cell / 4) + 1, 7 * (cell % 4) + 1);
        let points = || (0..49).map(move |k| (cy + k / 7, cx + k % 7));
        out.push(points().map(|(y, x)| (grey(y, x + 1) - grey(y, x)).powi(2)).sum::<f64>());
        out.push(points().map(|(y, x)| (grey(y + 1, x) - grey(y, x)).powi(2)).sum::<f64>());
    }
    for lag in 1..8 {
        let inside = || (4..20).flat_map(|y| (4..20).map(move |x| (y, x)));
        out.push(inside().map(|(y, x)| (grey(y, x + lag) - grey(y, x)).abs()).sum::<f64>() / 64.0);
        out.push(inside().map(|(y, x)| (grey(y + lag, x) - grey(y, x)).abs()).sum::<f64>() / 64.0);
    }
    let mut hues = vec![0.0; 20];
    for point in 0..1024 {
        let (r, g, b) = (at(0, point / 32, point % 32), at(1, point / 32, point % 32), at(2, point / 32, point % 32));
        let hue = (3f64.sqrt() * (g - b)).atan2(2.0 * r - g - b) / std::f64::consts::TAU;
        hues[(hue.rem_euclid(1.0) * 20.0) as usize % 20] += (r.max(g).max(b) - r.min(g).min(b)) / 50.0;
    }
    out.extend(hues);
    out
}

/// Share of test rows whose class has the highest linear score.
fn ridge_accuracy(x: &[Vec<f64>], y: &[usize], x_test: &[Vec<f64>], y_test: &[usize]) -> f64 {
    let d = x[0].len();
    let mut matrix = vec![vec![0.0; d]; d];
    let mut rights = vec![vec![0.0; d]; 100];
    for (row, class) in x.iter().zip(y) {
        for i in 0..d {
            for j in 0..=i {
                matrix[i][j] += row[i] * row[j];
            }
            rights[*class][i] += row[i];
        }
    }
    for (i, row) in matrix.iter_mut().enumerate() {
        row[i] += 1.0;
    }
    let weights = solve(matrix, rights);
    let score = |row: &[f64], w: &[f64]| row.iter().zip(w).map(|(a, b)| a * b).sum::<f64>();
    let best =
        |row: &[f64]| (0..100).max_by(|a, b| score(row, &weights[*a]).total_cmp(&score(row, &weights[*b]))).unwrap();
    x_test.iter().zip(y_test).filter(|(row, class)| best(row) == **class).count() as f64 / y_test.len() as f64
}

fn centroid_accuracy(x: &[Vec<f64>], y: &[usize], x_test: &[Vec<f64>], y_test: &[usize]) -> f64 {
    let mut sums = vec![(vec![0.0; x[0].len()], 0.0); 100];
    for (row, class) in x.iter().zip(y) {
        sums[*class].0.iter_mut().zip(row).for_each(|(s, v)| *s += v);
        sums[*class].1 += 1.0;
    }
    let distance =
        |row: &[f64], k: usize| row.iter().zip(&sums[k].0).map(|(v, s)| (v - s / sums[k].1).powi(2)).sum::<f64>();
    let best = |row: &[f64]| (0..100).min_by(|a, b| distance(row, *a).total_cmp(&distance(row, *b))).unwrap();
    x_test.iter().zip(y_test).filter(|(row, class)| best(row) == **class).count() as f64 / y_test.len() as f64
}

/// Gates of the task specification, §13.13.
#[test]
fn the_small_data_can_be_learned() {
    let context = generate(&counts(100, 2000, 500, 500), 2);
    let (raw, mut y) = records(&context.output_path("train.bin"), 2000);
    let (raw_test, y_test) = records(&context.output_path("test.bin"), 500);
    let centroid = centroid_accuracy(&raw, &y, &raw_test, &y_test);
    let x: Vec<_> = raw.iter().map(|picture| hand_features(picture)).collect();
    let x_test: Vec<_> = raw_test.iter().map(|picture| hand_features(picture)).collect();
    let ridge = ridge_accuracy(&x, &y, &x_test, &y_test);
    Stream::new("cifar100", "test", Purpose::Label, 0, None).shuffle(&mut y);
    let permuted = ridge_accuracy(&x, &y, &x_test, &y_test);
    eprintln!("cifar100 small: ridge {ridge:.3}, centroid {centroid:.3}, permuted labels {permuted:.3}");
    assert!(ridge >= 0.20, "{ridge}");
    assert!(centroid >= 0.05, "{centroid}");
    // chance 1 % ± 3 standard errors
    assert!((permuted - 0.01).abs() <= 3.0 * (0.01f64 * 0.99 / 500.0).sqrt(), "{permuted}");
}
