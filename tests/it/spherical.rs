//! Spherical: the hosted file and CIFAR-100's files give the data set; the embedded stand-in can be learned.

use crate::data_context::{DataContext, test_data};
use nasperf_pipe::artifacts::dataset::{DatasetMeta, decode};
use nasperf_pipe::data::counts::Counts;
use nasperf_pipe::tasks::contract::generator::Generator;
use nasperf_pipe::tasks::contract::preparation::Preparation;
use nasperf_pipe::tasks::spherical::generator::SphericalGenerator;
use nasperf_pipe::tasks::spherical::preparation::SphericalPreparation;
use std::path::PathBuf;

/// Bytes (N,3,60,60) and labels.
type Part = (Vec<u8>, Vec<u32>);

const SIZE: usize = 3 * 60 * 60;

fn counts(classes: u64, train: u64, validation: u64, test: u64) -> Counts {
    Counts::of(&[("classes", classes), ("train", train), ("validation", validation), ("test", test)])
}

fn prepare(files: &[(&str, PathBuf)], counts: &Counts) -> Result<(DatasetMeta, Part, Part), String> {
    let mut context = DataContext::new();
    for (name, path) in files {
        context = context.input("raw", name, path);
    }
    SphericalPreparation.prepare(counts, "files", &mut context).map_err(|e| e.to_string())?;
    assert_eq!(context.unfinished(), Vec::<String>::new(), "every input is read to its end");
    let meta: DatasetMeta = serde_json::from_slice(&context.output("dataset.json")).unwrap();
    let part = |name: &str| {
        let bytes = context.output(&format!("{name}.safetensors"));
        let x = decode(&bytes, "x").unwrap();
        assert_eq!(x.shape[1..], [3, 60, 60]);
        (x.bytes.to_vec(), decode(&bytes, "y").unwrap().to_u32().unwrap())
    };
    Ok((meta, part("train"), part("test")))
}

#[test]
fn the_hosted_file_is_read() {
    let Some(hosted) = test_data().map(|data| data.join("spherical/s2_cifar100.gz")) else { return };
    let files = [("s2_cifar100.gz", hosted)];
    let (meta, train, test) = prepare(&files, &counts(34, 139, 35, 58)).unwrap();
    assert_eq!((meta.shape.spatial.as_slice(), meta.shape.channels), (&[60, 60][..], 3));
    assert_eq!((train.0.len(), train.1.len(), test.1.len()), (174 * SIZE, 174, 58));
    // each channel was stretched to 0..255
    let stretched =
        train.0.chunks_exact(3600).all(|plane| plane.iter().min() == Some(&0) && plane.iter().max() >= Some(&254));
    assert!(stretched);
    let message = prepare(&files, &counts(100, 40_000, 10_000, 10_000)).unwrap_err();
    let expected = "s2_cifar100.gz: expected 50000 pictures in `train`, found 174; set data.train and data.validation";
    assert!(message.contains(expected), "{message}");
    let message = prepare(&files, &counts(10, 139, 35, 58)).unwrap_err();
    assert!(message.contains("expected a label below 10") && message.contains("set data.classes"), "{message}");
}

#[test]
fn without_the_hosted_file_the_pictures_are_projected() {
    let Some(binary) = test_data().map(|data| data.join("cifar100/cifar-100-binary/train.bin")) else { return };
    let folder = binary.parent().unwrap().to_path_buf();
    let files = [("train.bin", binary), ("test.bin", folder.join("test.bin"))];
    let (_, train, test) = prepare(&files, &counts(34, 139, 35, 58)).unwrap();
    assert_eq!((train.0.len(), test.0.len()), (174 * SIZE, 58 * SIZE));
    let stretched = train.0.chunks_exact(3600).filter(|plane| plane.iter().max() >= Some(&254)).count();
    assert!(stretched > 3 * 170, "{stretched}");
    let Some(hosted) = test_data().map(|data| data.join("spherical/s2_cifar100.gz")) else { return };
    let (_, other, _) = prepare(&[("s2_cifar100.gz", hosted)], &counts(34, 139, 35, 58)).unwrap();
    assert_eq!(train.1, other.1, "the same pictures in the same order");
}

fn embedded(train: u64, test: u64) -> (Part, Part) {
    let counts = counts(100, train, 0, test);
    let mut made = DataContext::new();
    SphericalGenerator.generate(&counts, None, &mut made).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s2_cifar100.gz");
    std::fs::write(&path, made.output("s2_cifar100.gz")).unwrap();
    let (_, train, test) = prepare(&[("s2_cifar100.gz", path)], &counts).unwrap();
    (train, test)
}

/// Hue histogram and moments of the colours, weighted by the area of a grid point: sin β.
fn features(picture: &[u8]) -> Vec<f64> {
    let (mut histogram, mut mean, mut square) = (vec![0.0; 20], [0.0; 3], [0.0; 3]);
    for at in 0..3600 {
        let weight = (std::f64::consts::PI * (at / 60) as f64 / 60.0).sin() / 2000.0;
        let rgb = [0, 1, 2].map(|c| f64::from(picture[c * 3600 + at]) / 255.0);
        let (high, low) = (rgb[0].max(rgb[1]).max(rgb[2]), rgb[0].min(rgb[1]).min(rgb[2]));
        if high - low > 0.5 * high && high > 0.2 {
            let range = high - low;
            let hue = if high == rgb[0] {
                (rgb[1] - rgb[2]) / range
            } else if high == rgb[1] {
                2.0 + (rgb[2] - rgb[0]) / range
            } else {
                4.0 + (rgb[0] - rgb[1]) / range
            };
            histogram[(hue.rem_euclid(6.0) / 6.0 * 20.0) as usize % 20] += weight * range;
        }
        for c in 0..3 {
            mean[c] += weight * rgb[c];
            square[c] += weight * rgb[c] * rgb[c];
        }
    }
    histogram.into_iter().chain(mean).chain(square).collect()
}

/// Share of `test` whose nearest class mean, in standardised features, is its own.
fn nearest_centroid(train: &[Vec<f64>], labels: &[u32], test: &[Vec<f64>], truth: &[u32]) -> f64 {
    let size = train[0].len();
    let count = train.len() as f64;
    let mean: Vec<f64> = (0..size).map(|i| train.iter().map(|f| f[i]).sum::<f64>() / count).collect();
    let spread = |i: usize| (train.iter().map(|f| (f[i] - mean[i]).powi(2)).sum::<f64>() / count).sqrt().max(1e-9);
    let spread: Vec<f64> = (0..size).map(spread).collect();
    let mut centres = vec![vec![0.0; size]; 100];
    let mut members = [0f64; 100];
    for (f, label) in train.iter().zip(labels) {
        members[*label as usize] += 1.0;
        centres[*label as usize].iter_mut().zip(f).for_each(|(c, v)| *c += v);
    }
    for (centre, members) in centres.iter_mut().zip(members) {
        centre.iter_mut().for_each(|c| *c /= f64::max(members, 1.0));
    }
    let right = test.iter().zip(truth).filter(|(f, label)| {
        let distance = |class: usize| (0..size).map(|i| ((centres[class][i] - f[i]) / spread[i]).powi(2)).sum::<f64>();
        let distances: Vec<f64> = (0..100).map(distance).collect();
        (0..100).min_by(|a, b| distances[*a].total_cmp(&distances[*b])).unwrap() == **label as usize
    });
    right.count() as f64 / truth.len() as f64
}

#[test]
fn embedded_pictures_can_be_told_apart_and_permuted_labels_cannot() {
    let (train, test) = embedded(2_000, 500);
    let of = |part: &Part| part.0.chunks_exact(SIZE).map(features).collect::<Vec<_>>();
    let (first, second) = (of(&train), of(&test));
    // task specification §13.13: at least 4 %, chance is 1 %
    let accuracy = nearest_centroid(&first, &train.1, &second, &test.1);
    assert!(accuracy >= 0.04, "{accuracy}");
    let mut permuted = train.1.clone();
    permuted.rotate_left(11);
    let chance = nearest_centroid(&first, &permuted, &second, &test.1);
    assert!(chance <= 0.01 + 3.0 * (0.01f64 * 0.99 / 500.0).sqrt(), "{chance}");
}

#[test]
fn embedded_bytes_do_not_depend_on_threads() {
    let made = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut made = DataContext::new();
            SphericalGenerator.generate(&counts(100, 120, 20, 30), Some(3), &mut made).unwrap();
            made.output("s2_cifar100.gz")
        })
    };
    let one = made(1);
    assert!(made(2) == one && made(3) == one);
}
