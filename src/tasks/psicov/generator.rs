//! Raw data of PSICOV: an archive of the official layout with folded chains (task specification §13.8). Knows no preparation.

use crate::data::counts::Counts;
use crate::data::zip_writer::ZipWriter;
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::generator::Generator;
use crate::tasks::psicov::drawn_files::{distances_file, features_file};
use crate::tasks::psicov::features::draw;
use crate::tasks::psicov::residues::Table;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use std::io;

/// Proteins folded between two looks at the stop sign.
const BATCH: usize = 16;
/// Longest chain that is folded: its maps take 16 MB each.
const LONGEST: usize = 2000;

/// See `contract/generator.rs`.
pub struct PsicovGenerator;

/// A protein to draw.
#[derive(Clone)]
struct Job {
    set: &'static str,
    id: String,
    split: &'static str,
    index: u64,
}

/// Files of one protein.
struct Drawn {
    length: usize,
    features: Vec<u8>,
    distances: Vec<u8>,
}

impl Generator for PsicovGenerator {
    /// Writes `protein.zip`: per protein `<set>/features/<id>.pkl` and `<set>/distance/<id>-cb.npy`, and the lists `deepcov.lst`
    /// (validation, then training proteins) and `psicov.lst`.
    fn generate(&self, counts: &Counts, seed: Option<u64>, context: &mut dyn Context) -> Result<(), StageError> {
        let (train, validation, test) = (counts.get("train"), counts.get("validation"), counts.get("test"));
        let (shortest, longest) = (counts.get("shortest"), counts.get("length"));
        if train + validation == 0 || test == 0 || !(4..=longest).contains(&shortest) || longest > LONGEST {
            return Err(StageError::Data(format!(
                "psicov: expected proteins to train and to test on, of 4 to {LONGEST} residues, found data.train {train}, \
                 data.validation {validation}, data.test {test}, data.shortest {shortest}, data.length {longest}"
            )));
        }
        let jobs = |set, split, letter: char, first: usize, count: usize| {
            let job = move |i: usize| Job { set, id: format!("{letter}{:05}", first + i), split, index: i as u64 };
            (0..count).map(job)
        };
        let all: Vec<Job> = jobs("deepcov", "val", 'd', 0, validation)
            .chain(jobs("deepcov", "train", 'd', validation, train))
            .chain(jobs("psicov", "test", 'p', 0, test))
            .collect();
        let table = Table::draw(seed);
        let mut archive = ZipWriter::new(context.create("protein.zip")?);
        let mut lists = [("deepcov.lst", String::new()), ("psicov.lst", String::new())];
        let mut done = 0;
        for batch in all.chunks(BATCH) {
            if context.stop_asked() {
                return Err(StageError::Interrupted);
            }
            let drawn: Vec<Drawn> = batch
                .to_vec()
                .into_par_iter()
                .map(|job| files(&table, (shortest, longest), &job, seed))
                .collect::<Result<_, io::Error>>()?;
            for (Job { set, id, .. }, drawn) in batch.iter().zip(drawn) {
                archive.bytes(&format!("{set}/features/{id}.pkl"), &drawn.features)?;
                archive.bytes(&format!("{set}/distance/{id}-cb.npy"), &drawn.distances)?;
                let list = &mut lists[usize::from(*set == "psicov")].1;
                list.push_str(&format!("{id} {}\n", drawn.length));
            }
            done += batch.len() as u64;
            context.progress(Progress { unit: "protein", done, total: all.len() as u64, note: "" });
        }
        for (name, list) in &lists {
            archive.bytes(name, list.as_bytes())?;
        }
        archive.finish()?.close()
    }
}

fn files(table: &Table, lengths: (usize, usize), job: &Job, seed: Option<u64>) -> io::Result<Drawn> {
    let protein = draw(table, lengths.0, lengths.1, job.split, job.index, seed);
    Ok(Drawn {
        length: protein.sequence.len(),
        features: features_file(&protein)?,
        distances: distances_file(&protein)?,
    })
}
