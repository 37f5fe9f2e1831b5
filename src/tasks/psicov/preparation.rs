//! PSICOV's raw files to the data set: features and distances of the listed proteins, as they are (task specification §8). Crops,
//! padding and channels belong to the objective.

use crate::artifacts::dataset::{DATASET_FILE, DATASET_FORMAT, DatasetMeta, Rows, Split, Target, TaskShape};
use crate::data::archive::{ArchiveError, members};
use crate::data::counts::Counts;
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::preparation::{Preparation, RAW};
use crate::tasks::psicov::gathering::Gathering;
use crate::tasks::psicov::protein::{CHANNELS, CROPS};
use std::io::{self, Read};

/// Sides of crops that are taken; 128 is the published one.
const SIDES: std::ops::RangeInclusive<usize> = 16..=4096;
/// Padding of a protein, both sides together (task specification §8.2, step 3).
const PADDING: usize = 10;

/// See `contract/preparation.rs`.
pub struct PsicovPreparation;

impl Preparation for PsicovPreparation {
    fn counts(&self) -> &'static [&'static str] {
        &["grid", "train", "validation", "test"]
    }

    /// Reads `deepcov.lst`, `psicov.lst` and, in folders `deepcov` and `psicov`, `features/<id>.pkl` and `distance/<id>-cb.npy`,
    /// as files or inside an archive.
    fn prepare(&self, counts: &Counts, source: &str, context: &mut dyn Context) -> Result<(), StageError> {
        let (train, validation, test) = (counts.get("train"), counts.get("validation"), counts.get("test"));
        let side = counts.get("grid");
        if !SIDES.contains(&side) || train == 0 || test == 0 {
            return Err(StageError::Data(format!(
                "psicov: expected crops of {} to {} residues and proteins to train and to test on, found data.grid {side}, \
                 data.train {train}, data.test {test}",
                SIDES.start(),
                SIDES.end()
            )));
        }
        let scratch = context.scratch()?;
        let (mut deepcov, mut psicov) = (Gathering::new("deepcov", &scratch), Gathering::new("psicov", &scratch));
        for name in context.names(RAW) {
            let mut raw = context.open(RAW, &name)?;
            if [".lst", ".pkl", ".npy"].iter().any(|ending| name.ends_with(ending)) {
                take([&mut deepcov, &mut psicov], &name, &name, &mut raw)?;
            } else {
                let mut done = 0;
                members::<Trouble>(&name, &mut raw, &mut |member, reader| {
                    if context.stop_asked() {
                        return Err(Trouble(StageError::Interrupted));
                    }
                    let shown = format!("{name}: {member}");
                    take([&mut deepcov, &mut psicov], &shown, member, reader).map_err(Trouble)?;
                    done += 1;
                    context.progress(Progress { unit: "file", done, total: 0, note: &name });
                    Ok(())
                })?;
            }
            // The input's digest is verified at its end, which an archive need not reach.
            io::copy(&mut raw, &mut io::sink())?;
        }
        let both = train + validation;
        let names = context.names(RAW).join(", ");
        let longest = CROPS * side - PADDING;
        deepcov.write("train", both, "data.train and data.validation", None, &names, context)?;
        psicov.write("test", test, "data.test", Some(longest), &names, context)?;
        let rows = |part: &str, start, end| Rows { part: part.to_string(), start, end };
        let meta = DatasetMeta {
            format: DATASET_FORMAT,
            task: "psicov".into(),
            shape: TaskShape { channels: CHANNELS, spatial: vec![side; 2], target: Target::Dense { channels: 1 } },
            // the first proteins of the list validate
            search: Split { train: rows("train", validation, both), score: rows("train", 0, validation) },
            last: Split { train: rows("train", 0, both), score: rows("test", 0, test) },
            source: source.to_string(),
            class_names: vec![],
            loss: None,
            metric: None,
        };
        let json = serde_json::to_vec_pretty(&meta).map_err(|e| StageError::Code(e.to_string()))?;
        context.write(DATASET_FILE, &json)
    }
}

/// Hands a file to the set that it belongs to; names that mean nothing are passed over.
fn take(sets: [&mut Gathering; 2], shown: &str, path: &str, reader: &mut dyn Read) -> Result<(), StageError> {
    let mut parts = path.rsplit('/');
    let (name, folder, set) = (parts.next().unwrap_or(""), parts.next(), parts.next());
    for gathering in sets {
        if name.strip_suffix(".lst") == Some(gathering.name()) {
            return gathering.list(shown, reader);
        }
        if set != Some(gathering.name()) {
            continue;
        }
        match (folder, name.strip_suffix(".pkl"), name.strip_suffix("-cb.npy")) {
            (Some("features"), Some(id), _) => return gathering.features(id, shown, reader),
            (Some("distance"), _, Some(id)) => return gathering.distances(id, shown, reader),
            _ => {}
        }
    }
    Ok(())
}

/// `StageError` with the conversion that `members` asks for.
struct Trouble(StageError);

impl From<ArchiveError> for Trouble {
    fn from(error: ArchiveError) -> Self {
        Trouble(StageError::Data(error.to_string()))
    }
}

impl From<Trouble> for StageError {
    fn from(trouble: Trouble) -> Self {
        trouble.0
    }
}
