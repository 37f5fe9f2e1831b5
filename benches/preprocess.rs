//! Preparation of raw data and scores of predictions beside numpy and scipy: compares results first, then times both in turns.
//!
//! `make bench-setup` once, then `cargo bench --bench preprocess`. How to choose rows and threads: `harness/request.rs`; what
//! the columns are: `harness/rounds.rs`; how to add a row: `peer/preprocess.py` and `ROWS` below.

mod harness;

use harness::arrays::Arrays;
use harness::formula::{deviation, draw};
use harness::peer::Peer;
use harness::request::{self, Request};
use harness::rounds::{Count, Row};
use harness::usage::resident_mib;
use nasperf_pipe::data::signal::log_mel::{BANDS, LogMel, frames};
use nasperf_pipe::data::signal::resample::resample;
use nasperf_pipe::metrics::tallies::LabelScores;
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSliceMut};
use rayon::prelude::{IntoParallelRefIterator, ParallelSlice};

/// Arrays for both sides, and ours: a function that computes one array of results and gives it.
struct Work {
    arrays: Arrays,
    ours: Box<dyn FnMut() -> Vec<f32> + Send>,
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

const ROWS: [Bench; 4] = [
    Bench { name: "log-mel 64 x 1 s", peer: "log_mel", result: "maps", tolerance: 1e-5, make: log_mel },
    Bench { name: "log-mel 64 x 1 s, f32", peer: "log_mel_single", result: "maps", tolerance: 1e-3, make: log_mel },
    Bench { name: "resample 16 x 5 s", peer: "resample", result: "clips", tolerance: 1e-5, make: resampling },
    Bench { name: "ranking 10231 x 200", peer: "ranking", result: "means", tolerance: 1e-6, make: ranking },
];

fn main() {
    request::run(&ROWS, |row| row.name.to_string(), compare);
}

fn compare(bench: &Bench, request: &Request) {
    let idle_mib = resident_mib();
    let Work { arrays, mut ours } = (bench.make)();
    let arguments = format!("--work {} --data {}", bench.peer, arrays.folder().display());
    let peer = Peer::start("preprocess.py", &arguments, request.pool.current_num_threads());
    let mut row = Row { name: bench.name.to_string(), request, peer, idle_mib };
    if let Some(check) = row.peer.as_mut().map(Peer::check) {
        let result = request.pool.install(&mut *ours);
        row.agree(&[(bench.result.to_string(), deviation(&result, &check[bench.result], 0.0))], bench.tolerance);
    }
    row.compare("", Count::default(), "run", &mut || {
        ours();
    });
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
    Work { arrays, ours: Box::new(ours) }
}

fn resampling() -> Work {
    const SAMPLES: usize = 220_500;
    let (arrays, clips) = (Arrays::new(), clips(16, SAMPLES));
    arrays.f32("clips", &[16, SAMPLES], &clips);
    let clips: Vec<Vec<f32>> = clips.chunks(SAMPLES).map(<[f32]>::to_vec).collect();
    let ours = move || clips.par_iter().map(|clip| resample(clip, 44_100, 22_050)).collect::<Vec<_>>().concat();
    Work { arrays, ours: Box::new(ours) }
}

/// As many clips and labels as the test split of FSD50K has (task specification §6.2).
fn ranking() -> Work {
    const ROWS: usize = 10_231;
    const LABELS: usize = 200;
    let scores: Vec<f32> = draw(8, ROWS * LABELS).into_iter().map(|d| d as f32).collect();
    let truth: Vec<bool> =
        draw(9, ROWS * LABELS).into_iter().zip(&scores).map(|(d, s)| d < -0.45 + 0.1 * f64::from(*s)).collect();
    let arrays = Arrays::new();
    arrays.f32("scores", &[ROWS, LABELS], &scores);
    arrays.u8("truth", &[ROWS, LABELS], &truth.iter().map(|t| u8::from(*t)).collect::<Vec<_>>());
    let mut tally = LabelScores::new(LABELS);
    for (scores, truth) in scores.chunks(LABELS).zip(truth.chunks(LABELS)) {
        tally.add(scores, truth);
    }
    let ours = move || vec![tally.mean_average_precision().0 as f32, tally.mean_auroc().0 as f32];
    Work { arrays, ours: Box::new(ours) }
}
