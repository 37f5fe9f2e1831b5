//! Preparation of raw data and scores of predictions beside numpy and scipy: compares results first, then times both in turns.
//!
//! `make bench-setup` once, then `cargo bench --bench preprocess`. How to choose rows and threads: `harness/request.rs`; what
//! the columns are: `harness/rounds.rs`; how to add a row: `peer/preprocess.py` and `ROWS` below.

mod harness;

use harness::arrays::Arrays;
use harness::folder_context::FolderContext;
use harness::formula::{deviation, draw};
use harness::peer::Peer;
use harness::request::{self, Request};
use harness::rounds::{Count, Row};
use harness::usage::resident_mib;
use nasperf_pipe::artifacts::dataset::decode;
use nasperf_pipe::data::counts::Counts;
use nasperf_pipe::data::pickle_writer::{Item, write_pickle};
use nasperf_pipe::data::signal::log_mel::{BANDS, LogMel, frames};
use nasperf_pipe::data::signal::resample::resample;
use nasperf_pipe::metrics::tallies::LabelScores;
use nasperf_pipe::stages::context::Context;
use nasperf_pipe::tasks::TASKS;
use nasperf_pipe::tasks::ecg::folds::folds;
use nasperf_pipe::tasks::spherical::projection::{chunk, rotation_of};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSliceMut};
use rayon::prelude::{IntoParallelRefIterator, ParallelSlice};
use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Arrays for both sides, and ours: a function that computes one array of results, and one that gives it.
struct Work {
    arrays: Arrays,
    ours: Box<dyn FnMut() -> Vec<f32> + Send>,
    /// Of preparations, which write files: reads the array out of them. Others give theirs at once.
    read: Option<Box<dyn Fn() -> Vec<f32> + Send>>,
    /// Of preparations: what moving their bytes alone costs.
    floor: Option<Box<dyn FnMut() + Send>>,
}

struct Bench {
    name: &'static str,
    /// Of `peer/preprocess.py`, and the name of its result.
    peer: &'static str,
    result: &'static str,
    /// Largest deviation of the digests.
    tolerance: f64,
    make: fn() -> Work,
}

const ROWS: [Bench; 14] = [
    Bench { name: "log-mel 64 x 1 s", peer: "log_mel", result: "maps", tolerance: 1e-5, make: log_mel },
    Bench { name: "log-mel 64 x 1 s, f32", peer: "log_mel_single", result: "maps", tolerance: 1e-3, make: log_mel },
    Bench { name: "resample 16 x 5 s", peer: "resample", result: "clips", tolerance: 1e-5, make: resampling },
    Bench { name: "mean AP 10231 x 200", peer: "precision", result: "mean", tolerance: 1e-6, make: precision },
    Bench { name: "mean AUROC 10231 x 200", peer: "auroc", result: "mean", tolerance: 1e-6, make: auroc },
    Bench { name: "prepare cifar100", peer: "cifar100", result: "x", tolerance: 1e-12, make: cifar100 },
    Bench { name: "prepare spherical", peer: "spherical", result: "x", tolerance: 1e-4, make: spherical },
    Bench { name: "prepare ninapro", peer: "ninapro", result: "x", tolerance: 1e-7, make: ninapro },
    Bench { name: "prepare darcy", peer: "darcy", result: "x", tolerance: 1e-7, make: darcy },
    Bench { name: "prepare psicov", peer: "psicov", result: "maps", tolerance: 1e-7, make: psicov },
    Bench { name: "prepare cosmic", peer: "cosmic", result: "x", tolerance: 1e-7, make: cosmic },
    Bench { name: "prepare ecg", peer: "ecg", result: "x", tolerance: 1e-7, make: ecg },
    Bench { name: "prepare satellite", peer: "satellite", result: "x", tolerance: 1e-6, make: satellite },
    Bench { name: "prepare deepsea", peer: "deepsea", result: "x", tolerance: 1e-12, make: deepsea },
];

fn main() {
    request::run(&ROWS, |row| row.name.to_string(), compare);
}

fn compare(bench: &Bench, request: &Request) {
    let idle_mib = resident_mib();
    let Work { arrays, mut ours, read, floor } = request.pool.install(bench.make);
    let arguments = format!("--work {} --data {}", bench.peer, arrays.folder().display());
    let peer = Peer::start("preprocess.py", &arguments, request.pool.current_num_threads());
    let mut row = Row { name: bench.name.to_string(), request, peer, idle_mib };
    if let Some(check) = row.peer.as_mut().map(Peer::check) {
        let mut result = request.pool.install(&mut *ours);
        if let Some(read) = read {
            result = read();
        }
        row.agree(&[(bench.result.to_string(), deviation(&result, &check[bench.result], 0.0))], bench.tolerance);
    }
    row.compare("", Count::default(), "run", &mut || {
        ours();
    });
    if let Some(mut floor) = floor {
        row.compare("(floor)", Count::default(), "run", &mut floor);
    }
}

/// Noise with a tone, so that bands differ.
fn clips(count: usize, samples: usize) -> Vec<f32> {
    let noise = draw(7, count * samples);
    let sound = |(i, noise): (usize, f64)| (0.3 * noise + 0.5 * (i as f64 * 0.21).sin()) as f32;
    noise.into_iter().enumerate().map(sound).collect()
}

fn log_mel() -> Work {
    const SAMPLES: usize = 22_050;
    let (arrays, clips, mel) = (Arrays::new(), clips(64, SAMPLES), LogMel::new(22_050));
    arrays.f32("clips", &[64, SAMPLES], &clips);
    let size = BANDS * frames(SAMPLES);
    let ours = move || {
        let mut maps = vec![0f32; 64 * size];
        let pairs = maps.par_chunks_mut(size).zip(clips.par_chunks(SAMPLES));
        pairs.for_each_init(|| mel.scratch(), |room, (map, clip)| mel.transform_into(clip, room, map));
        maps
    };
    Work { arrays, ours: Box::new(ours), read: None, floor: None }
}

fn resampling() -> Work {
    const SAMPLES: usize = 220_500;
    let (arrays, clips) = (Arrays::new(), clips(16, SAMPLES));
    arrays.f32("clips", &[16, SAMPLES], &clips);
    let clips: Vec<Vec<f32>> = clips.chunks(SAMPLES).map(<[f32]>::to_vec).collect();
    let ours = move || clips.par_iter().map(|clip| resample(clip, 44_100, 22_050)).collect::<Vec<_>>().concat();
    Work { arrays, ours: Box::new(ours), read: None, floor: None }
}

/// As many clips and labels as the test split of FSD50K has (task specification §6.2).
fn ranking(measure: fn(&LabelScores) -> (f64, usize)) -> Work {
    const CLIPS: usize = 10_231;
    const LABELS: usize = 200;
    let scores: Vec<f32> = draw(8, CLIPS * LABELS).into_iter().map(|d| d as f32).collect();
    let truth: Vec<bool> =
        draw(9, CLIPS * LABELS).into_iter().zip(&scores).map(|(d, s)| d < -0.45 + 0.1 * f64::from(*s)).collect();
    let arrays = Arrays::new();
    arrays.f32("scores", &[CLIPS, LABELS], &scores);
    arrays.u8("truth", &[CLIPS, LABELS], &truth.iter().map(|t| u8::from(*t)).collect::<Vec<_>>());
    let mut tally = LabelScores::new(LABELS);
    for (scores, truth) in scores.chunks(LABELS).zip(truth.chunks(LABELS)) {
        tally.add(scores, truth);
    }
    let ours = move || vec![measure(&tally).0 as f32];
    Work { arrays, ours: Box::new(ours), read: None, floor: None }
}

fn precision() -> Work {
    ranking(LabelScores::mean_average_precision)
}

fn auroc() -> Work {
    ranking(LabelScores::mean_auroc)
}

/// The preparation of `task` from the files in `raw` of the arrays' folder. `result` is the tensor of the training part that
/// is compared.
fn preparation(arrays: Arrays, task: &str, counts: &[(&str, u64)], result: &'static str) -> Work {
    let row = TASKS.iter().find(|row| row.name == task).expect("one of the ten tasks");
    let counts = Counts::of(counts);
    let place = |name: &str| arrays.folder().join(name);
    let (raw, out, scratch) = (place("raw"), place("ours"), place("scratch"));
    let part = out.join("train.safetensors");
    let floor = floor(raw.clone(), out.clone(), place("floor"));
    let ours = move || {
        let mut context = FolderContext::new(&raw, &out, &scratch);
        row.preparation.prepare(&counts, "embedded", &mut context).expect("good raw files");
        Vec::new()
    };
    let read = move || {
        let array = decode(&fs::read(&part).expect("a part"), result).expect("the tensor");
        let mut values = Vec::new();
        array.append_f32(0, array.shape.iter().product(), &mut values).expect("numbers");
        values
    };
    Work { arrays, ours: Box::new(ours), read: Some(Box::new(read)), floor: Some(Box::new(floor)) }
}

/// Reads all raw files and writes files as long as the prepared ones, by the calls that preparations make, and nothing else:
/// what no preparation gets below. Columns "x" of its row are the most that one can be ahead of the peer.
fn floor(raw: PathBuf, prepared: PathBuf, copies: PathBuf) -> impl FnMut() + Send {
    let mut piece = vec![0u8; 1 << 16];
    move || {
        let mut context = FolderContext::new(&raw, &copies, &copies);
        for name in context.names("raw") {
            let mut file = context.open("raw", &name).expect("a raw file");
            while file.read(&mut piece).expect("a raw file") > 0 {}
        }
        for entry in fs::read_dir(&prepared).expect("prepared files").flatten() {
            let mut left = entry.metadata().expect("a prepared file").len() as usize;
            let mut output = context.create(&entry.file_name().to_string_lossy()).expect("a file");
            while left > 0 {
                let now = left.min(piece.len());
                output.write_all(&piece[..now]).expect("room on the disk");
                left -= now;
            }
            output.close().expect("room on the disk");
        }
    }
}

/// As `preparation`, from what the task's generator writes.
fn generated(task: &str, counts: &[(&str, u64)], result: &'static str) -> Work {
    let arrays = Arrays::new();
    let row = TASKS.iter().find(|row| row.name == task).expect("one of the ten tasks");
    let place = |name: &str| arrays.folder().join(name);
    let mut context = FolderContext::new(&place("none"), &place("raw"), &place("scratch"));
    row.generator.generate(&Counts::of(counts), None, &mut context).expect("a generator makes its files");
    preparation(arrays, task, counts, result)
}

/// Counts of so many pictures, a tenth of them to validate and a tenth to test.
fn pictures(all: u64) -> [(&'static str, u64); 4] {
    [("classes", 100), ("train", all * 8 / 10), ("validation", all / 10), ("test", all / 10)]
}

/// Pictures of noise as the official pickles have them.
fn pickled_pictures(folder: &Path, all: usize) {
    fs::create_dir_all(folder).expect("a scratch folder");
    for (part, count) in [("train", all * 9 / 10), ("test", all / 10)] {
        let pixels: Vec<u8> = draw(count as u64, count * 3072).into_iter().map(|d| ((d + 0.5) * 256.0) as u8).collect();
        let labels = (0..count as i64).map(|i| Item::Int(i % 100)).collect();
        let data = Item::Array { descr: "|u1", shape: vec![count, 3072], data: Cow::Borrowed(&pixels) };
        let root = Item::Dict(vec![(Item::Text("data"), data), (Item::Text("fine_labels"), Item::List(labels))]);
        let mut file = BufWriter::new(File::create(folder.join(part)).expect("a scratch file"));
        write_pickle(&mut file, &root).expect("a pickle");
    }
    let names = (0..100).map(|_| Item::Text("name")).collect();
    let root = Item::Dict(vec![(Item::Text("fine_label_names"), Item::List(names))]);
    write_pickle(&mut File::create(folder.join("meta")).expect("a scratch file"), &root).expect("a pickle");
}

fn cifar100() -> Work {
    let arrays = Arrays::new();
    pickled_pictures(&arrays.folder().join("raw"), 10_000);
    preparation(arrays, "cifar100", &pictures(10_000), "x")
}

/// The rotations go to the peer as sums of two single-precision numbers.
fn spherical() -> Work {
    const ALL: usize = 1500;
    let arrays = Arrays::new();
    pickled_pictures(&arrays.folder().join("raw"), ALL);
    let size = chunk(ALL);
    arrays.f32("chunk", &[1], &[size as f32]);
    for (part, count) in [("train", ALL * 9 / 10), ("test", ALL / 10)] {
        let rotations = (0..count.div_ceil(size)).map(|number| rotation_of(part, number as u64, None));
        let values: Vec<f64> = rotations.flat_map(|rotation| rotation.as_flattened().to_vec()).collect();
        let high: Vec<f32> = values.iter().map(|v| *v as f32).collect();
        let low: Vec<f32> = values.iter().zip(&high).map(|(v, h)| (v - f64::from(*h)) as f32).collect();
        arrays.f32(&format!("{part}_high"), &[values.len() / 9, 3, 3], &high);
        arrays.f32(&format!("{part}_low"), &[values.len() / 9, 3, 3], &low);
    }
    preparation(arrays, "spherical", &pictures(ALL as u64), "x")
}

fn ninapro() -> Work {
    let counts =
        [("channels", 16), ("length", 52), ("classes", 18), ("train", 2638), ("validation", 659), ("test", 659)];
    generated("ninapro", &counts, "x")
}

fn darcy() -> Work {
    let counts = [("grid", 421), ("stride", 5), ("train", 20), ("validation", 4), ("test", 4)];
    generated("darcy", &counts, "x")
}

fn psicov() -> Work {
    let counts = [("grid", 128), ("shortest", 60), ("length", 180), ("train", 20), ("validation", 4), ("test", 4)];
    generated("psicov", &counts, "maps")
}

fn cosmic() -> Work {
    generated("cosmic", &[("grid", 256), ("train", 189), ("validation", 21), ("test", 40)], "x")
}

/// The order of recordings goes to the peer.
fn ecg() -> Work {
    const RECORDINGS: usize = 800;
    let work = generated("ecg", &[("recordings", RECORDINGS as u64)], "x");
    let order: Vec<f32> = folds(RECORDINGS).train.iter().map(|number| *number as f32).collect();
    work.arrays.f32("order", &[order.len()], &order);
    work
}

fn satellite() -> Work {
    let counts = [("classes", 24), ("length", 46), ("train", 64_000), ("validation", 8000), ("test", 8000)];
    generated("satellite", &counts, "x")
}

fn deepsea() -> Work {
    let counts = [("labels", 36), ("length", 1000), ("train", 3000), ("validation", 200), ("test", 1000)];
    generated("deepsea", &counts, "x")
}
