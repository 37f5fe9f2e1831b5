//! DeepSEA: the official container and a genome with its peaks give the windows and labels that other programs give, files that
//! do not fit are named, and the embedded stand-in can be learned.

use crate::cholesky::solve;
use crate::data_context::{DataContext, definition, test_data};
use crate::support::lab::Lab;
use candle_core::{Device, Tensor};
use nasperf_pipe::artifacts::dataset::{DatasetMeta, Target};
use nasperf_pipe::artifacts::samples::{Part, Samples, SplitChoice};
use nasperf_pipe::data::counts::Counts;
use nasperf_pipe::data::npy_writer::start_npy;
use nasperf_pipe::data::synthetic::{Purpose, Stream};
use nasperf_pipe::data::zip_writer::ZipWriter;
use nasperf_pipe::digest::Digest;
use nasperf_pipe::metrics::auroc::auroc;
use nasperf_pipe::metrics::defined::mean_of_defined;
use nasperf_pipe::stages::fetch::{FetchParams, fetch};
use nasperf_pipe::stages::preprocess::{PreprocessParams, preprocess};
use nasperf_pipe::tasks::contract::generator::Generator;
use nasperf_pipe::tasks::contract::metric::{Measure, MetricParams};
use nasperf_pipe::tasks::contract::objective::ObjectiveParams;
use nasperf_pipe::tasks::contract::preparation::Preparation;
use nasperf_pipe::tasks::deepsea::generator::DeepseaGenerator;
use nasperf_pipe::tasks::deepsea::motif::{LABELS, Window, World};
use nasperf_pipe::tasks::deepsea::preparation::DeepseaPreparation;
use nasperf_pipe::tasks::deepsea::source::DeepseaSource;
use nasperf_pipe::tasks::deepsea::{metric, objective};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn counts(labels: u64, length: u64, [train, validation, test]: [u64; 3]) -> Counts {
    Counts::of(&[("labels", labels), ("length", length), ("train", train), ("validation", validation), ("test", test)])
}

fn load(context: &DataContext) -> Samples {
    let meta: DatasetMeta = serde_json::from_slice(&context.output("dataset.json")).unwrap();
    let part =
        |name: &str| (name.to_string(), Part::decode(name, &context.output(&format!("{name}.safetensors"))).unwrap());
    Samples { meta, parts: BTreeMap::from(["train", "validation", "test"].map(part)) }
}

fn prepare(files: &[(&str, PathBuf)], counts: &Counts) -> Result<Samples, String> {
    let mut context = DataContext::new();
    for (name, path) in files {
        context = context.input("raw", name, path);
    }
    DeepseaPreparation.prepare(counts, "files", &mut context).map_err(|e| e.to_string())?;
    assert_eq!(context.unfinished(), Vec::<String>::new(), "every input is read to its end");
    Ok(load(&context))
}

#[test]
fn the_official_container_is_read_as_numpy_reads_it() {
    let Some(data) = test_data() else { return };
    let files = [("deepsea_filtered.npz", data.join("deepsea/deepsea_filtered.npz"))];
    let samples = prepare(&files, &counts(7, 1000, [304, 123, 110])).unwrap();
    // SHA-256 of np.ascontiguousarray(x.transpose(0, 2, 1)), and sums of y by column, by numpy
    for (part, rows, sha, sums) in [
        ("train", 304, "c10266bdebdc986536e08da2f32f7a4fcb45a389de99774240425d5785e814d1", [4, 37, 5, 1, 5, 5, 1]),
        (
            "validation",
            123,
            "ccdf84e7361f6834d890aacc3b66b2a66e8cecaacba982904abbf7ae1d09cc18",
            [3, 37, 4, 1, 14, 1, 3],
        ),
        ("test", 110, "41147cac68f51285c5fc3f3abeaa80a751c107e37f69108948394a93a75e36fb", [6, 3, 3, 3, 19, 0, 3]),
    ] {
        let found = &samples.parts[part];
        assert_eq!((&found.x.shape[..], &found.y.shape[..]), (&[rows, 4, 1000][..], &[rows, 7][..]));
        assert_eq!(Digest::of(&found.x.bytes).to_string(), sha);
        let y = found.y.to_f32().unwrap();
        let columns: [i32; 7] = std::array::from_fn(|label| y.iter().skip(label).step_by(7).sum::<f32>() as i32);
        assert_eq!(columns, sums);
    }
    assert_eq!((samples.meta.shape.channels, &samples.meta.shape.target), (4, &Target::MultiLabel { labels: 7 }));
    assert_eq!((samples.meta.search.score.part.as_str(), samples.meta.search.score.end), ("validation", 123));
    assert_eq!((samples.meta.last.train.end, samples.meta.last.score.part.as_str()), (304, "test"));

    // a label without positives in the test part is skipped and counted
    let measure = score(&samples, &|row, label| ((row * 7 + label) % 11) as f32);
    assert_eq!(measure.details["labels without AUROC"], 1.0);
    assert!((0.0..1.0).contains(&measure.value));

    for (amounts, words) in [
        (
            counts(36, 1000, [71_753, 2_490, 149_400]),
            ["expected shape [71753, 1000, 4], found [304, 1000, 4]", "set data.train"],
        ),
        (counts(7, 500, [304, 123, 110]), ["expected shape [304, 500, 4]", "data.length"]),
        (counts(36, 1000, [304, 123, 110]), ["expected shape [304, 36], found [304, 7]", "data.labels"]),
        (counts(7, 1000, [304, 123, 100]), ["array `x_test`", "set data.test"]),
    ] {
        let message = prepare(&files, &amounts).unwrap_err();
        let all = words.iter().all(|word| message.contains(word)) && message.contains("deepsea_filtered.npz");
        assert!(all, "{message}");
    }
}

/// Labels by the bytes of the bases.
fn by_bases(samples: &Samples) -> BTreeMap<Vec<u8>, Vec<f32>> {
    let mut found = BTreeMap::new();
    for part in samples.parts.values() {
        let y = part.y.to_f32().unwrap();
        let labels = part.y.shape[1];
        for (x, y) in part.x.bytes.chunks(4000).zip(y.chunks(labels)) {
            found.insert(x.to_vec(), y.to_vec());
        }
    }
    found
}

#[test]
fn a_genome_with_peaks_gives_the_windows_and_labels_of_the_official_container() {
    let Some(data) = test_data() else { return };
    let folder = data.join("deepsea");
    let files = [
        ("hg38.fa", folder.join("hg38_chr22_32000000_32210000.fa")),
        ("labels.bed", folder.join("labels_hg38_chr22_32000000_32210000.bed")),
        ("tracks.txt", folder.join("tracks.txt")),
    ];
    let samples = prepare(&files, &counts(7, 1000, [70, 30, 30])).unwrap();
    assert_eq!(samples.meta.class_names[0], "CTCF_ChIP_peak");
    let npz = [("deepsea_filtered.npz", folder.join("deepsea_filtered.npz"))];
    let official = by_bases(&prepare(&npz, &counts(7, 1000, [304, 123, 110])).unwrap());
    let rebuilt = by_bases(&samples);
    assert_eq!(rebuilt.len(), 130);
    for (bases, labels) in &rebuilt {
        assert_eq!(official.get(bases), Some(labels));
    }
    // without a list the tracks are sorted; without sizes that fit, the error says which do
    let sorted = prepare(&files[..2], &counts(7, 1000, [70, 30, 30])).unwrap();
    assert_eq!(sorted.meta.class_names[..3], ["CTCF_ChIP_peak", "H3K27ac_signal", "ensembl_enhancer"]);
    for (files, amounts, words) in [
        (
            &files[..],
            counts(36, 1000, [71_753, 2_490, 149_400]),
            "tracks.txt: expected 36 tracks, found 7; set data.labels",
        ),
        (
            &files[..],
            counts(7, 1000, [71_753, 2_490, 149_400]),
            "labels.bed: expected 71753 windows with a label for the train part",
        ),
        (&files[..], counts(7, 1001, [7, 3, 3]), "an even length"),
        (&files[..1], counts(7, 1000, [7, 3, 3]), "found hg38.fa; name the files"),
    ] {
        let message = prepare(files, &amounts).unwrap_err();
        assert!(message.contains(words), "{message}");
    }
}

/// An archive of one split thrice, with these bases and labels as one-byte arrays.
fn archive(x: &[u8], y: &[u8], shape: [usize; 3], labels: usize) -> Vec<u8> {
    let mut zip = ZipWriter::new(Vec::new());
    for split in ["train", "val", "test"] {
        let mut bytes = Vec::new();
        start_npy(&mut bytes, "|u1", &shape).unwrap();
        bytes.extend(x);
        zip.bytes(&format!("x_{split}.npy"), &bytes).unwrap();
        let mut bytes = Vec::new();
        start_npy(&mut bytes, "|u1", &[shape[0], labels]).unwrap();
        bytes.extend(y);
        zip.bytes(&format!("y_{split}.npy"), &bytes).unwrap();
    }
    zip.finish().unwrap()
}

#[test]
fn damaged_files_are_named_and_never_crash() {
    let folder = tempfile::tempdir().unwrap();
    let amounts = counts(2, 3, [2, 2, 2]);
    let mut number = 0;
    let mut read = |bytes: &[u8]| {
        number += 1;
        let path = folder.path().join(format!("{number}.npz"));
        std::fs::write(&path, bytes).unwrap();
        prepare(&[("a.npz", path)], &amounts)
    };
    let x = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0];
    let good = archive(&x, &[0, 1, 1, 0], [2, 3, 4], 2);
    let samples = read(&good).unwrap();
    assert_eq!(
        samples.parts["train"].x.bytes,
        [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0]
    );
    let mut two = x;
    two[13] = 1;
    for (bytes, words) in [
        (archive(&two, &[0, 1, 1, 0], [2, 3, 4], 2), "array `x_train`: row 1: expected one-hot"),
        (archive(&x, &[0, 1, 3, 0], [2, 3, 4], 2), "row 1: expected labels 0 and 1, found 3"),
        (archive(&x[..12], &[0, 1], [1, 3, 4], 2), "expected shape [2, 3, 4], found [1, 3, 4]; set data.train"),
        (good[..good.len() / 3].to_vec(), "a.npz"),
        (b"not an archive".to_vec(), "a.npz"),
    ] {
        let message = read(&bytes).err().unwrap();
        assert!(message.contains(words), "{message}");
    }
    let mut stream = Stream::new("deepsea", "test", Purpose::Noise, 0, None);
    for _ in 0..200 {
        let mut bytes = good.clone();
        for _ in 0..3 {
            let at = stream.below(bytes.len() as u64) as usize;
            bytes[at] = stream.bits() as u8;
        }
        let _ = read(&bytes);
    }
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
    let (rows, labels) = (samples.meta.last.score.len(), samples.parts["test"].y.shape[1]);
    for start in (0..rows).step_by(33) {
        let batch = start..rows.min(start + 33);
        let values: Vec<f32> = batch.clone().flat_map(|row| (0..labels).map(move |label| output(row, label))).collect();
        metric.add(&Tensor::from_vec(values, (batch.len(), labels), &Device::Cpu).unwrap()).unwrap();
    }
    metric.finish().unwrap()
}

#[test]
fn embedded_data_are_the_same_for_any_thread_count_and_prepare_like_official_ones() {
    let changes = [("data.source", json!("embedded")), ("data.size", json!("tiny"))];
    let params = FetchParams::from_settings(&definition("deepsea", &changes), &DeepseaSource).unwrap();
    let mut raw = DataContext::new();
    fetch(&DeepseaSource, &DeepseaGenerator, &params, &mut raw).unwrap();
    for threads in [1, 2, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut context = DataContext::new();
        pool.install(|| DeepseaGenerator.generate(&params.counts, None, &mut context)).unwrap();
        assert_eq!(context.digests(), raw.digests());
    }
    let params = PreprocessParams::from_settings(&definition("deepsea", &changes), &DeepseaPreparation).unwrap();
    let mut context = raw.next_stage();
    preprocess("test", &[], &DeepseaPreparation, &params, &mut context).unwrap();
    assert_eq!(context.unfinished(), Vec::<String>::new());
    let samples = load(&context);
    assert_eq!(samples.meta.source, "embedded:tiny");
    let window = World::new(None).window("test", 41, 1000, None);
    let x = &samples.parts["test"].x.bytes[41 * 4000..42 * 4000];
    for (at, base) in window.bases.iter().enumerate() {
        assert_eq!(x[usize::from(*base) * 1000 + at], 1);
    }
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
    assert_eq!((objective.training_samples(), objective.scored_samples()), (200, 100));
    let batch = objective.training_batch(&[3, 199], 0).unwrap();
    assert_eq!((batch.inputs.dims(), batch.targets.dims()), (&[2, 4, 1000][..], &[2, 36][..]));
    let zeros = Tensor::zeros((2, 36), candle_core::DType::F32, &Device::Cpu).unwrap();
    let loss = objective.loss(&zeros, &batch.targets).unwrap().to_scalar::<f32>().unwrap();
    assert!((loss - 2f32.ln()).abs() < 1e-6);

    let y = samples.parts["test"].y.to_f32().unwrap();
    let perfect = score(&samples, &|row, label| y[row * 36 + label] * 3.0 - 1.0);
    let constant = score(&samples, &|_, _| 0.7);
    assert_eq!((perfect.value, constant.value, constant.trivial.value), (1.0, 0.5, 0.5));
    assert_eq!(perfect.details["mean average precision"], 1.0);
}

/// Counts of 5-mers, each together with its reverse complement, as shares.
fn pentamers(bases: &[u8]) -> Vec<f64> {
    let mut counts = vec![0.0; 1024];
    for five in bases.windows(5) {
        let forward = five.iter().fold(0, |sum, base| 4 * sum + usize::from(*base));
        let back = five.iter().rev().fold(0, |sum, base| 4 * sum + usize::from(3 - base));
        counts[forward.min(back)] += 1.0;
    }
    counts.push(30.0); // a constant
    counts
}

/// Mean AUROC on the test rows of a ridge regression on training rows.
fn ridge(x: &[Vec<f64>], y: &[[bool; LABELS]], x_test: &[Vec<f64>], y_test: &[[bool; LABELS]]) -> f64 {
    let d = x[0].len();
    let mut matrix = vec![vec![0.0; d]; d];
    let mut rights = vec![vec![0.0; d]; LABELS];
    for (row, labels) in x.iter().zip(y) {
        for i in 0..d {
            if row[i] != 0.0 {
                for j in 0..=i {
                    matrix[i][j] += row[i] * row[j];
                }
            }
        }
        for (right, label) in rights.iter_mut().zip(labels) {
            if *label {
                right.iter_mut().zip(row).for_each(|(r, v)| *r += v);
            }
        }
    }
    for (i, row) in matrix.iter_mut().enumerate() {
        row[i] += 3000.0;
    }
    let weights = solve(matrix, rights);
    let label_score = |label: usize| {
        let scores: Vec<f32> =
            x_test.iter().map(|row| row.iter().zip(&weights[label]).map(|(a, b)| a * b).sum::<f64>() as f32).collect();
        auroc(&scores, &y_test.iter().map(|y| y[label]).collect::<Vec<_>>())
    };
    mean_of_defined(&(0..LABELS).map(label_score).collect::<Vec<_>>()).0
}

/// Gates of the task specification, §13.13, on the small size.
#[test]
fn the_small_data_can_be_learned() {
    let world = World::new(None);
    let draw = |split: &str, count: u64| -> Vec<Window> {
        (0..count).map(|index| world.window(split, index, 1000, None)).collect()
    };
    let (train, test) = (draw("train", 3000), draw("test", 1000));
    let features = |windows: &[Window]| windows.iter().map(|w| pentamers(&w.bases)).collect::<Vec<_>>();
    let (x, x_test) = (features(&train), features(&test));
    let mut y: Vec<_> = train.iter().map(|w| w.labels).collect();
    let y_test: Vec<_> = test.iter().map(|w| w.labels).collect();
    let learned = ridge(&x, &y, &x_test, &y_test);
    Stream::new("deepsea", "test", Purpose::Label, 0, None).shuffle(&mut y);
    let permuted = ridge(&x, &y, &x_test, &y_test);
    let oracle = |label: usize| {
        let scores: Vec<f32> = test.iter().map(|w| world.motifs[label].best(&w.bases) as f32).collect();
        auroc(&scores, &y_test.iter().map(|y| y[label]).collect::<Vec<_>>())
    };
    let oracle = mean_of_defined(&(0..24).map(oracle).collect::<Vec<_>>()).0;
    let rates: f64 = y_test.iter().flatten().filter(|y| **y).count() as f64 / (1000.0 * LABELS as f64);
    eprintln!(
        "deepsea small: 5-mer ridge {learned:.3}, permuted {permuted:.3}, oracle {oracle:.3}, positive {rates:.3}"
    );
    assert!(learned >= 0.55, "{learned}");
    assert!(oracle >= 0.70, "{oracle}");
    // one label: √((1/positives + 1/negatives)/12) ≈ 0.03; the mean of 36 labels, three standard errors
    assert!((permuted - 0.5).abs() < 3.0 * 0.03 / 6.0, "{permuted}");
}

/// Both forms of the real data through the product's own fetch → preprocess → evaluate.
#[test]
fn real_files_run_through_all_stages() {
    let Some(data) = test_data() else { return };
    let dir = data.join("deepsea").canonicalize().unwrap();
    let common = format!(
        "[run]\nseeds = [0]\n[[grid]]\ntask = [\"deepsea\"]\nmethod = [\"wrn/default\"]\n[network]\nwidth = 1\n[retrain]\nepochs = 1\n\
         batch = 32\n[data.deepsea]\nsource = \"files\"\ndir = \"{}\"\n",
        dir.display()
    );
    let plain = Lab::new(&common);
    let said = plain.expect(1, &["m.toml"]);
    let words = "expected shape [71753, 1000, 4], found [304, 1000, 4]; set data.train";
    assert!(said.err.contains(words), "{}", said.err);
    let sizes =
        |train, validation, test| format!("labels = 7\ntrain = {train}\nvalidation = {validation}\ntest = {test}\n");
    let genome = "files = [{ name = \"hg38_chr22_32000000_32210000.fa\" }, { name = \"tracks.txt\" }, \
                  { name = \"labels_hg38_chr22_32000000_32210000.bed\" }]\n";
    for text in [common.clone() + &sizes(304, 123, 110), common.clone() + &sizes(70, 30, 30) + genome] {
        let lab = Lab::new(&text);
        let said = lab.expect(0, &["m.toml"]);
        assert!(said.out.contains("0.5"), "the trivial score stands beside it: {}", said.out);
    }
}

#[test]
fn the_definition_and_the_tables_agree() {
    let settings = definition("deepsea", &[("data.source", json!("official"))]);
    let params = PreprocessParams::from_settings(&settings, &DeepseaPreparation).unwrap();
    assert_eq!(params.counts, counts(36, 1000, [71_753, 2_490, 149_400]));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(root.join("manifests/one/deepsea.toml").is_file());
}
