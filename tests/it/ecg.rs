//! ECG: the preparation of real files, windows and votes, and the generator.

use crate::data_context::{DataContext, definition, test_data};
use candle_core::{Device, Tensor};
use nasperf_pipe::artifacts::dataset::{DatasetMeta, Rows};
use nasperf_pipe::artifacts::samples::{Part, Samples, SplitChoice};
use nasperf_pipe::artifacts::score::Direction;
use nasperf_pipe::data::counts::Counts;
use nasperf_pipe::data::pickle::Pickle;
use nasperf_pipe::stages::context::StageError;
use nasperf_pipe::stages::fetch::{FetchParams, fetch};
use nasperf_pipe::stages::preprocess::{PreprocessParams, preprocess};
use nasperf_pipe::tasks::contract::generator::Generator;
use nasperf_pipe::tasks::contract::metric::{Measure, MetricError, MetricParams};
use nasperf_pipe::tasks::contract::objective::ObjectiveParams;
use nasperf_pipe::tasks::ecg::generator::EcgGenerator;
use nasperf_pipe::tasks::ecg::preparation::EcgPreparation;
use nasperf_pipe::tasks::ecg::source::EcgSource;
use nasperf_pipe::tasks::ecg::{metric, objective};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

fn prepare(context: &mut DataContext, changes: &[(&str, Value)]) -> Result<DatasetMeta, StageError> {
    let params = PreprocessParams::from_settings(&definition("ecg", changes), &EcgPreparation).unwrap();
    preprocess("test", &[], &EcgPreparation, &params, context)?;
    assert_eq!(context.unfinished(), Vec::<String>::new(), "every input is read to its end");
    Ok(serde_json::from_slice(&context.output("dataset.json")).unwrap())
}

fn samples(context: &DataContext, meta: &DatasetMeta) -> Samples {
    let part = |name: &str| {
        let bytes = context.output(&format!("{name}.safetensors"));
        (name.to_string(), Part::decode(name, &bytes).unwrap())
    };
    Samples { meta: meta.clone(), parts: BTreeMap::from(["train", "validation", "test"].map(part)) }
}

fn params(split: SplitChoice, unseen_only: bool) -> ObjectiveParams {
    ObjectiveParams {
        split,
        seed: 0,
        stage: "retrain",
        permute_labels: false,
        cutout: false,
        validation_augmented: false,
        fixed_jitter: false,
        unseen_only,
        drop_first_frame: false,
    }
}

/// The measure of a network whose logits for a scored window are `answer(its row in the scored part)`.
fn measure(samples: &Samples, split: SplitChoice, unseen_only: bool, answer: &dyn Fn(usize) -> Vec<f32>) -> Measure {
    let metric_params = MetricParams { split, seed: 0, batch_means: false, shuffled_lengths: false, unseen_only };
    let objective = objective::open(samples, &params(split, unseen_only)).unwrap();
    let mut metric = metric::open(samples, &metric_params).unwrap();
    let rows = rows(samples, split, unseen_only);
    assert_eq!(objective.scored_samples(), rows.len());
    for batch in rows.chunks(100) {
        let values: Vec<f32> = batch.iter().flat_map(|row| answer(*row)).collect();
        let classes = values.len() / batch.len();
        metric.add(&Tensor::from_vec(values, (batch.len(), classes), &Device::Cpu).unwrap()).unwrap();
    }
    metric.finish().unwrap()
}

/// The scored rows by the data set's arrays alone.
fn rows(samples: &Samples, split: SplitChoice, unseen_only: bool) -> Vec<usize> {
    let Rows { part, start, end } = &samples.split(split).score;
    let part = &samples.parts[part];
    let recording = part.array("recording").unwrap().to_u32().unwrap();
    let seen = part.more.get("seen").map(|seen| seen.to_u32().unwrap());
    let wanted = |row: &usize| !unseen_only || seen.as_ref().unwrap()[recording[*row] as usize] == 0;
    (*start..*end).filter(wanted).collect()
}

fn one_hot(class: u32) -> Vec<f32> {
    (0..4).map(|c| if c == class { 2.0 } else { -1.0 }).collect()
}

/// Windows, recordings, classes of windows, sum and sum of squares, and values (first window, 0), (middle, 500), (last, 999).
struct Expected {
    windows: usize,
    classes: [usize; 4],
    sums: [f64; 2],
    values: [f32; 3],
}

/// Compares the inputs that networks get with what numpy makes of the same files (tests/golden/ecg/check.py).
fn compare(samples: &Samples, split: SplitChoice, train: &Expected, score: &Expected) {
    let objective = objective::open(samples, &params(split, false)).unwrap();
    let all: Vec<usize> = (0..objective.training_samples()).collect();
    let batch = objective.training_batch(&all, 0).unwrap();
    let labels = batch.targets.to_vec1::<u32>().unwrap();
    let scored = objective.scored_inputs(0..objective.scored_samples()).unwrap();
    let Rows { part, start, end } = &samples.split(split).score;
    let scored_labels = samples.parts[part].y.to_u32().unwrap()[*start..*end].to_vec();
    for (inputs, labels, expected) in [(batch.inputs, labels, train), (scored, scored_labels, score)] {
        assert_eq!(inputs.dims(), [expected.windows, 1, 1000]);
        let count = |class: u32| labels.iter().filter(|label| **label == class).count();
        assert_eq!([0, 1, 2, 3].map(count), expected.classes);
        let values = inputs.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let sum: f64 = values.iter().map(|v| f64::from(*v)).sum();
        let squares: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
        assert!((sum - expected.sums[0]).abs() < 0.01, "{sum}");
        assert!((squares / expected.sums[1] - 1.0).abs() < 1e-7, "{squares}");
        let at = |window: usize, sample: usize| values[window * 1000 + sample];
        let found = [at(0, 0), at(labels.len() / 2, 500), at(labels.len() - 1, 999)];
        for (found, expected) in found.iter().zip(expected.values) {
            assert!((found / expected - 1.0).abs() < 1e-5, "{found} {expected}");
        }
    }
}

#[test]
fn the_benchmarks_pickle_is_cut_as_numpy_cuts_it() {
    let Some(data) = test_data() else { return };
    let raw = || DataContext::new().input("raw", "challenge2017.pkl", &data.join("ecg/challenge2017.pkl"));
    let files = ("data.source", json!("files"));
    let mut context = raw();
    let meta = prepare(&mut context, &[files.clone(), ("data.recordings", json!(24))]).unwrap();
    assert_eq!((meta.source.as_str(), meta.shape.spatial.as_slice()), ("files", &[1000][..]));
    let samples = samples(&context, &meta);
    assert_eq!(samples.parts["train"].x.dtype, safetensors::Dtype::I16, "whole numbers, though stored as doubles");
    let train = Expected {
        windows: 1466,
        classes: [160, 414, 287, 605],
        sums: [-10_120.406_922, 1_235_027.703_388],
        values: [0.280_646_1, 0.159_642_96, -0.091_547_17],
    };
    let test = Expected {
        windows: 433,
        classes: [16, 97, 0, 320],
        sums: [-6_827.076_773, 401_101.628_919],
        values: [3.810_491, -0.480_861_34, 0.018_512_1],
    };
    compare(&samples, SplitChoice::Final, &train, &test);
    let train = Expected {
        windows: 1284,
        classes: [151, 414, 287, 432],
        sums: [-10_348.125_27, 1_160_703.284_377],
        values: [-1.146_973_7, -0.062_626_74, -0.091_547_17],
    };
    let validation = Expected {
        windows: 182,
        classes: [9, 0, 0, 173],
        sums: [227.718_348, 74_324.419_011],
        values: [0.280_646_1, 0.085_750_304, -2.977_031_7],
    };
    compare(&samples, SplitChoice::Search, &train, &validation);
    let message = prepare(&mut raw(), std::slice::from_ref(&files)).unwrap_err().to_string();
    assert_eq!(message, "challenge2017.pkl: 8528 recordings were expected, found 24; set data.recordings to use these");
}

/// The publisher's records, one file each.
fn records(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn loose(folder: &Path, keep: impl Fn(&str) -> bool) -> DataContext {
    let keep = |name: &String| keep(name);
    records(folder).into_iter().filter(keep).fold(DataContext::new(), |context, name| {
        let path = folder.join(&name);
        context.input("raw", &format!("records/{name}"), &path)
    })
}

const RECORDS_CHANGES: [(&str, u64); 1] = [("data.recordings", 68)];

fn changes() -> Vec<(&'static str, Value)> {
    let counts = RECORDS_CHANGES.iter().map(|(key, value)| (*key, json!(value)));
    std::iter::once(("data.source", json!("files"))).chain(counts).collect()
}

#[test]
fn the_publishers_records_are_cut_as_numpy_cuts_them() {
    let Some(data) = test_data() else { return };
    let folder = data.join("ecg/records");
    let mut context = loose(&folder, |_| true);
    let meta = prepare(&mut context, &changes()).unwrap();
    let samples = samples(&context, &meta);
    let train = Expected {
        windows: 5127,
        classes: [370, 1357, 716, 2684],
        sums: [-10_655.942_955, 4_493_579.213_627],
        values: [0.115_995_444, -1.065_476_4, -0.316_048_4],
    };
    let test = Expected {
        windows: 246,
        classes: [64, 170, 12, 0],
        sums: [-1_449.289_365, 249_879.855_813],
        values: [0.080_751_58, 0.631_326_44, 5.916_883_5],
    };
    compare(&samples, SplitChoice::Final, &train, &test);
    let train = Expected {
        windows: 4034,
        classes: [354, 1210, 716, 1754],
        sums: [-22_631.526_053, 3_635_207.661_471],
        values: [5.479_76, 0.020_857_442, -0.316_048_4],
    };
    let validation = Expected {
        windows: 775,
        classes: [16, 220, 12, 527],
        sums: [18_080.676_254, 620_024.185_194],
        values: [0.791_618_4, -0.485_092_82, 0.429_128_44],
    };
    compare(&samples, SplitChoice::Search, &train, &validation);
    assert_eq!(samples.parts["test"].array("seen").unwrap().to_u32().unwrap(), [1, 1, 0, 1, 0, 1, 0]);
}

/// An archive as the publisher makes it, with the order of `names`.
fn archive(folder: &Path, names: &[&str], labels: &[(&str, String)], path: &Path) {
    let mut tar = tar::Builder::new(std::fs::File::create(path).unwrap());
    let mut put = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, format!("training2017/{name}"), bytes).unwrap();
    };
    for name in records(folder).iter().filter(|name| !name.ends_with(".csv")) {
        put(name, &std::fs::read(folder.join(name)).unwrap());
    }
    for (name, text) in labels {
        put(name, text.as_bytes());
    }
    put("RECORDS", (names.join("\n") + "\n").as_bytes());
    tar.finish().unwrap();
}

#[test]
fn an_archive_gives_the_same_in_the_order_of_its_list() {
    let Some(data) = test_data() else { return };
    let folder = data.join("ecg/records");
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("training2017.tar");
    let reference = std::fs::read_to_string(folder.join("REFERENCE.csv")).unwrap();
    let names: Vec<&str> = reference.lines().map(|line| line.split(',').next().unwrap()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    // an older version of the labels, all normal, must not count
    let old = names.iter().map(|name| format!("{name},N\n")).collect::<String>();
    let labels = [("REFERENCE.csv", old.clone()), ("REFERENCE-v3.csv", reference.clone())];
    let run = |names: &[&str], labels: &[(&str, String)]| {
        archive(&folder, names, labels, &path);
        let mut context = DataContext::new().input("raw", "training2017.tar", &path);
        prepare(&mut context, &changes()).map(|_| context.digests())
    };
    let mut plain = loose(&folder, |_| true);
    prepare(&mut plain, &changes()).unwrap();
    assert_eq!(run(&sorted, &labels).unwrap(), plain.digests());
    let reversed: Vec<&str> = sorted.iter().rev().copied().collect();
    assert_ne!(run(&reversed, &labels).unwrap(), plain.digests());
    let message = run(&sorted[1..], &labels).unwrap_err().to_string();
    assert!(message.contains("training2017.tar: 68 recordings were expected, found 67"), "{message}");
    let message = run(&[sorted.clone(), vec!["A99999"]].concat(), &labels).unwrap_err().to_string();
    assert!(message.contains("training2017/RECORDS") && message.contains("A99999.mat"), "{message}");
    let short = [("REFERENCE-v3.csv", reference.lines().skip(1).collect::<Vec<_>>().join("\n"))];
    let message = run(&sorted, &short).unwrap_err().to_string();
    assert!(message.contains("REFERENCE-v3.csv") && message.contains("A00004"), "{message}");
    let wrong = [("REFERENCE-v3.csv", "A00004,X\n".to_string())];
    let message = run(&sorted, &wrong).unwrap_err().to_string();
    assert!(message.contains("line 1") && message.contains("A00004,X"), "{message}");
    let message = run(&sorted, &[]).unwrap_err().to_string();
    assert!(message.contains("REFERENCE-v3.csv") && message.contains("data.files"), "{message}");
}

#[test]
fn damaged_records_are_named() {
    let Some(data) = test_data() else { return };
    let folder = data.join("ecg/records");
    let scratch = tempfile::tempdir().unwrap();
    let whole = std::fs::read(folder.join("A00004.mat")).unwrap();
    let run = |name: &str, bytes: &[u8]| {
        let path = scratch.path().join("changed");
        std::fs::write(&path, bytes).unwrap();
        let mut context = loose(&folder, |other| other != name).input("raw", name, &path);
        prepare(&mut context, &changes()).unwrap_err().to_string()
    };
    for cut in [0, 3, 19, 22, whole.len() - 1] {
        assert!(run("A00004.mat", &whole[..cut]).starts_with("A00004.mat"), "cut at {cut}");
    }
    let mut huge = whole.clone();
    huge[4..12].fill(0x7f);
    assert!(run("A00004.mat", &huge).starts_with("A00004.mat"), "a length in a file asks for no memory");
    let mut other = whole.clone();
    other[20..23].copy_from_slice(b"eeg");
    assert!(run("A00004.mat", &other).contains("a real matrix `val` of one row was expected"));
    let mut flat = whole.clone();
    flat[24..].fill(1);
    assert!(run("A00004.mat", &flat).contains("all alike"));
    let header = String::from_utf8(std::fs::read(folder.join("A00004.hea")).unwrap()).unwrap();
    let message = run("A00004.hea", header.replace(" 9000 ", " 9001 ").as_bytes());
    assert!(message.contains("9001 samples") && message.contains("found 9000"), "{message}");
    let message = run("A00004.hea", header.replace(" 300 ", " 250 ").as_bytes());
    assert!(message.contains("300 samples a second were expected, found 250"), "{message}");
    assert!(run("A00004.hea", b"what").starts_with("A00004.hea"));
    let mut short = whole[..24 + 2000].to_vec();
    short[8..12].copy_from_slice(&1000u32.to_le_bytes());
    let mut context = loose(&folder, |other| !other.starts_with("A00004."));
    let path = scratch.path().join("short");
    std::fs::write(&path, &short).unwrap();
    context = context.input("raw", "A00004.mat", &path);
    let message = prepare(&mut context, &changes()).unwrap_err().to_string();
    assert!(message.contains("more than 1000 samples were expected, found 1000"), "{message}");
}

fn generate(recordings: u64, seed: Option<u64>, threads: usize) -> DataContext {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut context = DataContext::new();
    let counts = Counts::of(&[("recordings", recordings)]);
    pool.install(|| EcgGenerator.generate(&counts, seed, &mut context)).unwrap();
    context
}

#[test]
fn the_generator_gives_the_same_bytes_for_any_thread_count() {
    let one = generate(60, None, 1).digests();
    assert_eq!(one[0].0, "challenge2017.pkl");
    for threads in [2, 3] {
        assert_eq!(generate(60, None, threads).digests(), one);
    }
    assert_ne!(generate(60, Some(0), 2).digests(), one);
    let mut context = DataContext::new();
    context.stop_after.set(Some(0));
    let stopped = EcgGenerator.generate(&Counts::of(&[("recordings", 60)]), None, &mut context);
    assert!(matches!(stopped, Err(StageError::Interrupted)));
    let few = EcgGenerator.generate(&Counts::of(&[("recordings", 9)]), None, &mut DataContext::new());
    assert!(few.unwrap_err().to_string().contains("data.recordings 9"));
}

#[test]
fn embedded_data_go_through_preparation_objective_and_metric() {
    let set = [("data.source", json!("embedded")), ("data.size", json!("tiny"))];
    let fetched = FetchParams::from_settings(&definition("ecg", &set), &EcgSource).unwrap();
    let mut raw = DataContext::new();
    fetch(&EcgSource, &EcgGenerator, &fetched, &mut raw).unwrap();
    let prepared = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut context = raw.next_stage();
        let meta = pool.install(|| prepare(&mut context, &set)).unwrap();
        (context, meta)
    };
    let (context, meta) = prepared(1);
    for threads in [2, 3] {
        assert_eq!(prepared(threads).0.digests(), context.digests());
    }
    assert_eq!((meta.source.as_str(), meta.class_names.join("")), ("embedded:tiny", "NAO~".to_string()));
    let samples = samples(&context, &meta);
    for (part, recordings) in [("train", 54), ("validation", 6), ("test", 6)] {
        assert_eq!(samples.parts[part].array("offset").unwrap().shape, [recordings + 1], "{part}");
    }
    let (search, last) = (&meta.search, &meta.last);
    assert_eq!((search.train.end, search.train.part.as_str()), (last.train.end, "train"));
    assert!(search.train.start > 0, "the search trains on fewer recordings");
    let objective = objective::open(&samples, &params(SplitChoice::Final, false)).unwrap();
    let batch = objective.training_batch(&[3, 0], 7).unwrap();
    let logits = Tensor::zeros((2, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
    let loss = objective.loss(&logits, &batch.targets).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!((loss[0] - 4f32.ln()).abs() < 1e-6);
    for split in [SplitChoice::Search, SplitChoice::Final] {
        let part = &samples.parts[&samples.split(split).score.part];
        let labels = part.y.to_u32().unwrap();
        let perfect = measure(&samples, split, false, &|row| one_hot(labels[row]));
        assert_eq!(perfect.direction, Direction::Higher);
        let there = (0..4).filter(|class| labels.contains(class)).count() as f64;
        assert_eq!(perfect.value, there / 4.0, "a class that no recording has counts with 0");
        assert_eq!(perfect.details["recordings"], 6.0);
        assert_eq!((perfect.details["recording accuracy"], perfect.details["window accuracy"]), (100.0, 100.0));
        let constant = measure(&samples, split, false, &|_| one_hot(0));
        assert_eq!(constant.value, constant.trivial.value);
        assert_eq!(perfect.trivial, constant.trivial);
        assert!((0.1..0.25).contains(&constant.trivial.value), "{}", constant.trivial.value);
    }
    let seen = samples.parts["test"].array("seen").unwrap().to_u32().unwrap();
    let labels = samples.parts["test"].y.to_u32().unwrap();
    let strict = measure(&samples, SplitChoice::Final, true, &|row| one_hot(labels[row]));
    assert_eq!(strict.details["recordings"], seen.iter().filter(|seen| **seen == 0).count() as f64);
    assert_eq!(strict.details["recordings that the search validates on"], 0.0);
    let all = measure(&samples, SplitChoice::Final, false, &|row| one_hot(labels[row]));
    assert_eq!(all.details["recordings that the search validates on"], f64::from(seen.iter().sum::<u32>()));
    let permuted = ObjectiveParams { permute_labels: true, ..params(SplitChoice::Final, false) };
    let rows: Vec<usize> = (0..last.train.len()).collect();
    let targets = |params: &ObjectiveParams| {
        let objective = objective::open(&samples, params).unwrap();
        objective.training_batch(&rows, 0).unwrap().targets.to_vec1::<u32>().unwrap()
    };
    let (mut shuffled, mut plain) = (targets(&permuted), targets(&params(SplitChoice::Final, false)));
    assert_ne!(shuffled, plain);
    shuffled.sort_unstable();
    plain.sort_unstable();
    assert_eq!(shuffled, plain);
}

/// Two recordings of three and two windows: ties go to the class met first, and outputs are checked.
#[test]
fn windows_vote_for_their_recording() {
    use nasperf_pipe::artifacts::dataset::{Array, Split, Target, TaskShape};
    let rows = Rows { part: "test".into(), start: 0, end: 5 };
    let split = Split { train: rows.clone(), score: rows };
    let mut part = Part::new(Array::f32(&[1], &[0.0]), Array::u32(&[5], &[2, 2, 2, 1, 1]));
    part.more.insert("recording".into(), Array::u32(&[5], &[0, 0, 0, 1, 1]));
    let samples = Samples {
        meta: DatasetMeta {
            format: 1,
            task: "ecg".into(),
            shape: TaskShape { channels: 1, spatial: vec![1000], target: Target::Point { classes: 4 } },
            search: split.clone(),
            last: split,
            source: "files".into(),
            class_names: ["N", "A", "O", "~"].map(str::to_string).to_vec(),
            loss: None,
            metric: None,
        },
        parts: BTreeMap::from([("test".to_string(), part)]),
    };
    let params = MetricParams {
        split: SplitChoice::Final,
        seed: 0,
        batch_means: false,
        shuffled_lengths: false,
        unseen_only: false,
    };
    let answers = [0u32, 2, 2, 3, 1];
    let tensor = |classes: &[u32]| {
        let values: Vec<f32> = classes.iter().flat_map(|class| one_hot(*class)).collect();
        Tensor::from_vec(values, (classes.len(), 4), &Device::Cpu).unwrap()
    };
    let mut metric = metric::open(&samples, &params).unwrap();
    metric.add(&tensor(&answers[..3])).unwrap();
    assert!(matches!(metric.finish(), Err(MetricError::Incomplete { expected: 5, found: 3 })));
    metric.add(&tensor(&answers[3..])).unwrap();
    let measure = metric.finish().unwrap();
    // recording 0: two of three for O, right; recording 1: a tie, and noise was met first
    assert_eq!(measure.value, 0.25);
    assert_eq!((measure.details["F1 of O"], measure.details["F1 of A"], measure.details["F1 of ~"]), (1.0, 0.0, 0.0));
    assert_eq!(measure.details["window accuracy"], 60.0);
    assert!((measure.details["challenge F1 (N, A, O)"] - 1.0 / 3.0).abs() < 1e-12);
    // A and O have one training recording each: the smaller label stands for the majority
    assert!((measure.trivial.value - (2.0 / 3.0) / 4.0).abs() < 1e-12);
    assert!(matches!(metric.add(&tensor(&[0])), Err(MetricError::Incomplete { expected: 5, found: 6 })));
    let mut metric = metric::open(&samples, &params).unwrap();
    let bad = Tensor::from_vec(vec![0f32, f32::NAN, 0.0, 0.0], (1, 4), &Device::Cpu).unwrap();
    assert!(matches!(metric.add(&bad), Err(MetricError::NotFinite { sample: 0 })));
    let bad = Tensor::from_vec(vec![0f32; 3], (1, 3), &Device::Cpu).unwrap();
    assert!(matches!(metric.add(&bad), Err(MetricError::Shape { .. })));
    let unseen = MetricParams { unseen_only: true, ..params };
    assert!(metric::open(&samples, &unseen).err().unwrap().contains("seen"));
}

/// Signals and labels of a generated pickle.
fn signals(context: &DataContext) -> (Vec<Vec<f64>>, Vec<u32>) {
    use nasperf_pipe::data::npy::array_of;
    use nasperf_pipe::data::pickle_object::Object;
    let bytes = context.output("challenge2017.pkl");
    let pickle = Pickle::read("x", &mut bytes.as_slice(), Path::new(".")).unwrap();
    let Object::Array { data, .. } = pickle.get(pickle.item(pickle.root(), "data").unwrap()) else { panic!() };
    let Object::List(items) = pickle.get(*data) else { panic!() };
    let signal = |id: &usize| {
        let mut array = array_of("x", &pickle, *id).unwrap();
        let mut values = vec![0.0; array.remaining()];
        array.next_f64(&mut values).unwrap();
        values
    };
    let mut labels = array_of("x", &pickle, pickle.item(pickle.root(), "label").unwrap()).unwrap();
    let label = |_| "NAO~".find(labels.next_text().unwrap().as_str()).unwrap() as u32;
    (items.iter().map(signal).collect(), (0..items.len()).map(label).collect())
}

/// Rhythm and shape of a recording in a dozen numbers.
fn features(signal: &[f64]) -> Vec<f64> {
    let n = signal.len() as f64;
    let mean = signal.iter().sum::<f64>() / n;
    let deviation = (signal.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    let z: Vec<f64> = signal.iter().map(|v| (v - mean) / deviation).collect();
    let kurtosis = z.iter().map(|v| v.powi(4)).sum::<f64>() / n;
    let slope = z.windows(2).map(|w| (w[1] - w[0]).abs()).sum::<f64>() / n;
    // the slope over 10 ms, squared and averaged over 40 ms, peaks at beats
    let energy: Vec<f64> = (3..z.len()).map(|i| (z[i] - z[i - 3]).powi(2)).collect();
    let smooth: Vec<f64> = energy.windows(12).map(|w| w.iter().sum::<f64>() / 12.0).collect();
    let mut sorted = smooth.clone();
    sorted.sort_by(f64::total_cmp);
    let threshold = 0.35 * sorted[(0.985 * sorted.len() as f64) as usize];
    let mut peaks: Vec<usize> = Vec::new();
    for at in 1..smooth.len() - 1 {
        if smooth[at] < threshold || smooth[at] < smooth[at - 1] || smooth[at] < smooth[at + 1] {
            continue;
        }
        match peaks.last() {
            Some(last) if at - last < 75 => {
                if smooth[at] > smooth[*last] {
                    *peaks.last_mut().unwrap() = at;
                }
            }
            _ => peaks.push(at),
        }
    }
    let intervals: Vec<f64> = peaks.windows(2).map(|w| (w[1] - w[0]) as f64 / 300.0).collect();
    let count = intervals.len().max(1) as f64;
    let middle = intervals.iter().sum::<f64>() / count;
    let spread = (intervals.iter().map(|v| (v - middle).powi(2)).sum::<f64>() / count).sqrt();
    let steps: Vec<f64> = intervals.windows(2).map(|w| (w[1] - w[0]).abs()).collect();
    let step = steps.iter().sum::<f64>() / steps.len().max(1) as f64;
    let mut ordered = intervals.clone();
    ordered.sort_by(f64::total_cmp);
    let quantile = |q: f64| ordered.get((q * (ordered.len().max(1) - 1) as f64) as usize).copied().unwrap_or(0.0);
    let short = intervals.iter().filter(|v| **v < 0.8 * quantile(0.5)).count() as f64 / count;
    let heights: Vec<f64> = peaks.iter().map(|at| smooth[*at].sqrt()).collect();
    let height = heights.iter().sum::<f64>() / heights.len().max(1) as f64;
    let heights_spread =
        (heights.iter().map(|v| (v - height).powi(2)).sum::<f64>() / heights.len().max(1) as f64).sqrt();
    // beats as seen at 10 s of the signal: what moves between them
    let quiet = sorted[(0.3 * sorted.len() as f64) as usize].max(1e-9).ln();
    let wide = smooth.iter().filter(|v| **v > threshold).count() as f64 / peaks.len().max(1) as f64 / 30.0;
    vec![
        1.0 / middle.max(0.2),
        spread / middle.max(0.2),
        step / middle.max(0.2),
        quantile(0.1),
        quantile(0.9),
        short,
        kurtosis.ln(),
        slope.ln(),
        heights_spread / height.max(1e-9),
        quiet,
        wide,
        quantile(0.5),
    ]
}

/// Multinomial logistic regression by gradient descent on standardised features, and its squares.
fn logistic(train: &[Vec<f64>], labels: &[u32], test: &[Vec<f64>]) -> Vec<u32> {
    let width = train[0].len();
    let n = train.len() as f64;
    let mean: Vec<f64> = (0..width).map(|k| train.iter().map(|row| row[k]).sum::<f64>() / n).collect();
    let deviation: Vec<f64> = (0..width)
        .map(|k| (train.iter().map(|row| (row[k] - mean[k]).powi(2)).sum::<f64>() / n).sqrt().max(1e-9))
        .collect();
    let inputs = |row: &Vec<f64>| -> Vec<f64> {
        let z: Vec<f64> = (0..width).map(|k| ((row[k] - mean[k]) / deviation[k]).clamp(-4.0, 4.0)).collect();
        z.iter().copied().chain(z.iter().map(|v| v * v - 1.0)).chain([1.0]).collect()
    };
    let x: Vec<Vec<f64>> = train.iter().map(inputs).collect();
    let size = x[0].len();
    let mut weights = vec![0.0; 4 * size];
    let scores = |weights: &[f64], row: &[f64]| -> [f64; 4] {
        std::array::from_fn(|c| weights[c * size..(c + 1) * size].iter().zip(row).map(|(w, v)| w * v).sum())
    };
    for _ in 0..600 {
        let mut gradient = vec![0.0; 4 * size];
        for (row, label) in x.iter().zip(labels) {
            let scores = scores(&weights, row);
            let top = scores.iter().copied().fold(f64::MIN, f64::max);
            let total: f64 = scores.iter().map(|v| (v - top).exp()).sum();
            for c in 0..4 {
                let wrong = (scores[c] - top).exp() / total - f64::from(u8::from(c as u32 == *label));
                for (g, v) in gradient[c * size..(c + 1) * size].iter_mut().zip(row) {
                    *g += wrong * v / n;
                }
            }
        }
        weights.iter_mut().zip(&gradient).for_each(|(w, g)| *w -= 0.3 * (g + 1e-3 * *w));
    }
    let best = |row: &Vec<f64>| {
        let scores = scores(&weights, &inputs(row));
        (0..4).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap() as u32
    };
    test.iter().map(best).collect()
}

/// Gate of the task specification, §13.13: logistic regression on features of rhythm and shape reaches a macro-F1 of 0.5, and
/// on permuted training labels it falls back to chance.
#[test]
fn the_small_data_can_be_learned() {
    use nasperf_pipe::data::synthetic::{Purpose, Stream};
    use nasperf_pipe::metrics::f1::{f1, macro_f1};
    let (signals, labels) = signals(&generate(800, None, 2));
    let x: Vec<Vec<f64>> = signals.iter().map(|signal| features(signal)).collect();
    let (train, test) = x.split_at(600);
    let (known, truth) = labels.split_at(600);
    let answers = logistic(train, known, test);
    let each = f1(truth, &answers, 4);
    let learned = macro_f1(truth, &answers, 4);
    let trivial = macro_f1(truth, &vec![0; truth.len()], 4);
    assert!(learned >= 0.5, "{each:?}");
    let controls: Vec<f64> = (0..10)
        .map(|draw| {
            let mut shuffled = known.to_vec();
            Stream::new("ecg", "test", Purpose::Label, draw, None).shuffle(&mut shuffled);
            macro_f1(truth, &logistic(train, &shuffled, test), 4)
        })
        .collect();
    let mean = controls.iter().sum::<f64>() / 10.0;
    let spread = (controls.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 9.0).sqrt();
    assert!((mean - trivial).abs() <= 3.0 * spread.max(0.01), "{mean} ± {spread} against {trivial}");
    assert!(mean < learned - 0.2);
    eprintln!("ecg small: macro-F1 {learned:.3} {each:.2?}, permuted {mean:.3} ± {spread:.3}, always N {trivial:.3}");
}
