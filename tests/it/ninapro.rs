//! NinaPro: the preparation of windows and of raw recordings, and the generator.

use crate::data_context::{DataContext, definition, test_data};
use candle_core::{Device, Tensor};
use nasperf_pipe::artifacts::dataset::{DatasetMeta, Target, decode};
use nasperf_pipe::artifacts::samples::{Part, Samples, SplitChoice};
use nasperf_pipe::data::counts::Counts;
use nasperf_pipe::data::npy::Npy;
use nasperf_pipe::data::npy_writer::start_npy;
use nasperf_pipe::data::synthetic::{Purpose, Stream};
use nasperf_pipe::stages::context::StageError;
use nasperf_pipe::stages::fetch::{FetchParams, fetch};
use nasperf_pipe::stages::preprocess::{PreprocessParams, preprocess};
use nasperf_pipe::tasks::contract::generator::Generator;
use nasperf_pipe::tasks::contract::metric::MetricParams;
use nasperf_pipe::tasks::contract::objective::ObjectiveParams;
use nasperf_pipe::tasks::contract::preparation::Preparation;
use nasperf_pipe::tasks::ninapro::generator::NinaproGenerator;
use nasperf_pipe::tasks::ninapro::preparation::NinaproPreparation;
use nasperf_pipe::tasks::ninapro::source::NinaproSource;
use nasperf_pipe::tasks::ninapro::{metric, objective};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const PARTS: [&str; 3] = ["train", "val", "test"];

fn prepare(context: &mut DataContext, changes: &[(&str, Value)]) -> Result<DatasetMeta, StageError> {
    let params = PreprocessParams::from_settings(&definition("ninapro", changes), &NinaproPreparation).unwrap();
    preprocess("test", &[], &NinaproPreparation, &params, context)?;
    assert_eq!(context.unfinished(), Vec::<String>::new(), "every input is read to its end");
    Ok(serde_json::from_slice(&context.output("dataset.json")).unwrap())
}

fn files(counts: &[(&'static str, u64)]) -> Vec<(&'static str, Value)> {
    let counts = counts.iter().map(|(key, value)| (*key, json!(value)));
    std::iter::once(("data.source", json!("files"))).chain(counts).collect()
}

/// Shape of `x`, windows by class, sum, sum of squares, and values (0,0,0), (N/2,3,20), (N−1,last,last): what
/// tests/golden/ninapro/check.py prints.
type Shown = (Vec<usize>, Vec<usize>, [f64; 2], [f32; 3]);

fn shown(x: &[f32], shape: &[usize], labels: &[u32], classes: usize) -> Shown {
    let [count, 1, channels, length] = shape else { panic!("{shape:?}") };
    let by_class = (0..classes as u32).map(|class| labels.iter().filter(|label| **label == class).count()).collect();
    let sum = x.iter().map(|v| f64::from(*v)).sum();
    let squares = x.iter().map(|v| f64::from(*v).powi(2)).sum();
    let at = |n: usize, channel: usize, time: usize| x[(n * channels + channel) * length + time];
    let values = [at(0, 0, 0), at(count / 2, 3, 20), at(count - 1, channels - 1, length - 1)];
    (vec![*count, *channels, *length], by_class, [sum, squares], values)
}

/// What rows `start..end` of a written part hold.
fn part(context: &DataContext, name: &str, rows: Option<(usize, usize)>, classes: usize) -> Shown {
    let bytes = context.output(&format!("{name}.safetensors"));
    let (x, y) = (decode(&bytes, "x").unwrap(), decode(&bytes, "y").unwrap());
    let (start, end) = rows.unwrap_or((0, y.shape[0]));
    let size: usize = x.shape[1..].iter().product();
    let shape = [&[end - start], &x.shape[1..]].concat();
    shown(&x.to_f32().unwrap()[start * size..end * size], &shape, &y.to_u32().unwrap()[start..end], classes)
}

#[test]
fn the_benchmarks_arrays_are_read_as_numpy_reads_them() {
    let Some(data) = test_data() else { return };
    let raw = || {
        PARTS.iter().fold(DataContext::new(), |context, part| {
            ["ninapro", "label"].iter().fold(context, |context, kind| {
                let name = format!("{kind}_{part}.npy");
                context.input("raw", &name, &data.join("ninapro").join(&name))
            })
        })
    };
    let counts =
        [("data.channels", 8), ("data.classes", 7), ("data.train", 1456), ("data.validation", 560), ("data.test", 560)];
    let mut context = raw();
    let meta = prepare(&mut context, &files(&counts)).unwrap();
    assert_eq!((meta.shape.channels, meta.shape.spatial.as_slice()), (1, &[8, 52][..]));
    assert_eq!(meta.shape.target, Target::Point { classes: 7 });
    assert_eq!((meta.search.train.end, meta.search.score.end, meta.last.score.end), (1456, 2016, 560));
    let expected = (vec![2016, 8, 52], vec![288; 7], [-863_253.0, 221_399_419.0], [-1.0, -1.0, -23.0]);
    assert_eq!(part(&context, "train", None, 7), expected);
    let expected = (vec![560, 8, 52], vec![80; 7], [-247_833.0, 65_197_615.0], [-2.0, 1.0, -21.0]);
    assert_eq!(part(&context, "test", None, 7), expected);
    for (dropped, words) in [
        (5, ["label_train.npy", "2638 labels", "[1456]", "data.train"]),
        (2, ["label_train.npy", "2638 labels", "[1456]", "data.train"]),
        (0, ["ninapro_train.npy", "16 electrodes", "[1456, 52, 8]", "data.channels"]),
        (4, ["label_test.npy", "659 labels", "[560]", "data.test"]),
    ] {
        let kept: Vec<_> =
            counts.iter().enumerate().filter(|(at, _)| dropped == 5 || *at != dropped).map(|(_, c)| *c).collect();
        let kept = if dropped == 5 { vec![] } else { kept };
        let message = prepare(&mut raw(), &files(&kept)).unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "{word}: {message}");
        }
    }
}

fn armband(folder: &Path) -> DataContext {
    (0..28).fold(DataContext::new(), |context, number| {
        let name = format!("Female0/training0/classe_{number}.dat");
        context.input("raw", &name, &folder.join(&name))
    })
}

const ARMBAND: [(&str, u64); 2] = [("data.channels", 8), ("data.classes", 7)];

#[test]
fn armband_streams_are_cut_as_numpy_cuts_them() {
    let Some(data) = test_data() else { return };
    let folder = data.join("ninapro/myo_raw");
    let mut context = armband(&folder);
    let meta = prepare(&mut context, &files(&ARMBAND)).unwrap();
    assert_eq!(meta.search.score.start, 266);
    let expected = (vec![266, 8, 52], vec![38; 7], [-109_290.0, 16_416_330.0], [6.0, -10.0, -4.0]);
    assert_eq!(part(&context, "train", Some((0, 266)), 7), expected);
    let expected = (vec![133, 8, 52], vec![19; 7], [-54_718.0, 8_103_322.0], [-16.0, 3.0, -3.0]);
    assert_eq!(part(&context, "train", Some((266, 399)), 7), expected);
    let expected = (vec![133, 8, 52], vec![19; 7], [-53_919.0, 10_028_715.0], [-18.0, 9.0, 1.0]);
    assert_eq!(part(&context, "test", None, 7), expected);
    let message =
        |changes: &[(&'static str, u64)]| prepare(&mut armband(&folder), &files(changes)).unwrap_err().to_string();
    // counts are of the benchmark's windows and say nothing of recordings
    let mut uncounted = armband(&folder);
    let counted = [&ARMBAND[..], &[("data.train", 1), ("data.validation", 2), ("data.test", 3)]].concat();
    assert_eq!(prepare(&mut uncounted, &files(&counted)).unwrap(), meta);
    assert_eq!(uncounted.digests(), context.digests());
    assert!(message(&[]).contains("data.channels"), "{}", message(&[]));
    assert!(message(&ARMBAND[..1]).contains("18 classes with rest were expected"), "{}", message(&ARMBAND[..1]));
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/ninapro/db5.mat")
}

const DB5: [(&str, u64); 2] = [("data.channels", 4), ("data.classes", 4)];

#[test]
fn mat_files_of_the_publisher_are_cut_as_numpy_cuts_them() {
    let mut context = DataContext::new().input("raw", "S1_E2_A1.mat", &golden());
    prepare(&mut context, &files(&DB5)).unwrap();
    let expected = (vec![57, 4, 52], vec![14, 14, 14, 15], [-631.0, 64_537_601.0], [-56.0, -124.0, -16.0]);
    assert_eq!(part(&context, "train", Some((0, 57)), 4), expected);
    let expected = (vec![15, 4, 52], vec![5, 3, 3, 4], [2331.0, 16_602_991.0], [-91.0, 77.0, 96.0]);
    assert_eq!(part(&context, "train", Some((57, 72)), 4), expected);
    let expected = (vec![11, 4, 52], vec![2, 3, 3, 3], [-68.0, 11_974_212.0], [-85.0, 6.0, 76.0]);
    assert_eq!(part(&context, "test", None, 4), expected);
    // the publisher's archive holds three exercises a subject; the second counts
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s1.tar");
    let mut tar = tar::Builder::new(std::fs::File::create(&path).unwrap());
    for exercise in [1, 2, 3] {
        tar.append_path_with_name(golden(), format!("s1/S1_E{exercise}_A1.mat")).unwrap();
    }
    tar.finish().unwrap();
    let mut archive = DataContext::new().input("raw", "s1.tar", &path);
    prepare(&mut archive, &files(&DB5)).unwrap();
    assert_eq!(archive.digests(), context.digests());
    let mut twice = DataContext::new().input("raw", "s1.tar", &path).input("raw", "S1_E2_A1.mat", &golden());
    let message = prepare(&mut twice, &files(&DB5)).unwrap_err().to_string();
    assert!(message.contains("S1_E2_A1.mat") && message.contains("twice"), "{message}");
    let sixteen = [("data.classes", 4)];
    let message = prepare(&mut DataContext::new().input("raw", "S1_E2_A1.mat", &golden()), &files(&sixteen));
    assert!(message.unwrap_err().to_string().contains("`emg` of 16 electrodes was expected, found 4"));
    let whole = std::fs::read(golden()).unwrap();
    for cut in [0, 100, 130, whole.len() / 2, whole.len() - 1] {
        let path = folder.path().join("cut");
        std::fs::write(&path, &whole[..cut]).unwrap();
        let mut context = DataContext::new().input("raw", "S1_E2_A1.mat", &path);
        assert!(prepare(&mut context, &files(&DB5)).unwrap_err().to_string().starts_with("S1_E2_A1.mat"), "{cut}");
    }
    let mut nothing = DataContext::new().input("raw", "readme.txt", &golden());
    let message = prepare(&mut nothing, &files(&DB5)).unwrap_err().to_string();
    assert!(message.contains("official files in data.files"), "{message}");
}

#[test]
fn bad_arrays_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let counts =
        Counts::of(&[("channels", 2), ("length", 3), ("classes", 4), ("train", 2), ("validation", 1), ("test", 1)]);
    let write = |value: f32, label: i64| {
        let mut context = DataContext::new();
        for (part, count) in PARTS.into_iter().zip([2usize, 1, 1]) {
            let mut x = Vec::new();
            start_npy(&mut x, "<f4", &[count, 3, 2]).unwrap();
            x.extend((0..count * 6).flat_map(|at| if at == 3 { value } else { at as f32 }.to_le_bytes()));
            let mut y = Vec::new();
            start_npy(&mut y, "<i8", &[count]).unwrap();
            y.extend(vec![label; count].iter().flat_map(|label| label.to_le_bytes()));
            for (kind, bytes) in [("ninapro", x), ("label", y)] {
                let name = format!("{kind}_{part}.npy");
                std::fs::write(folder.path().join(&name), bytes).unwrap();
                context = context.input("raw", &name, &folder.path().join(&name));
            }
        }
        NinaproPreparation.prepare(&counts, "files", &mut context).map(|()| context)
    };
    let context = write(9.0, 3).ok().unwrap();
    let x = decode(&context.output("test.safetensors"), "x").unwrap();
    assert_eq!(x.shape, [1, 1, 2, 3]);
    assert_eq!(x.to_f32().unwrap(), [0.0, 2.0, 4.0, 1.0, 9.0, 5.0], "electrodes before time");
    let message = |value, label| write(value, label).err().unwrap().to_string();
    let nan = message(f32::NAN, 0);
    assert!(nan.contains("ninapro_train.npy, row 0, moment 1, electrode 1"), "{nan}");
    for label in [4, -1] {
        let message = message(0.0, label);
        assert!(message.contains("label_train.npy, row 0") && message.contains("data.classes"), "{message}");
    }
    let mut few = DataContext::new().input("raw", "ninapro_train.npy", &folder.path().join("ninapro_train.npy"));
    let message = NinaproPreparation.prepare(&counts, "files", &mut few).unwrap_err().to_string();
    assert!(message.contains("`label_train.npy`") && message.contains("data.files"), "{message}");
}

fn generate(counts: &[(&str, u64)], seed: Option<u64>, threads: usize) -> DataContext {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut context = DataContext::new();
    pool.install(|| NinaproGenerator.generate(&Counts::of(counts), seed, &mut context)).unwrap();
    context
}

#[test]
fn the_generator_gives_the_same_bytes_for_any_thread_count() {
    let counts = [("train", 264), ("validation", 66), ("test", 66)];
    let one = generate(&counts, None, 1).digests();
    assert_eq!(one.len(), 6);
    for threads in [2, 3] {
        assert_eq!(generate(&counts, None, threads).digests(), one);
    }
    assert_ne!(generate(&counts, Some(0), 2).digests(), one);
    let mut context = DataContext::new();
    context.stop_after.set(Some(0));
    let stopped = NinaproGenerator.generate(&Counts::of(&counts), None, &mut context);
    assert!(matches!(stopped, Err(StageError::Interrupted)));
}

#[test]
fn embedded_data_go_through_preparation_objective_and_metric() {
    let set = [("data.source", json!("embedded")), ("data.size", json!("tiny"))];
    let params = FetchParams::from_settings(&definition("ninapro", &set), &NinaproSource).unwrap();
    let mut raw = DataContext::new();
    fetch(&NinaproSource, &NinaproGenerator, &params, &mut raw).unwrap();
    let mut context = raw.next_stage();
    let meta = prepare(&mut context, &set).unwrap();
    assert_eq!((meta.source.as_str(), meta.shape.spatial.as_slice()), ("embedded:tiny", &[16, 52][..]));
    let part = |name: &str| {
        let bytes = context.output(&format!("{name}.safetensors"));
        (name.to_string(), Part::decode(name, &bytes).unwrap())
    };
    let samples = Samples { meta, parts: BTreeMap::from(["train", "test"].map(part)) };
    let params = ObjectiveParams {
        split: SplitChoice::Final,
        seed: 0,
        stage: "retrain",
        permute_labels: false,
        cutout: false,
        validation_augmented: false,
        fixed_jitter: false,
        unseen_only: false,
        drop_first_frame: false,
    };
    let objective = objective::open(&samples, &params).unwrap();
    assert_eq!((objective.training_samples(), objective.scored_samples()), (330, 66));
    let batch = objective.training_batch(&[5, 2], 0).unwrap();
    assert_eq!(batch.inputs.dims(), [2, 1, 16, 52]);
    let labels = samples.parts["test"].y.to_u32().unwrap();
    let score = |answer: &dyn Fn(u32) -> u32| {
        let params = MetricParams {
            split: SplitChoice::Final,
            seed: 0,
            batch_means: false,
            shuffled_lengths: false,
            unseen_only: false,
        };
        let mut metric = metric::open(&samples, &params).unwrap();
        for labels in labels.chunks(20) {
            let hot = |label: &u32| -> Vec<f32> { (0..18).map(|c| f32::from(u8::from(c == answer(*label)))).collect() };
            let values: Vec<f32> = labels.iter().flat_map(hot).collect();
            metric.add(&Tensor::from_vec(values, (labels.len(), 18), &Device::Cpu).unwrap()).unwrap();
        }
        metric.finish().unwrap()
    };
    assert_eq!(score(&|label| label).value, 0.0);
    let constant = score(&|_| 0);
    assert_eq!(constant.value, constant.trivial.value);
    assert!((30.0..38.0).contains(&constant.value), "{}", constant.value);
}

/// Logarithm of each electrode's deviation, and labels, of a generated part.
fn features(context: &DataContext, part: &str) -> (Vec<Vec<f64>>, Vec<usize>) {
    let bytes = context.output(&format!("ninapro_{part}.npy"));
    let mut npy = Npy::open(part, bytes.as_slice()).unwrap();
    assert_eq!((npy.header().kind, npy.header().width, npy.header().shape[1..].to_vec()), ('f', 8, vec![52, 16]));
    let count = npy.header().shape[0];
    let mut values = vec![0.0; npy.remaining()];
    npy.next_f64(&mut values).unwrap();
    let small = values.iter().all(|v| v.trunc() == *v && (-128.0..=127.0).contains(v));
    assert!(small, "whole numbers of 8 bits");
    let feature = |window: &[f64]| -> Vec<f64> {
        let of = |channel: usize| {
            let values = window.iter().skip(channel).step_by(16);
            let mean = values.clone().sum::<f64>() / 52.0;
            (values.map(|v| (v - mean).powi(2)).sum::<f64>() / 52.0).sqrt().max(1e-3).ln()
        };
        (0..16).map(of).collect()
    };
    let bytes = context.output(&format!("label_{part}.npy"));
    let mut labels = vec![0i64; count];
    Npy::open(part, bytes.as_slice()).unwrap().next_i64(&mut labels).unwrap();
    (values.chunks_exact(52 * 16).map(feature).collect(), labels.iter().map(|label| *label as usize).collect())
}

/// Error in percent and mean recall of the classes of the nearest class mean.
fn nearest(train: &[Vec<f64>], known: &[usize], test: &[Vec<f64>], truth: &[usize]) -> (f64, f64) {
    let (mut means, mut counts) = (vec![vec![0.0; 16]; 18], [0.0; 18]);
    for (row, label) in train.iter().zip(known) {
        counts[*label] += 1.0;
        means[*label].iter_mut().zip(row).for_each(|(m, v)| *m += v);
    }
    means.iter_mut().zip(counts).for_each(|(mean, count)| mean.iter_mut().for_each(|m| *m /= count));
    let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let answer = |row: &Vec<f64>| {
        (0..18).min_by(|a, b| distance(row, &means[*a]).total_cmp(&distance(row, &means[*b]))).unwrap()
    };
    let (mut right, mut all) = ([0.0; 18], [0.0; 18]);
    for (row, label) in test.iter().zip(truth) {
        all[*label] += 1.0;
        right[*label] += f64::from(u8::from(answer(row) == *label));
    }
    let recall = right.iter().zip(all).map(|(right, all)| right / all).sum::<f64>() / 18.0;
    (100.0 - 100.0 * right.iter().sum::<f64>() / truth.len() as f64, recall)
}

/// Gate of the task specification, §13.13: the nearest class mean on logarithms of deviations has at most 20 % error and a mean
/// recall of 0.4; with permuted training labels its recall is that of chance.
#[test]
fn the_small_data_can_be_learned() {
    let context = generate(&[("train", 2638), ("validation", 659), ("test", 659)], None, 2);
    let ((train, known), (test, truth)) = (features(&context, "train"), features(&context, "test"));
    let majority = 100.0 - 100.0 * truth.iter().filter(|label| **label == 0).count() as f64 / truth.len() as f64;
    let (error, recall) = nearest(&train, &known, &test, &truth);
    assert!((33.0..36.0).contains(&majority), "{majority}");
    assert!(error <= 20.0 && recall >= 0.4, "{error} {recall}");
    let recalls: Vec<f64> = (0..10)
        .map(|draw| {
            let mut shuffled = known.clone();
            Stream::new("ninapro", "test", Purpose::Label, draw, None).shuffle(&mut shuffled);
            nearest(&train, &shuffled, &test, &truth).1
        })
        .collect();
    let mean = recalls.iter().sum::<f64>() / 10.0;
    let spread = (recalls.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 9.0).sqrt();
    assert!((mean - 1.0 / 18.0).abs() <= 3.0 * spread.max(0.005), "{mean} ± {spread}");
    eprintln!(
        "ninapro small: error {error:.1} %, recall {recall:.2}, permuted {mean:.3} ± {spread:.3}, majority {majority:.1} %"
    );
}
