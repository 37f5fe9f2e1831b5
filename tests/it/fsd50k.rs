//! FSD50K: the benchmark's layout and the publishers' give the maps that another program gives, files that do not fit are named,
//! and the embedded stand-in can be learned.

use crate::cholesky::solve;
use crate::data_context::{DataContext, definition, test_data};
use crate::support::lab::Lab;
use candle_core::{Device, Tensor};
use nasperf_pipe::artifacts::dataset::{DatasetMeta, Target};
use nasperf_pipe::artifacts::samples::{Part, Samples, SplitChoice};
use nasperf_pipe::data::counts::Counts;
use nasperf_pipe::data::signal::log_mel::{LogMel, frames};
use nasperf_pipe::data::synthetic::{Purpose, Stream};
use nasperf_pipe::data::zip_writer::ZipWriter;
use nasperf_pipe::metrics::average_precision::average_precision;
use nasperf_pipe::metrics::defined::mean_of_defined;
use nasperf_pipe::stages::context::StageError;
use nasperf_pipe::stages::fetch::{FetchParams, fetch};
use nasperf_pipe::stages::preprocess::{PreprocessParams, preprocess};
use nasperf_pipe::tasks::contract::generator::Generator;
use nasperf_pipe::tasks::contract::metric::{Measure, MetricParams};
use nasperf_pipe::tasks::contract::objective::ObjectiveParams;
use nasperf_pipe::tasks::contract::preparation::Preparation;
use nasperf_pipe::tasks::fsd50k::events::clip;
use nasperf_pipe::tasks::fsd50k::generator::Fsd50kGenerator;
use nasperf_pipe::tasks::fsd50k::preparation::Fsd50kPreparation;
use nasperf_pipe::tasks::fsd50k::source::Fsd50kSource;
use nasperf_pipe::tasks::fsd50k::taxonomy::{LABELS, Taxonomy};
use nasperf_pipe::tasks::fsd50k::{metric, objective};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const MAP: usize = 96 * 101;

fn counts(labels: u64, train: u64, validation: u64, test: u64) -> Counts {
    Counts::of(&[("labels", labels), ("train", train), ("validation", validation), ("test", test)])
}

fn load(context: &DataContext) -> Samples {
    let meta: DatasetMeta = serde_json::from_slice(&context.output("dataset.json")).unwrap();
    let part =
        |name: &str| (name.to_string(), Part::decode(name, &context.output(&format!("{name}.safetensors"))).unwrap());
    Samples { meta, parts: BTreeMap::from(["train", "validation", "test"].map(part)) }
}

type Files = Vec<(String, PathBuf)>;

fn prepare(files: &Files, counts: &Counts) -> Result<Samples, String> {
    let mut context = DataContext::new();
    for (name, path) in files {
        context = context.input("raw", name, path);
    }
    Fsd50kPreparation.prepare(counts, "files", &mut context).map_err(|e| e.to_string())?;
    assert_eq!(context.unfinished(), Vec::<String>::new(), "every input is read to its end");
    Ok(load(&context))
}

/// The lists and the sounds that lie beside them.
fn real_files(data: &Path) -> Files {
    let folder = data.join("fsd50k");
    let mut files: Files =
        ["tr.csv", "val.csv", "eval.csv", "lbl_map.json"].map(|name| (name.to_string(), folder.join(name))).into();
    for entry in std::fs::read_dir(folder.join("clips_22050")).unwrap() {
        let path = entry.unwrap().path();
        files.push((format!("clips_22050/{}", path.file_name().unwrap().to_str().unwrap()), path));
    }
    files
}

#[test]
fn real_sounds_give_the_maps_that_numpy_gives() {
    let Some(data) = test_data() else { return };
    let files = real_files(&data);
    let samples = prepare(&files, &counts(25, 10, 10, 10)).unwrap();
    let shape = &samples.meta.shape;
    assert_eq!(
        (shape.channels, &shape.spatial[..], &shape.target),
        (1, &[96, 101][..], &Target::MultiLabel { labels: 25 })
    );
    assert_eq!((samples.meta.class_names[2].as_str(), samples.meta.class_names.len()), ("Bark", 25));
    assert_eq!(
        (samples.meta.search.score.part.as_str(), samples.meta.last.score.part.as_str()),
        ("validation", "test")
    );
    let part = &samples.parts["test"];
    // clips of 5 s are cut: 11 pieces, 10 of the shortest
    assert_eq!(part.array("first").unwrap().to_u32().unwrap(), [0, 11, 22, 33, 44, 55, 66, 77, 88, 99, 109]);
    assert_eq!(part.x.shape, [109, 1, 96, 101]);
    assert!(!part.more.contains_key("noise"));
    let x = part.x.to_f32().unwrap();
    // values at (0,0), (30,50), (60,100), (95,7), mean magnitude and maximum, by numpy in double precision
    for (clip, piece, at, magnitude, highest) in [
        (0, 0, [16.2182, 5.4382, 4.85, -6.3693], 9.29217, 39.5611),
        (0, 10, [39.4835, 43.0199, 21.7029, 33.9355], 25.06111, 49.5298),
        (4, 3, [40.0776, 4.7626, -6.6163, -12.7189], 10.04879, 48.5428),
        (9, 5, [-21.8875, 29.5408, -10.0673, -2.4549], 9.22384, 43.8193),
    ] {
        let map = &x[(11 * clip + piece) * MAP..][..MAP];
        for (place, expected) in [0, 30 * 101 + 50, 60 * 101 + 100, 95 * 101 + 7].into_iter().zip(at) {
            assert!((f64::from(map[place]) - expected).abs() < 2e-4, "{} {expected}", map[place]);
        }
        let mean = map.iter().map(|v| f64::from(v.abs())).sum::<f64>() / MAP as f64;
        assert!((mean - magnitude).abs() < 1e-4, "{mean} {magnitude}");
        let top = map.iter().copied().fold(f32::MIN, f32::max);
        assert!((f64::from(top) - highest).abs() < 2e-4);
    }
    // `5-177957-A`: Helicopter, Aircraft, Vehicle
    let y = part.y.to_f32().unwrap();
    let labels: Vec<usize> = (0..25).filter(|label| y[4 * 25 + label] == 1.0).collect();
    assert_eq!(labels, [0, 12, 22]);

    for (amounts, words) in [
        (counts(200, 36_796, 4_170, 10_231), "lbl_map.json: expected 200 labels, found 25; set data.labels"),
        (counts(25, 36_796, 4_170, 10_231), "tr.csv: expected 36796 train clips, found 10; set data.train"),
        (counts(25, 10, 10, 9), "eval.csv: expected 9 test clips, found 10; set data.test"),
    ] {
        let message = prepare(&files, &amounts).unwrap_err();
        assert!(message.contains(words), "{message}");
    }
    let without: Files = files.iter().filter(|(name, _)| !name.contains("5-181766-A")).cloned().collect();
    let message = prepare(&without, &counts(25, 10, 10, 10)).unwrap_err();
    assert!(message.contains("eval.csv, row 3: a sound `clips_22050/5-181766-A.wav` was expected"), "{message}");
    let without: Files = files.iter().filter(|(name, _)| name != "val.csv").cloned().collect();
    assert!(prepare(&without, &counts(25, 10, 10, 10)).unwrap_err().contains("val.csv"));
}

/// A zip archive of files, or of bytes.
fn zip(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Vec::new());
    members.iter().for_each(|(name, bytes)| zip.bytes(name, bytes).unwrap());
    zip.finish().unwrap()
}

#[test]
fn the_publishers_archives_give_the_same_maps() {
    let Some(data) = test_data() else { return };
    let read = |path: &str| std::fs::read(data.join("fsd50k").join(path)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let save = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        (name.to_string(), folder.path().join(name))
    };
    let truth = zip(&[
        (
            "FSD50K.ground_truth/dev.csv",
            b"fname,labels,mids,split\n100032,\"Bark,Dog\",m,train\n54505,Rain,m,val\n".to_vec(),
        ),
        ("FSD50K.ground_truth/eval.csv", b"fname,labels,mids\n9,Rain,m\n".to_vec()),
        ("FSD50K.ground_truth/vocabulary.csv", b"0,Bark,/m/1\n1,Dog,/m/2\n2,Rain,/m/3\n".to_vec()),
    ]);
    let development = zip(&[
        ("FSD50K.dev_audio/54505.wav", read("clips_44100/1-54505-A.wav")),
        ("FSD50K.dev_audio/100032.wav", read("clips_44100/1-100032-A.wav")),
    ]);
    // split archives begin with a signature of their own
    let development = [b"PK\x07\x08".to_vec(), development].concat();
    let (one, two) = development.split_at(300_000);
    let mut musan = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, path) in
        [("noise/free-sound/n", "clips_22050/2-119102-A.wav"), ("speech/s", "clips_22050/2-68391-A.wav")]
    {
        let (mut header, bytes) = (tar::Header::new_ustar(), read(path));
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        musan.append_data(&mut header, format!("musan/{name}.wav"), bytes.as_slice()).unwrap();
    }
    let files = vec![
        save("FSD50K.dev_audio.z01", one),
        save("FSD50K.dev_audio.zip", two),
        save("FSD50K.eval_audio.zip", &zip(&[("FSD50K.eval_audio/9.wav", read("clips_22050/5-203128-A.wav"))])),
        save("FSD50K.ground_truth.zip", &truth),
        save("musan.tar.gz", &musan.into_inner().unwrap().finish().unwrap()),
    ];
    let samples = prepare(&files, &counts(3, 1, 1, 1)).unwrap();
    assert_eq!(samples.meta.class_names, ["Bark", "Dog", "Rain"]);
    assert_eq!(samples.parts["train"].y.to_f32().unwrap(), [1.0, 1.0, 0.0]);
    // one file of noise, as long as its sound
    let noise = samples.parts["train"].array("noise").unwrap();
    assert_eq!(samples.parts["train"].array("noise_first").unwrap().to_u32().unwrap(), [0, 502]);
    assert_eq!(noise.shape, [502 * 96]);
    // the same clips at 22,050 Hz, resampled by scipy: the upper end differs, and with it the mean that each map is
    // freed of; what is quiet differs by the rounding to 16 bits
    let official = prepare(&real_files(&data), &counts(25, 10, 10, 10)).unwrap();
    // training clips by name: 1-100032-A comes first, 1-54505-A ninth
    for (part, start) in [("train", 0), ("validation", 8)] {
        let found = samples.parts[part].x.to_f32().unwrap();
        let expected = official.parts["train"].x.to_f32().unwrap();
        let expected = &expected[11 * start * MAP..][..found.len()];
        assert_eq!(samples.parts[part].x.shape[0], 11);
        let mut loud = Vec::new();
        for (found, expected) in found.chunks(MAP).zip(expected.chunks(MAP)) {
            let top = expected.iter().copied().fold(f32::MIN, f32::max);
            let places = (0..85 * 101).filter(|at| expected[*at] > top - 40.0 && top > 30.0);
            loud.extend(places.map(|at| f64::from((found[at] - expected[at]).abs())));
        }
        loud.sort_by(f64::total_cmp);
        let median = loud[loud.len() / 2];
        // a filter of this kind in numpy is 0.09 and 0.22 dB away from scipy's
        assert!(loud.len() > 2000 && median < 0.3, "{part}: {} places, {median} dB", loud.len());
    }
}

#[test]
fn damaged_sounds_and_lists_are_named() {
    let Some(data) = test_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let wav = std::fs::read(data.join("fsd50k/clips_22050/1-17367-A.wav")).unwrap();
    let list = |labels: &str| format!("files,labels,ext\nx/a.wav,\"{labels}\",1\n").into_bytes();
    let mut number = 0;
    let mut read = |wav: &[u8], map: &str, labels: &str| {
        number += 1;
        let bytes = zip(&[
            ("chunks/a.wav", wav.to_vec()),
            ("chunks/tr.csv", list(labels)),
            ("chunks/val.csv", list("A")),
            ("chunks/eval.csv", list("A,B")),
            ("chunks/lbl_map.json", map.as_bytes().to_vec()),
        ]);
        let path = folder.path().join(format!("{number}.zip"));
        std::fs::write(&path, bytes).unwrap();
        prepare(&vec![("audio.zip".to_string(), path)], &counts(2, 1, 1, 1))
            .map_err(|message| message.replace('\\', "/"))
    };
    let map = "{\"A\": 1, \"B\": 0}";
    let samples = read(&wav, map, "B").unwrap();
    assert_eq!(samples.meta.class_names, ["B", "A"]);
    assert_eq!(samples.parts["test"].y.to_f32().unwrap(), [1.0, 1.0]);
    for (wav, map, labels, words) in [
        (&wav[..1000], map, "A", "audio.zip: chunks/a.wav"),
        (&wav[..20], map, "A", "audio.zip: chunks/a.wav"),
        (&wav[..44], map, "A", "a.wav"),
        (&wav[..], map, "C", "chunks/tr.csv, row 2: a label of audio.zip: chunks/lbl_map.json was expected, found `C`"),
        (&wav[..], "{\"A\": 1, \"B\": 2}", "A", "label numbers 0 to 1"),
        (&wav[..], "[1]", "A", "a map of label names to numbers"),
        (&wav[..], map, "", "row 2: a value in column 2"),
    ] {
        let message = read(wav, map, labels).unwrap_err();
        assert!(message.contains(words), "{message}");
    }
}

fn generate(train: u64, threads: usize) -> DataContext {
    let counts = Counts::of(&[("labels", 200), ("length", 176_400), ("train", train), ("validation", 4), ("test", 6)]);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut context = DataContext::new();
    pool.install(|| Fsd50kGenerator.generate(&counts, None, &mut context)).unwrap();
    context
}

fn score(samples: &Samples, output: &dyn Fn(usize, usize) -> f32) -> Measure {
    let params = MetricParams {
        split: SplitChoice::Final,
        seed: 0,
        batch_means: false,
        shuffled_lengths: false,
        unseen_only: false,
    };
    let mut metric = metric::open(samples, &params).unwrap();
    let first = samples.parts["test"].array("first").unwrap().to_u32().unwrap();
    let clips: Vec<usize> =
        (0..first.len() - 1).flat_map(|clip| vec![clip; (first[clip + 1] - first[clip]) as usize]).collect();
    for batch in clips.chunks(17) {
        let values: Vec<f32> =
            batch.iter().flat_map(|clip| (0..LABELS).map(move |label| output(*clip, label))).collect();
        metric.add(&Tensor::from_vec(values, (batch.len(), LABELS), &Device::Cpu).unwrap()).unwrap();
    }
    metric.finish().unwrap()
}

#[test]
fn embedded_data_are_the_same_for_any_thread_count_and_prepare_like_official_ones() {
    let changes = [("data.source", json!("embedded")), ("data.size", json!("tiny"))];
    let params = FetchParams::from_settings(&definition("fsd50k", &changes), &Fsd50kSource).unwrap();
    let mut raw = DataContext::new();
    fetch(&Fsd50kSource, &Fsd50kGenerator, &params, &mut raw).unwrap();
    let one = generate(20, 1);
    assert_eq!(generate(20, 2).digests(), one.digests());
    assert_eq!(generate(20, 3).digests(), one.digests());
    let params = PreprocessParams::from_settings(&definition("fsd50k", &changes), &Fsd50kPreparation).unwrap();
    let prepared = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut context = raw.next_stage();
        pool.install(|| preprocess("test", &[], &Fsd50kPreparation, &params, &mut context)).unwrap();
        assert_eq!(context.unfinished(), Vec::<String>::new());
        context
    };
    let context = prepared(2);
    assert_eq!(prepared(1).digests(), context.digests());
    let samples = load(&context);
    assert_eq!((samples.meta.source.as_str(), samples.meta.class_names.len()), ("embedded:tiny", 200));
    let part = &samples.parts["train"];
    assert_eq!((part.y.shape[0], part.array("noise_first").unwrap().shape[0]), (64, 7));
    // the first training clip by name is the first that was made
    let made = clip(&Taxonomy::new(None), "tr", 0, 176_400, None);
    let first = part.array("first").unwrap().to_u32().unwrap();
    assert_eq!(first[1] as usize, made.samples.len().div_ceil(11_025).max(1));
    let y = part.y.to_f32().unwrap();
    assert_eq!(y[made.leaves[0]], 1.0);

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
    assert_eq!((objective.training_samples(), objective.scored_samples()), (64, samples.parts["test"].x.shape[0]));
    let batch = objective.training_batch(&[5, 63, 0], 2).unwrap();
    assert_eq!((batch.inputs.dims(), batch.targets.dims()), (&[3, 1, 96, 101][..], &[3, 200][..]));
    let zeros = Tensor::zeros((3, 200), candle_core::DType::F32, &Device::Cpu).unwrap();
    let loss = objective.loss(&zeros, &batch.targets).unwrap().to_scalar::<f32>().unwrap();
    assert!((loss - 2f32.ln()).abs() < 1e-6);
    let scored = objective.scored_inputs(3..5).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(scored, samples.parts["test"].x.to_f32().unwrap()[3 * MAP..5 * MAP]);

    let y = samples.parts["test"].y.to_f32().unwrap();
    let perfect = score(&samples, &|clip, label| y[clip * 200 + label] * 3.0 - 1.0);
    let constant = score(&samples, &|_, label| label as f32);
    assert_eq!((perfect.value, perfect.details["mean AUROC"]), (1.0, 1.0));
    assert!((constant.value - constant.trivial.value).abs() < 1e-12 && constant.trivial.value > 0.0);

    let mut context = DataContext::new();
    context.stop_after.set(Some(1));
    let counts = Counts::of(&[("labels", 200), ("length", 30_000), ("train", 200), ("validation", 4), ("test", 6)]);
    let stopped = Fsd50kGenerator.generate(&counts, None, &mut context);
    assert!(matches!(stopped, Err(StageError::Interrupted)) && context.outputs().is_empty());
    let other = Counts::of(&[("labels", 20), ("length", 30_000), ("train", 2), ("validation", 4), ("test", 6)]);
    let message = Fsd50kGenerator.generate(&other, None, &mut DataContext::new()).unwrap_err().to_string();
    assert!(message.contains("200 labels") && message.contains("data.labels 20"), "{message}");
}

/// Mean, spread and mean change from frame to frame of each band of a clip's map.
fn pooled(mel: &LogMel, samples: &[i16]) -> Vec<f64> {
    let sound: Vec<f32> = samples.iter().map(|s| f32::from(*s) / 32_768.0).collect();
    let map = mel.transform(&sound);
    let frames = frames(sound.len());
    let mut features = vec![1.0];
    for row in map.chunks_exact(frames) {
        let mean = row.iter().map(|v| f64::from(*v)).sum::<f64>() / frames as f64;
        let square = row.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / frames as f64;
        let change = row.windows(2).map(|w| f64::from((w[1] - w[0]).abs())).sum::<f64>() / frames as f64;
        features.extend([mean / 20.0, square.sqrt() / 10.0, change / 5.0]);
    }
    features
}

/// Mean average precision on test rows of a ridge regression on training rows.
fn ridge(x: &[Vec<f64>], y: &[Vec<bool>], x_test: &[Vec<f64>], y_test: &[Vec<bool>]) -> f64 {
    let d = x[0].len();
    let mut matrix = vec![vec![0.0; d]; d];
    let mut rights = vec![vec![0.0; d]; LABELS];
    for (row, labels) in x.iter().zip(y) {
        for i in 0..d {
            for j in 0..=i {
                matrix[i][j] += row[i] * row[j];
            }
        }
        for (right, _) in rights.iter_mut().zip(labels).filter(|(_, label)| **label) {
            right.iter_mut().zip(row).for_each(|(r, v)| *r += v);
        }
    }
    for (i, row) in matrix.iter_mut().enumerate() {
        row[i] += 1.0;
    }
    let weights = solve(matrix, rights);
    let dot = |row: &[f64], w: &[f64]| row.iter().zip(w).map(|(a, b)| a * b).sum::<f64>() as f32;
    precision(y_test, |row, label| dot(&x_test[row], &weights[label]))
}

fn precision(y: &[Vec<bool>], mut output: impl FnMut(usize, usize) -> f32) -> f64 {
    let one = |label: usize| {
        let scores: Vec<f32> = (0..y.len()).map(|row| output(row, label)).collect();
        average_precision(&scores, &y.iter().map(|y| y[label]).collect::<Vec<_>>())
    };
    mean_of_defined(&(0..LABELS).map(one).collect::<Vec<_>>()).0
}

/// Gate of the task specification, §13.13, on fewer clips than the small size has.
#[test]
fn the_generated_sounds_can_be_learned() {
    let (taxonomy, mel) = (Taxonomy::new(None), LogMel::new(22_050));
    let draw = |split: &str, count: u64| -> (Vec<Vec<f64>>, Vec<Vec<bool>>) {
        let one = |index: u64| {
            let clip = clip(&taxonomy, split, index, 3 * 22_050, None);
            let mut labels = vec![false; LABELS];
            clip.leaves.iter().flat_map(|leaf| taxonomy.labels(*leaf)).for_each(|label| labels[label] = true);
            (pooled(&mel, &clip.samples), labels)
        };
        (0..count).into_par_iter().map(one).collect::<Vec<_>>().into_iter().unzip()
    };
    let ((x, mut y), (x_test, y_test)) = (draw("tr", 700), draw("eval", 300));
    let learned = ridge(&x, &y, &x_test, &y_test);
    let mut stream = Stream::new("fsd50k", "test", Purpose::Label, 0, None);
    let random: Vec<f64> = (0..30).map(|_| precision(&y_test, |_, _| stream.uniform() as f32)).collect();
    let chance = random.iter().sum::<f64>() / 30.0;
    let deviation = (random.iter().map(|r| (r - chance).powi(2)).sum::<f64>() / 29.0).sqrt();
    Stream::new("fsd50k", "test", Purpose::Label, 1, None).shuffle(&mut y);
    let permuted = ridge(&x, &y, &x_test, &y_test);
    eprintln!("fsd50k: pooled ridge {learned:.3}, permuted {permuted:.4}, random {chance:.4} ± {deviation:.4}");
    assert!(learned >= 5.0 * chance, "{learned} {chance}");
    assert!((permuted - chance).abs() < 3.0 * deviation, "{permuted} {chance} ± {deviation}");
}

/// Real sounds through the product's own fetch → preprocess → evaluate.
#[test]
fn real_files_run_through_all_stages() {
    let Some(data) = test_data() else { return };
    let names: Vec<String> = real_files(&data).iter().map(|(name, _)| format!("{{ name = \"{name}\" }}")).collect();
    let common = format!(
        "[run]\nseeds = [0]\n[[grid]]\ntask = [\"fsd50k\"]\nmethod = [\"wrn/default\"]\n[network]\nwidth = 1\n[retrain]\nepochs = 1\n\
         batch = 4\nrecords_per_epoch = 10\n[data.fsd50k]\nsource = \"files\"\ndir = \"{}\"\nfiles = [{}]\n",
        data.join("fsd50k").canonicalize().unwrap().display(),
        names.join(", ")
    );
    let plain = Lab::new(&common);
    let said = plain.expect(1, &["m.toml"]);
    assert!(said.err.contains("lbl_map.json: expected 200 labels, found 25; set data.labels"), "{}", said.err);
    let lab = Lab::new(&(common + "labels = 25\ntrain = 10\nvalidation = 10\ntest = 10\n"));
    let said = lab.expect(0, &["m.toml"]);
    // 27 labels of 10 clips, 25 different ones
    assert!(said.out.contains("0.108"), "the trivial score stands beside it: {}", said.out);
}

#[test]
fn the_definition_and_the_tables_agree() {
    let settings = definition("fsd50k", &[("data.source", json!("official"))]);
    let params = PreprocessParams::from_settings(&settings, &Fsd50kPreparation).unwrap();
    assert_eq!(params.counts, counts(200, 36_796, 4_170, 10_231));
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/one/fsd50k.toml").is_file());
}
