//! Cosmic: real stamps and FITS images are read as numpy and astropy read them, files that are not stamps are named, and the
//! embedded stand-in goes through the same preparation and can be learned.

use crate::data_context::{DataContext, definition, test_data};
use candle_core::{DType, Device, Tensor};
use nasperf_pipe::artifacts::dataset::{DATASET_FILE, DatasetMeta, Target};
use nasperf_pipe::artifacts::samples::{Part, Samples, SplitChoice};
use nasperf_pipe::data::counts::Counts;
use nasperf_pipe::data::npy_writer::start_npy;
use nasperf_pipe::stages::context::StageError;
use nasperf_pipe::stages::fetch::{FetchParams, fetch};
use nasperf_pipe::stages::preprocess::{PreprocessParams, preprocess};
use nasperf_pipe::tasks::contract::generator::Generator;
use nasperf_pipe::tasks::contract::metric::{Measure, MetricParams};
use nasperf_pipe::tasks::contract::objective::ObjectiveParams;
use nasperf_pipe::tasks::cosmic::generator::CosmicGenerator;
use nasperf_pipe::tasks::cosmic::metric;
use nasperf_pipe::tasks::cosmic::objective;
use nasperf_pipe::tasks::cosmic::preparation::CosmicPreparation;
use nasperf_pipe::tasks::cosmic::source::CosmicSource;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

type Changes = Vec<(&'static str, Value)>;

/// Settings for files of the data folder: official name and place in the folder.
fn files(folder: &Path, files: &[(&str, &str)], counts: [u64; 4]) -> Changes {
    let names: Vec<Value> = files.iter().map(|(name, _)| json!({ "name": name })).collect();
    let paths: BTreeMap<&str, &str> = files.iter().copied().collect();
    let [grid, train, validation, test] = counts;
    vec![
        ("data.source", json!("files")),
        ("data.dir", json!(folder)),
        ("data.files", json!(names)),
        ("data.paths", json!(paths)),
        ("data.grid", json!(grid)),
        ("data.train", json!(train)),
        ("data.validation", json!(validation)),
        ("data.test", json!(test)),
    ]
}

/// Fetch and preprocess as the product does them.
fn dataset(changes: &[(&'static str, Value)]) -> Result<Samples, StageError> {
    let settings = definition("cosmic", changes);
    let params = FetchParams::from_settings(&settings, &CosmicSource).unwrap();
    let mut raw = DataContext::new();
    for (name, path) in params.external(&CosmicSource) {
        raw = raw.input("external", &name, &path);
    }
    // outputs of this context are flat files: names with a folder go straight to the next stage
    let mut context = if params.external(&CosmicSource).is_empty() {
        fetch(&CosmicSource, &CosmicGenerator, &params, &mut raw)?;
        raw.next_stage()
    } else {
        params.external(&CosmicSource).iter().fold(DataContext::new(), |c, (name, path)| c.input("raw", name, path))
    };
    let params = PreprocessParams::from_settings(&settings, &CosmicPreparation).unwrap();
    preprocess("test", &[], &CosmicPreparation, &params, &mut context)?;
    assert_eq!(context.unfinished(), Vec::<String>::new(), "every input is read to its end");
    let part = |name: &str| {
        let bytes = context.output(&format!("{name}.safetensors"));
        (name.to_string(), Part::decode(name, &bytes).unwrap())
    };
    let meta: DatasetMeta = serde_json::from_slice(&context.output(DATASET_FILE)).unwrap();
    Ok(Samples { meta, parts: BTreeMap::from([part("train"), part("test")]) })
}

fn params(split: SplitChoice, permute_labels: bool) -> ObjectiveParams {
    ObjectiveParams {
        split,
        seed: 0,
        stage: "evaluate",
        permute_labels,
        cutout: false,
        validation_augmented: false,
        fixed_jitter: true,
        unseen_only: false,
        drop_first_frame: false,
    }
}

/// The measure of outputs made from the inputs of each scored stamp.
fn measure(samples: &Samples, split: SplitChoice, output: impl Fn(&Tensor, usize) -> Tensor) -> Measure {
    let objective = objective::open(samples, &params(split, false)).unwrap();
    let metric_params = MetricParams { split, seed: 0, batch_means: true, shuffled_lengths: false, unseen_only: false };
    let mut metric = metric::open(samples, &metric_params).unwrap();
    let count = objective.scored_samples();
    for start in (0..count).step_by(3) {
        let inputs = objective.scored_inputs(start..(start + 3).min(count)).unwrap();
        metric.add(&output(&inputs, start)).unwrap();
    }
    metric.finish().unwrap()
}

/// Sum of each image, hits and ignored pixels.
fn sums(part: &Part) -> Vec<(f64, usize, usize)> {
    let points: usize = part.x.shape[2..].iter().product();
    let x = part.x.to_f32().unwrap();
    let of = |(image, masks): (&[f32], &[u8])| {
        let count = |plane: &[u8]| plane.iter().filter(|bit| **bit == 1).count();
        (image.iter().map(|v| f64::from(*v)).sum(), count(&masks[..points]), count(&masks[points..]))
    };
    x.chunks(points).zip(part.y.bytes.chunks(2 * points)).map(of).collect()
}

fn close(found: &[(f64, usize, usize)], expected: &[(f64, usize, usize)]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found.0 / expected.0 - 1.0).abs() < 1e-9, "{found:?} {expected:?}");
        assert_eq!((found.1, found.2), (expected.1, expected.2));
    }
}

const TILES: [(&str, &str); 3] = [
    ("train/tile0.npy", "cosmic/saao_rf0420_tile0.npy"),
    ("train/tile2.npy", "cosmic/saao_rf0420_tile2.npy"),
    ("test/tile1.npy", "cosmic/saao_rf0420_tile1.npy"),
];
const FITS: (&str, &str) = ("train/hst.fits", "cosmic/j033216m2743_00152.beams.fits");
const GMOS: (&str, &str) = ("test/gmos.npy", "cosmic/gmos_ltt7379.npy");

/// Expected numbers by tests/golden/planes/reference.py (numpy).
#[test]
fn real_stamps_are_read_as_numpy_reads_them() {
    let Some(folder) = test_data() else { return };
    let samples = dataset(&files(&folder, &TILES, [256, 1, 1, 1])).unwrap();
    assert_eq!(samples.meta.source, "files");
    assert_eq!((samples.meta.shape.channels, &samples.meta.shape.target), (1, &Target::Dense { channels: 1 }));
    assert_eq!(samples.meta.shape.spatial, [128, 128]);
    assert_eq!((samples.meta.search.train.end, samples.meta.search.score.start), (1, 1));
    let (train, test) = (&samples.parts["train"], &samples.parts["test"]);
    close(&sums(train), &[(4_905_737.0, 6, 0), (4_921_030.0, 0, 0)]);
    close(&sums(test), &[(4_912_062.0, 14, 0)]);
    let pixels = train.x.to_f32().unwrap();
    assert_eq!((pixels[0], pixels[128 * 128 - 1], pixels[128 * 128]), (301.0, 290.0, 299.0));
    assert_eq!(train.array("sky").unwrap().to_f32().unwrap(), [0.0, 0.0]);
    // without a sky nothing is added, so a threshold on the image can be scored by hand: no pixel is above 1e9
    let constant = measure(&samples, SplitChoice::Final, |x, _| x.affine(1e-9, -1.0).unwrap());
    assert_eq!((constant.value, constant.trivial.value), (100.0, 100.0));
}

/// Expected numbers by tests/golden/planes/reference.py (numpy and astropy).
#[test]
fn fits_images_are_cut_as_the_rule_says() {
    let Some(folder) = test_data() else { return };
    let samples = dataset(&files(&folder, &[FITS, GMOS], [64, 5, 2, 6])).unwrap();
    assert_eq!(samples.meta.shape.spatial, [32, 32]);
    let hst = [
        (4_842.207_297_324_203, 1, 19),
        (-741.057_119_194_418_2, 6, 30),
        (2_842.147_149_125_114, 2, 20),
        (7_452.890_104_066_58, 3, 24),
        (8_193.193_594_086_915, 0, 22),
        (8_420.677_444_788_453, 3, 20),
        (5_507.358_054_324_985, 2, 20),
    ];
    close(&sums(&samples.parts["train"]), &hst);
    let gmos = [
        (56_833.496_440_887_45, 0, 0),
        (88_730.132_307_052_61, 0, 0),
        (82_299.819_053_649_9, 12, 0),
        (51_356.880_390_167_236, 0, 0),
        (83_580.143_505_096_44, 0, 0),
        (62_829.259_170_532_23, 0, 0),
    ];
    close(&sums(&samples.parts["test"]), &gmos);
    let zero = |x: &Tensor, _| Tensor::zeros(x.dims(), DType::F32, &Device::Cpu).unwrap();
    for split in [SplitChoice::Search, SplitChoice::Final] {
        assert_eq!(measure(&samples, split, zero).value, 100.0);
    }
}

#[test]
fn files_that_are_no_stamps_are_named() {
    let Some(folder) = test_data() else { return };
    let gmos = ("train/gmos.fits", "cosmic/gmos.fits");
    let loose = ("tile0.npy", "cosmic/saao_rf0420_tile0.npy");
    for (given, counts, words) in [
        (
            &TILES[..],
            [256, 4347, 483, 420],
            ["part train: expected 4830 stamps, found 2", "data.train and data.validation"],
        ),
        (&TILES[..], [256, 1, 1, 2], ["part test: expected 2 stamps, found 1", "data.test"]),
        (&[FITS, GMOS], [256, 5, 2, 6], ["found [3, 150, 200]", "data.grid"]),
        (&[FITS, TILES[2]], [256, 5, 2, 1], ["at least 256×256 pixels, found [64, 271]", "data.grid"]),
        (&[gmos, GMOS], [64, 5, 2, 6], ["expected an extension `MASK` or `DQ`", "VAR, SKYFIT"]),
        (&[loose, GMOS], [64, 5, 2, 6], ["expected a folder `train` or `test`", "data.paths"]),
        (&TILES[..], [255, 1, 1, 1], ["a multiple of 4", "data.grid 255"]),
    ] {
        let message = dataset(&files(&folder, given, counts)).unwrap_err().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    }
}

/// An npy file of ones with one other value.
fn stamp(shape: &[usize], at: usize, value: f32) -> Vec<u8> {
    let mut values = vec![1f32; shape.iter().product()];
    values[at] = value;
    let mut bytes = Vec::new();
    start_npy(&mut bytes, "<f4", shape).unwrap();
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

fn tar(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn archives_are_sorted_filtered_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let shape = [3, 8, 8];
    let visit = "deepCR/npy_train/f435w";
    let levels = |levels: &[f64]| {
        let mut bytes = Vec::new();
        start_npy(&mut bytes, "<f8", &[levels.len()]).unwrap();
        bytes.extend(levels.iter().flat_map(|level| level.to_le_bytes()));
        bytes
    };
    let good = |value| stamp(&shape, 2 * 8 + 2, value);
    let run = |train: &[(&str, Vec<u8>)], counts: [u64; 2]| {
        std::fs::write(folder.path().join("deepCR.ACS-WFC.train.tar"), tar(train)).unwrap();
        let test = tar(&[("npy_test/f435w/10342/3/1_0.npy", good(5.0))]);
        std::fs::write(folder.path().join("deepCR.ACS-WFC.test.tar"), test).unwrap();
        let names = ["deepCR.ACS-WFC.train.tar", "deepCR.ACS-WFC.test.tar"].map(|name| (name, name));
        dataset(&files(folder.path(), &names, [8, counts[0], counts[1], 1]))
    };
    // sky last, stamps in no order, another filter and another field among them; planes of two and three
    let two = stamp(&[2, 8, 8], 2 * 8 + 2, 4.0);
    let (a, b, c) =
        (format!("{visit}/12513/2/1_3.npy"), format!("{visit}/9490/a3/10_0.npy"), format!("{visit}/9490/a3/9_0.npy"));
    let others = ["deepCR/npy_train/f814w/9490/a3/1_0.npy", "deepCR/npy_train/f435w/10595/2/1_0.npy"];
    let sky = format!("{visit}/9490/a3/sky.npy");
    let mut members = vec![(a.as_str(), good(2.0)), (others[0], good(9.0)), (others[1], good(9.0))];
    members.extend([(b.as_str(), two), (c.as_str(), good(3.0)), (sky.as_str(), levels(&[0.0; 8]))]);
    let short = run(&members, [2, 1]).unwrap_err().to_string();
    assert!(short.contains("a sky level for exposure 9, found 8"), "{short}");
    let last = members.len() - 1;
    members[last].1 = levels(&[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 9.0, 10.0]);
    let samples = run(&members, [2, 1]).unwrap();
    let train = &samples.parts["train"];
    let firsts: Vec<f32> = train.x.to_f32().unwrap().chunks(16).map(|image| image[0]).collect();
    assert_eq!(firsts, [3.0, 4.0, 2.0], "visit 9490_a3 first, exposure 9 before 10");
    assert_eq!(train.array("sky").unwrap().to_f32().unwrap(), [9.0, 10.0, 0.0]);
    assert_eq!(train.y.bytes[..32], [1; 32]);
    assert_eq!(train.y.bytes[32 + 16..64], [0; 16], "two planes: nothing is ignored");

    let message = run(&members, [3, 1]).unwrap_err().to_string();
    assert!(message.contains("expected 4 stamps, found 3") && message.contains("(2 of other filters"), "{message}");
    for (bad, word) in [
        (stamp(&shape, 64 + 9, 0.5), "ray mask, row 1, column 1: expected 0 or 1, found 0.5"),
        (stamp(&shape, 3 * 8 + 4, f32::NAN), "image, row 3, column 4: expected a finite number"),
        (stamp(&[3, 8, 7], 0, 1.0), "found [3, 8, 7]"),
        (b"hello".to_vec(), "1_3.npy"),
        (good(1.0)[..200].to_vec(), "1_3.npy"),
    ] {
        members[0].1 = bad;
        let message = run(&members, [2, 1]).unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
    }
    members[0].1 = good(2.0);
    let again = format!("./{a}");
    members.push((again.as_str(), good(2.0)));
    let message = run(&members, [2, 2]).unwrap_err().to_string();
    assert!(message.contains("expected each stamp once") || message.contains("1_3.npy"), "{message}");
}

fn counts(grid: u64, train: u64, validation: u64, test: u64) -> Counts {
    Counts::of(&[("grid", grid), ("train", train), ("validation", validation), ("test", test)])
}

#[test]
fn the_generator_gives_the_same_bytes_for_any_thread_count_and_stops() {
    let counts = counts(32, 25, 5, 4);
    let digests = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut context = DataContext::new();
        pool.install(|| CosmicGenerator.generate(&counts, seed, &mut context)).unwrap();
        context.digests()
    };
    let one = digests(1, None);
    assert_eq!(one.len(), 2);
    assert_eq!(digests(2, None), one);
    assert_eq!(digests(3, None), one);
    assert_ne!(digests(1, Some(1)), one);
    let mut context = DataContext::new();
    context.stop_after.set(Some(1));
    assert!(matches!(CosmicGenerator.generate(&counts, None, &mut context), Err(StageError::Interrupted)));
    assert!(context.outputs().is_empty());
    let none = Counts::of(&[("grid", 4), ("train", 1), ("validation", 0), ("test", 1)]);
    assert!(CosmicGenerator.generate(&none, None, &mut context).unwrap_err().to_string().contains("data.grid 4"));
}

fn embedded(pairs: &[(&'static str, u64)]) -> Changes {
    let start = [("data.source", json!("embedded")), ("data.size", json!("tiny"))];
    start.into_iter().chain(pairs.iter().map(|(key, value)| (*key, json!(value)))).collect()
}

#[test]
fn tiny_embedded_data_reach_the_perfect_and_the_trivial_score() {
    let samples = dataset(&embedded(&[])).unwrap();
    assert_eq!(samples.meta.source, "embedded:tiny");
    assert_eq!(
        (samples.meta.search.train.end, samples.meta.search.score.end, samples.meta.last.score.end),
        (16, 20, 4)
    );
    let part = &samples.parts["test"];
    let skies = part.array("sky").unwrap().to_f32().unwrap();
    assert!(skies.iter().all(|sky| (20.0..110.0).contains(sky)) && skies[0] != skies[3]);
    let masks = part.y.bytes.clone();
    let perfect = measure(&samples, SplitChoice::Final, |x, start| {
        let row =
            |at: usize| masks[at * 2 * 16384..at * 2 * 16384 + 16384].iter().map(|hit| f32::from(*hit) * 20.0 - 10.0);
        let values: Vec<f32> = (start..start + x.dim(0).unwrap()).flat_map(row).collect();
        Tensor::from_vec(values, x.dims(), &Device::Cpu).unwrap()
    });
    assert_eq!((perfect.value, perfect.details["AUROC"], perfect.details["FPR %"]), (0.0, 1.0, 0.0));
    assert_eq!((perfect.metric, perfect.unit, perfect.trivial.value), ("FNR", "%", 100.0));
    for split in [SplitChoice::Search, SplitChoice::Final] {
        let constant = measure(&samples, split, |x, _| x.zeros_like().unwrap());
        assert_eq!(constant.value, constant.trivial.value);
        assert_eq!(constant.details["AUROC"], 0.5);
    }
}

/// Laplacian of each pixel over its noise, √(median of 5×5 + 25).
fn laplacian(image: &[f32], side: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(image.len());
    for y in 0..side {
        for x in 0..side {
            let at = |dy: isize, dx: isize| {
                let clamp = |v: usize, d: isize| v.saturating_add_signed(d).min(side - 1);
                f64::from(image[clamp(y, dy) * side + clamp(x, dx)])
            };
            let around = at(-1, 0) + at(1, 0) + at(0, -1) + at(0, 1);
            let mut near: Vec<f64> = (0..25).map(|k| at(k / 5 - 2, k % 5 - 2)).collect();
            near.sort_by(f64::total_cmp);
            out.push(((4.0 * at(0, 0) - around) / (near[12].max(0.0) + 25.0).sqrt()) as f32);
        }
    }
    out
}

/// Gate of the task specification, §13.13: a threshold on Laplacian over noise finds 40 % of the hit pixels with 1 % false
/// alarms or fewer. What a value means is learned: the share of hits in each of 200 equally full bins of training pixels;
/// with permuted masks no bin stands out, and nothing is found.
#[test]
fn the_embedded_data_can_be_learned() {
    let samples = dataset(&embedded(&[("data.train", 40), ("data.validation", 1), ("data.test", 12)])).unwrap();
    let side = samples.meta.shape.spatial[0];
    let features = |x: &Tensor| -> Vec<f32> {
        let images = x.flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
        images.iter().flat_map(|image| laplacian(image, side)).collect()
    };
    let learned = |permuted: bool| {
        let objective = objective::open(&samples, &params(SplitChoice::Final, permuted)).unwrap();
        let all: Vec<usize> = (0..objective.training_samples()).collect();
        let batch = objective.training_batch(&all, 0).unwrap();
        let hits = batch.targets.narrow(1, 0, 1).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let mut pixels: Vec<(f32, f32)> = features(&batch.inputs).into_iter().zip(hits).collect();
        pixels.sort_by(|a, b| a.0.total_cmp(&b.0));
        let size = pixels.len().div_ceil(200);
        let share = |bin: &[(f32, f32)]| bin.iter().map(|pixel| pixel.1).sum::<f32>() / bin.len() as f32;
        let bins: Vec<(f32, f32)> = pixels.chunks(size).map(|bin| (bin[0].0, share(bin))).collect();
        measure(&samples, SplitChoice::Final, |x, _| {
            let logit = |feature: f32| {
                let bin = bins.partition_point(|bin| bin.0 <= feature).saturating_sub(1);
                // more likely than one in five, where one in eighty is hit
                if bins[bin].1 > 0.2 { 1.0f32 } else { -1.0 }
            };
            let values: Vec<f32> = features(x).into_iter().map(logit).collect();
            Tensor::from_vec(values, x.dims(), &Device::Cpu).unwrap()
        })
    };
    let found = learned(false);
    println!("TPR {:.1} % at FPR {:.2} %", found.details["TPR %"], found.details["FPR %"]);
    assert!(found.details["TPR %"] >= 40.0 && found.details["FPR %"] <= 1.0, "{:?}", found.details);
    let control = learned(true);
    assert!(control.details["TPR %"] <= control.details["FPR %"] + 1.0, "{:?}", control.details);
}
