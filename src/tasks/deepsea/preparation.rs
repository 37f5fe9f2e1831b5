//! DeepSEA's raw file, or a genome with its peaks, to the data set: one-hot bases as planes, and labels (task specification §12).

use crate::artifacts::dataset::{DATASET_FILE, DATASET_FORMAT, DatasetMeta, Rows, Split, Target, TaskShape};
use crate::data::archive::base_name;
use crate::data::counts::Counts;
use crate::stages::context::{Context, StageError};
use crate::tasks::contract::preparation::{Preparation, RAW};
use crate::tasks::deepsea::genome::BIN;
use crate::tasks::deepsea::rebuild::rebuild;
use crate::tasks::deepsea::tables::tables;
use crate::tasks::deepsea::windows::{Amounts, BASES, SPLITS};

/// Longest window: what a row of bases may ask of memory.
const LONGEST: usize = 1 << 20;
const MOST_LABELS: usize = 1 << 16;

/// See `contract/preparation.rs`.
pub struct DeepseaPreparation;

impl Preparation for DeepseaPreparation {
    fn counts(&self) -> &'static [&'static str] {
        &["labels", "length", "train", "validation", "test"]
    }

    /// Reads `*.npz` with arrays `x_train`, `y_train`, `x_val`, …; or sequences (`.fa`, `.fasta`, `.fna`) with peaks (`.bed`,
    /// `.narrowPeak`) and a list of tracks (`.txt`), any of them compressed.
    fn prepare(&self, counts: &Counts, source: &str, context: &mut dyn Context) -> Result<(), StageError> {
        let amounts = Amounts {
            length: counts.get("length"),
            labels: counts.get("labels"),
            windows: ["train", "validation", "test"].map(|key| counts.get(key)),
        };
        let Amounts { length, labels, windows: wanted } = amounts;
        let sizes = (1..=LONGEST).contains(&length) && (1..=MOST_LABELS).contains(&labels);
        if !sizes || wanted.contains(&0) {
            return Err(StageError::Data(format!(
                "deepsea: expected data.length of 1 to {LONGEST}, data.labels of 1 to {MOST_LABELS} and windows in each split, found \
                 data.length {length}, data.labels {labels}, data.train {}, data.validation {}, data.test {}",
                wanted[0], wanted[1], wanted[2]
            )));
        }
        let names = context.names(RAW);
        let is = |kind: Kind| names.iter().filter(|name| Kind::of(name) == Some(kind)).cloned().collect::<Vec<_>>();
        let (npz, sequences, peaks) = (is(Kind::Arrays), is(Kind::Sequences), is(Kind::Peaks));
        let (windows, class_names) = match (&npz[..], sequences.is_empty(), peaks.is_empty()) {
            ([file], true, true) => (tables(file, amounts, context)?, Vec::new()),
            ([], false, false) => {
                let possible = length as u64 >= BIN && (length as u64 - BIN).is_multiple_of(2);
                if !possible {
                    return Err(StageError::Data(format!(
                        "deepsea: windows around bins of {BIN} bases were expected to have an even length of at least that, found \
                         data.length {length}"
                    )));
                }
                rebuild(&sequences, &peaks, &is(Kind::Tracks), amounts, context)?
            }
            _ => {
                return Err(StageError::Data(format!(
                    "deepsea: expected one .npz file, or sequences (.fa) with peaks (.bed), found {}; name the files in data.files",
                    if names.is_empty() { "no file".to_string() } else { names.join(", ") }
                )));
            }
        };
        for (windows, split) in windows.into_iter().zip(&SPLITS) {
            windows.write(split.part, context)?;
        }
        let rows = |at: usize| Rows { part: SPLITS[at].part.to_string(), start: 0, end: wanted[at] };
        let meta = DatasetMeta {
            format: DATASET_FORMAT,
            task: "deepsea".into(),
            shape: TaskShape { channels: BASES, spatial: vec![length], target: Target::MultiLabel { labels } },
            search: Split { train: rows(0), score: rows(1) },
            // validation windows are not merged for the final run (task specification §12.3)
            last: Split { train: rows(0), score: rows(2) },
            source: source.to_string(),
            class_names,
            loss: None,
            metric: None,
        };
        let json = serde_json::to_vec_pretty(&meta).map_err(|e| StageError::Code(e.to_string()))?;
        context.write(DATASET_FILE, &json)
    }
}

/// What a file is by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Arrays,
    Sequences,
    Peaks,
    Tracks,
}

impl Kind {
    fn of(name: &str) -> Option<Kind> {
        let mut name = base_name(name).to_ascii_lowercase();
        for packed in [".gz", ".bz2", ".xz", ".zst"] {
            if let Some(inner) = name.strip_suffix(packed) {
                name = inner.to_string();
            }
        }
        match name.rsplit_once('.')?.1 {
            "npz" => Some(Kind::Arrays),
            "fa" | "fasta" | "fna" => Some(Kind::Sequences),
            "bed" | "narrowpeak" | "broadpeak" => Some(Kind::Peaks),
            "txt" => Some(Kind::Tracks),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn files_are_known_by_their_ending() {
        for (name, kind) in [
            ("deepsea_filtered.npz", Some(Kind::Arrays)),
            ("genome/hg19.fa.gz", Some(Kind::Sequences)),
            ("a.narrowPeak.gz", Some(Kind::Peaks)),
            ("tracks.txt", Some(Kind::Tracks)),
            ("README.md", None),
            ("noending", None),
        ] {
            assert_eq!(Kind::of(name), kind, "{name}");
        }
    }
}
