//! Cosmic's raw files to the data set: the released archives, single stamps, or FITS images cut into stamps
//! (task specification §9.2). The sky's jitter belongs to the objective.

use crate::artifacts::dataset::{DATASET_FILE, DATASET_FORMAT, DatasetMeta, Rows, Split, Target, TaskShape};
use crate::data::archive::{ArchiveError, base_name, members};
use crate::data::counts::Counts;
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::preparation::{Preparation, RAW};
use crate::tasks::cosmic::fields::place;
use crate::tasks::cosmic::fits_images::cut;
use crate::tasks::cosmic::stamps::Stamps;
use std::io::{self, Read};

/// Sides of stamps that are taken; 256 is the released one.
const SIDES: std::ops::RangeInclusive<usize> = 8..=8192;

/// See `contract/preparation.rs`.
pub struct CosmicPreparation;

impl Preparation for CosmicPreparation {
    fn counts(&self) -> &'static [&'static str] {
        &["grid", "train", "validation", "test"]
    }

    /// Reads archives of `npy_train` and `npy_test` trees, single stamps (`.npy`) and FITS images (`.fits`). A folder `train`,
    /// `npy_train`, `test` or `npy_test` in the path, or `.train.` or `.test.` in a name, says which part a file belongs to.
    fn prepare(&self, counts: &Counts, source: &str, context: &mut dyn Context) -> Result<(), StageError> {
        let (train, validation, test) = (counts.get("train"), counts.get("validation"), counts.get("test"));
        let side = counts.get("grid");
        if !SIDES.contains(&side) || !side.is_multiple_of(4) || train == 0 || test == 0 {
            return Err(StageError::Data(format!(
                "cosmic: expected stamps whose side is a multiple of 4 from {} to {}, some to train and to test on, found \
                 data.grid {side}, data.train {train}, data.test {test}",
                SIDES.start(),
                SIDES.end()
            )));
        }
        let scratch = context.scratch()?;
        let mut found = Found { train: Stamps::new(side, &scratch), test: Stamps::new(side, &scratch), others: 0 };
        for name in context.names(RAW) {
            found.raw(&name, side, context)?;
        }
        let both = train + validation;
        for (part, stamps, wanted, settings) in
            [("train", &found.train, both, "data.train and data.validation"), ("test", &found.test, test, "data.test")]
        {
            if stamps.len() != wanted {
                let (names, others) = (context.names(RAW).join(", "), found.others);
                return Err(StageError::Data(format!(
                    "cosmic, part {part}: expected {wanted} stamps, found {} in {names}{}; set {settings} to use these files",
                    stamps.len(),
                    if others == 0 { String::new() } else { format!(" ({others} of other filters or fields)") }
                )));
            }
        }
        found.train.write("train", context)?;
        found.test.write("test", context)?;
        let rows = |part: &str, start, end| Rows { part: part.to_string(), start, end };
        let meta = DatasetMeta {
            format: DATASET_FORMAT,
            task: "cosmic".into(),
            shape: TaskShape { channels: 1, spatial: vec![side / 2; 2], target: Target::Dense { channels: 1 } },
            search: Split { train: rows("train", 0, train), score: rows("train", train, both) },
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

/// What the files held so far.
struct Found {
    train: Stamps,
    test: Stamps,
    /// Stamps that the benchmark does not use.
    others: u64,
}

impl Found {
    fn raw(&mut self, name: &str, side: usize, context: &dyn Context) -> Result<(), StageError> {
        let mut raw = context.open(RAW, name)?;
        let base = base_name(name).to_ascii_lowercase();
        if base.ends_with(".fits") || base.ends_with(".fit") {
            let stamps = self.part(name, name)?;
            cut(name, side, &mut raw, stamps)?;
        } else if base.ends_with(".npy") {
            self.array(name, name, &mut raw)?;
        } else {
            let mut done = 0;
            members::<Trouble>(name, &mut raw, &mut |member, reader| {
                if context.stop_asked() {
                    return Err(Trouble(StageError::Interrupted));
                }
                if !base_name(member).ends_with(".npy") {
                    return Ok(());
                }
                self.array(&format!("{name}: {member}"), &format!("{name}/{member}"), reader).map_err(Trouble)?;
                done += 1;
                if done % 64 == 0 {
                    context.progress(Progress { unit: "stamp", done, total: 0, note: name });
                }
                Ok(())
            })?;
        }
        // The input's digest is verified at its end, which an archive need not reach.
        io::copy(&mut raw, &mut io::sink())?;
        Ok(())
    }

    /// A stamp or a sky file.
    fn array(&mut self, shown: &str, path: &str, reader: &mut dyn Read) -> Result<(), StageError> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let sky = name == "sky.npy";
        // a sky file belongs to the stamps beside it
        let Some(place) = (if sky { place(&format!("{folder}/1_1.npy")) } else { place(path) }) else {
            self.others += u64::from(!sky);
            return Ok(());
        };
        if sky {
            return self.part(shown, path)?.sky(folder, shown, reader);
        }
        self.part(shown, path)?.stamp(place, shown, reader)
    }

    /// The part that a path belongs to.
    fn part(&mut self, shown: &str, path: &str) -> Result<&mut Stamps, StageError> {
        for component in path.rsplit('/') {
            match component {
                "train" | "npy_train" => return Ok(&mut self.train),
                "test" | "npy_test" => return Ok(&mut self.test),
                other if other.contains(".train.") => return Ok(&mut self.train),
                other if other.contains(".test.") => return Ok(&mut self.test),
                _ => {}
            }
        }
        Err(StageError::Data(format!(
            "{shown}: expected a folder `train` or `test` in the path, found none; name the file so in data.files and give \
             its place in data.paths"
        )))
    }
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
