//! Raw data of Cosmic: the two archives of the official layout with drawn stamps (task specification §13.9). Knows no
//! preparation.

use crate::data::counts::Counts;
use crate::data::npy_writer::start_npy;
use crate::stages::context::{Context, Output, Progress, StageError};
use crate::tasks::contract::generator::Generator;
use crate::tasks::cosmic::fields::{FILTER, TEST_VISITS, TRAIN_VISITS};
use crate::tasks::cosmic::scene;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use std::io;

/// Stamps drawn between two looks at the stop sign.
const BATCH: usize = 16;

/// See `contract/generator.rs`.
pub struct CosmicGenerator;

/// A stamp to draw.
#[derive(Clone)]
struct Job {
    /// Folder of the visit in the archive.
    folder: String,
    exposure: usize,
    /// The exposure among all of the archive: its sky.
    sky: usize,
    number: usize,
    split: &'static str,
    index: u64,
}

impl Generator for CosmicGenerator {
    /// Writes `deepCR.ACS-WFC.train.tar` (training, then validation stamps) and `deepCR.ACS-WFC.test.tar`: trees of
    /// `npy_<part>/f435w/<proposal>/<visit>/<exposure>_<stamp>.npy`, each (3, grid, grid) in single precision, and one
    /// `sky.npy` per visit.
    fn generate(&self, counts: &Counts, seed: Option<u64>, context: &mut dyn Context) -> Result<(), StageError> {
        let (train, validation, test) = (counts.get("train"), counts.get("validation"), counts.get("test"));
        let side = counts.get("grid");
        if train + validation == 0 || test == 0 || !(8..=4096).contains(&side) {
            return Err(StageError::Data(format!(
                "cosmic: expected data.grid in 8 to 4096 and stamps to train and test on, found data.grid {side}, \
                 data.train {train}, data.validation {validation}, data.test {test}"
            )));
        }
        let pool: Vec<_> = (0..train).map(|i| ("train", i as u64)).collect();
        let pool: Vec<_> = pool.into_iter().chain((0..validation).map(|i| ("val", i as u64))).collect();
        let tests: Vec<_> = (0..test).map(|i| ("test", i as u64)).collect();
        let all = (pool.len() + tests.len()) as u64;
        let mut done = 0;
        for (part, visits, samples) in [("train", TRAIN_VISITS, pool), ("test", TEST_VISITS, tests)] {
            let output = context.create(&format!("deepCR.ACS-WFC.{part}.tar"))?;
            let mut archive = tar::Builder::new(output);
            let mut folder = String::new();
            for batch in jobs(part, visits, &samples).chunks(BATCH) {
                if context.stop_asked() {
                    return Err(StageError::Interrupted);
                }
                let drawn: Vec<Vec<u8>> = batch
                    .to_vec()
                    .into_par_iter()
                    .map(|job| stamp(side, part, &job, seed))
                    .collect::<Result<_, io::Error>>()?;
                for (job, bytes) in batch.iter().zip(drawn) {
                    if job.folder != folder {
                        folder.clone_from(&job.folder);
                        add(&mut archive, &format!("{folder}/sky.npy"), &skies(part, visits, &folder, seed)?)?;
                    }
                    add(&mut archive, &format!("{folder}/{}_{}.npy", job.exposure, job.number), &bytes)?;
                }
                done += batch.len() as u64;
                context.progress(Progress { unit: "stamp", done, total: all, note: part });
            }
            archive.into_inner()?.close()?;
        }
        Ok(())
    }
}

fn folder_of(part: &str, proposal: u32, visit: &str) -> String {
    format!("npy_{part}/{FILTER}/{proposal}/{visit}")
}

/// The stamps in canonical order, spread evenly over the exposures; 4,830 training stamps give 210 to each.
fn jobs(part: &str, visits: &[(u32, &str, usize)], samples: &[(&'static str, u64)]) -> Vec<Job> {
    let exposures: Vec<(String, usize)> = visits
        .iter()
        .flat_map(|(proposal, visit, n)| (1..=*n).map(|exposure| (folder_of(part, *proposal, visit), exposure)))
        .collect();
    let mut last = usize::MAX;
    let mut number = 0;
    let job = |(at, (split, index)): (usize, &(&'static str, u64))| {
        let sky = at * exposures.len() / samples.len();
        number = if sky == last { number + 1 } else { 0 };
        last = sky;
        let (folder, exposure) = exposures[sky].clone();
        Job { folder, exposure, sky, number, split, index: *index }
    };
    samples.iter().enumerate().map(job).collect()
}

/// An npy file with image, mask and ignore.
fn stamp(side: usize, part: &str, job: &Job, seed: Option<u64>) -> io::Result<Vec<u8>> {
    let drawn = scene::draw(side, scene::sky(part, job.sky, seed), job.split, job.index, seed);
    let mut bytes = Vec::with_capacity(128 + 12 * side * side);
    start_npy(&mut bytes, "<f4", &[3, side, side])?;
    for plane in [&drawn.image, &drawn.mask, &drawn.ignore] {
        bytes.extend(plane.iter().flat_map(|value| value.to_le_bytes()));
    }
    Ok(bytes)
}

/// `sky.npy` of a visit: one level per exposure.
fn skies(part: &str, visits: &[(u32, &str, usize)], folder: &str, seed: Option<u64>) -> io::Result<Vec<u8>> {
    let mut first = 0;
    for (proposal, visit, exposures) in visits {
        if folder == folder_of(part, *proposal, visit) {
            let mut bytes = Vec::new();
            start_npy(&mut bytes, "<f8", &[*exposures])?;
            let levels = (first..first + exposures).flat_map(|exposure| scene::sky(part, exposure, seed).to_le_bytes());
            bytes.extend(levels);
            return Ok(bytes);
        }
        first += exposures;
    }
    Err(io::Error::other(format!("no visit has the folder {folder}")))
}

fn add(archive: &mut tar::Builder<Box<dyn Output>>, name: &str, bytes: &[u8]) -> Result<(), StageError> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    Ok(archive.append_data(&mut header, name, bytes)?)
}
