//! ECG's raw files, the benchmark's pickle or the publisher's records, to the data set: signals as they are, one recording
//! after the other, and where in them the windows lie (task specification §10). Normalisation belongs to the objective: the
//! files' 16-bit integers take half the room, and mean and deviation cost one pass over them.

use crate::artifacts::dataset::{DATASET_FILE, DATASET_FORMAT, DatasetMeta, Rows, Split, Target, TaskShape};
use crate::data::counts::Counts;
use crate::data::part::{PartWriter, Promise};
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::preparation::{Preparation, RAW};
use crate::tasks::ecg::folds::folds;
use crate::tasks::ecg::pickle_file;
use crate::tasks::ecg::record_files::RecordFiles;
use crate::tasks::ecg::recordings::{Collector, Recordings};
use crate::tasks::ecg::windows::{CLASSES, WINDOW, count, starts};
use safetensors::Dtype;
use std::io::{self, Write};

/// Fewer recordings cannot be split three ways.
const FEWEST: usize = 10;

/// Recordings written at once: some megabytes.
const RUN: usize = 256;

/// See `contract/preparation.rs`.
pub struct EcgPreparation;

impl Preparation for EcgPreparation {
    fn counts(&self) -> &'static [&'static str] {
        &["recordings"]
    }

    /// Reads a `.pkl` file, or else records, labels and their order (`record_files.rs`).
    fn prepare(&self, counts: &Counts, source: &str, context: &mut dyn Context) -> Result<(), StageError> {
        let (file, mut recordings, labels) = raw(context)?;
        let (expected, found) = (counts.get("recordings"), labels.len());
        if found != expected {
            return Err(StageError::Data(format!(
                "{file}: {expected} recordings were expected, found {found}; set data.recordings to use these"
            )));
        }
        if found < FEWEST {
            return Err(StageError::Data(format!("{file}: at least {FEWEST} recordings were expected, found {found}")));
        }
        let short = |number: &usize| recordings.list[*number].len <= WINDOW;
        if let Some(number) = (0..found).find(short) {
            let recording = &recordings.list[number];
            return Err(StageError::Data(format!(
                "{}: more than {WINDOW} samples were expected, found {}; leave it out and set data.recordings to what is left",
                recording.name, recording.len
            )));
        }
        let folds = folds(found);
        let seen: Vec<u32> = folds.test.iter().map(|number| u32::from(folds.validation.contains(number))).collect();
        let mut written = Vec::new();
        for (part, numbers, seen) in [
            ("train", &folds.train, None),
            ("validation", &folds.validation, None),
            ("test", &folds.test, Some(&seen[..])),
        ] {
            let chosen = Chosen { part, numbers, labels: &labels, seen };
            written.push(chosen.write(&mut recordings, context)?);
        }
        let windows = |numbers: &[usize]| -> usize {
            numbers.iter().map(|number| count(recordings.list[*number].len, labels[*number])).sum()
        };
        let rows = |part: &str, start, end| Rows { part: part.to_string(), start, end };
        let searched = windows(&folds.train[..folds.searched]);
        let meta = DatasetMeta {
            format: DATASET_FORMAT,
            task: "ecg".into(),
            shape: TaskShape { channels: 1, spatial: vec![WINDOW], target: Target::Point { classes: CLASSES.len() } },
            search: Split { train: rows("train", searched, written[0]), score: rows("validation", 0, written[1]) },
            last: Split { train: rows("train", 0, written[0]), score: rows("test", 0, written[2]) },
            source: source.to_string(),
            class_names: CLASSES.map(str::to_string).to_vec(),
            loss: None,
            metric: None,
        };
        let json = serde_json::to_vec_pretty(&meta).map_err(|e| StageError::Code(e.to_string()))?;
        context.write(DATASET_FILE, &json)
    }
}

/// What the raw files hold: a name for messages, recordings and labels.
fn raw(context: &dyn Context) -> Result<(String, Recordings, Vec<u32>), StageError> {
    let scratch = context.scratch()?;
    let names = context.names(RAW);
    let mut pickles = names.iter().filter(|name| name.ends_with(".pkl"));
    match (pickles.next(), pickles.next()) {
        (Some(first), Some(second)) => Err(StageError::Data(format!(
            "ecg: one pickle of recordings was expected, found {first} and {second}; name the one to use in data.files"
        ))),
        (Some(name), None) => {
            let mut reader = context.open(RAW, name)?;
            let mut collector = Collector::new(&scratch);
            let labels = pickle_file::read(name, &mut reader, &scratch, &mut collector)?;
            // The input's digest is verified at its end, which a pickle need not reach.
            io::copy(&mut reader, &mut io::sink())?;
            Ok((name.clone(), collector.finish()?, labels))
        }
        (None, _) => {
            let mut files = RecordFiles::new(&scratch)?;
            for (done, name) in names.iter().enumerate() {
                if context.stop_asked() {
                    return Err(StageError::Interrupted);
                }
                context.progress(Progress { unit: "file", done: done as u64, total: names.len() as u64, note: name });
                let mut reader = context.open(RAW, name)?;
                files.file(name, &mut reader)?;
                io::copy(&mut reader, &mut io::sink())?;
            }
            let (recordings, labels) = files.finish()?;
            let shown = if names.len() == 1 { names[0].clone() } else { format!("ecg, {} files", names.len()) };
            Ok((shown, recordings, labels))
        }
    }
}

/// A part to write.
struct Chosen<'a> {
    part: &'a str,
    /// Its recordings, in order.
    numbers: &'a [usize],
    /// Of all recordings.
    labels: &'a [u32],
    /// For the test part: which of its recordings the search validates on.
    seen: Option<&'a [u32]>,
}

impl Chosen<'_> {
    /// Writes the part; the number of its windows.
    fn write(&self, recordings: &mut Recordings, context: &mut dyn Context) -> Result<usize, StageError> {
        let mut offsets = vec![0u64];
        let (mut recording, mut start, mut y) = (Vec::new(), Vec::new(), Vec::new());
        for (place, number) in self.numbers.iter().enumerate() {
            let (len, label) = (recordings.list[*number].len, self.labels[*number]);
            for first in starts(len, label) {
                recording.push(place as u32);
                start.push(first as u32);
                y.push(label);
            }
            offsets.push(offsets[place] + len as u64);
        }
        let windows = y.len();
        let samples = *offsets.last().unwrap_or(&0) as usize;
        let dtype = if recordings.whole { Dtype::I16 } else { Dtype::F32 };
        let (by_window, by_recording) = ([windows], [self.numbers.len()]);
        let (edges, all) = ([offsets.len()], [samples]);
        let mut promises = vec![
            Promise { name: "offset", dtype: Dtype::U64, shape: &edges },
            Promise { name: "recording", dtype: Dtype::U32, shape: &by_window },
            Promise { name: "start", dtype: Dtype::U32, shape: &by_window },
            Promise { name: "x", dtype, shape: &all },
            Promise { name: "y", dtype: Dtype::U32, shape: &by_window },
        ];
        if self.seen.is_some() {
            promises.push(Promise { name: "seen", dtype: Dtype::U32, shape: &by_recording });
        }
        let mut output = PartWriter::start(context.create(&format!("{}.safetensors", self.part))?, &promises)?;
        // Wider types come first (data/part.rs): 64-bit offsets, real signals, 32-bit numbers by name, whole signals.
        output.write_all(&offsets.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
        if !recordings.whole {
            self.signals(recordings, &mut output, context)?;
        }
        for numbers in [&recording[..], self.seen.unwrap_or(&[]), &start[..], &y[..]] {
            output.write_all(&numbers.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
        }
        if recordings.whole {
            self.signals(recordings, &mut output, context)?;
        }
        output.finish()?.close()?;
        Ok(windows)
    }

    fn signals(
        &self,
        recordings: &mut Recordings,
        output: &mut dyn Write,
        context: &dyn Context,
    ) -> Result<(), StageError> {
        for (run, numbers) in self.numbers.chunks(RUN).enumerate() {
            if context.stop_asked() {
                return Err(StageError::Interrupted);
            }
            recordings.write_run(numbers, output)?;
            let (done, total) = ((run * RUN + numbers.len()) as u64, self.numbers.len() as u64);
            context.progress(Progress { unit: "recording", done, total, note: self.part });
        }
        Ok(())
    }
}
