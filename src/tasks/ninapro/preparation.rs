//! NinaPro's raw files, the benchmark's windows or the publisher's recordings, to the data set: values as they are, electrodes
//! before time (task specification §5).

use crate::artifacts::dataset::{DATASET_FILE, DATASET_FORMAT, DatasetMeta, Rows, Split, Target, TaskShape};
use crate::data::archive::base_name;
use crate::data::counts::Counts;
use crate::data::part::{PartWriter, Promise};
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::preparation::{Preparation, RAW};
use crate::tasks::ninapro::raw_files::{RawFiles, RawWindows, Wanted};
use crate::tasks::ninapro::window_files::{labels, windows};
use safetensors::Dtype;
use std::io::{self, BufReader, Read, Write};

/// Parts of the official files, with the settings that count them.
const PARTS: [(&str, &str); 3] = [("train", "data.train"), ("val", "data.validation"), ("test", "data.test")];

/// See `contract/preparation.rs`.
pub struct NinaproPreparation;

impl Preparation for NinaproPreparation {
    fn counts(&self) -> &'static [&'static str] {
        &["channels", "length", "classes", "train", "validation", "test"]
    }

    /// Reads `ninapro_<part>.npy` and `label_<part>.npy` where they are, as many as the counts say; else raw recordings
    /// (`raw_files.rs`), whatever they give.
    fn prepare(&self, counts: &Counts, source: &str, context: &mut dyn Context) -> Result<(), StageError> {
        let wanted =
            Wanted { channels: counts.get("channels"), length: counts.get("length"), classes: counts.get("classes") };
        let mut sizes = ["train", "validation", "test"].map(|key| counts.get(key));
        if wanted.channels == 0 || wanted.length == 0 || wanted.classes < 2 || sizes.contains(&0) {
            return Err(StageError::Data(format!(
                "ninapro: electrodes, moments, two classes and windows of each part were expected, found data.channels {}, \
                 data.length {}, data.classes {}, data.train {}, data.validation {}, data.test {}",
                wanted.channels, wanted.length, wanted.classes, sizes[0], sizes[1], sizes[2]
            )));
        }
        let official = context.names(RAW).iter().any(|name| base_name(name).starts_with("ninapro_"));
        if official {
            for (part, members) in [("train", &PARTS[..2]), ("test", &PARTS[2..])] {
                let sizes = if part == "train" { &sizes[..2] } else { &sizes[2..] };
                Official { wanted, members, sizes }.write(part, context)?;
            }
        } else {
            let mut raw = recordings(wanted, context)?;
            // The counts are of the benchmark's windows, and which of the recordings' these were is not on record.
            sizes = [0, 1, 2].map(|part| raw.parts[part].len());
            let [train, validation, test] = sizes;
            if sizes.contains(&0) {
                return Err(StageError::Data(format!(
                    "ninapro, raw recordings: windows to train, validate and test were expected, found {train}, {validation} and \
                     {test}; use recordings that repeat each movement three times or more"
                )));
            }
            context.log(&format!(
                "ninapro: raw recordings give {train}, {validation} and {test} windows to train, validate and test"
            ));
            let [train, validation, test] = std::mem::take(&mut raw.parts);
            raw_part("train", &[train, validation].concat(), &mut raw, wanted, context)?;
            raw_part("test", &test, &mut raw, wanted, context)?;
        }
        let (train, both, test) = (sizes[0], sizes[0] + sizes[1], sizes[2]);
        let rows = |part: &str, start, end| Rows { part: part.to_string(), start, end };
        let meta = DatasetMeta {
            format: DATASET_FORMAT,
            task: "ninapro".into(),
            shape: TaskShape {
                channels: 1,
                spatial: vec![wanted.channels, wanted.length],
                target: Target::Point { classes: wanted.classes },
            },
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

/// Starts a part: `x` (N,1,electrodes,time) of `f32` comes first, then `y`.
fn start<W: Write>(output: W, count: usize, wanted: Wanted) -> Result<PartWriter<W>, StageError> {
    let promises = [
        Promise { name: "x", dtype: Dtype::F32, shape: &[count, 1, wanted.channels, wanted.length] },
        Promise { name: "y", dtype: Dtype::U32, shape: &[count] },
    ];
    Ok(PartWriter::start(output, &promises)?)
}

fn label_bytes(labels: impl Iterator<Item = u32>) -> Vec<u8> {
    labels.flat_map(|label| label.to_le_bytes()).collect()
}

/// Official files of one part of the data set, one behind the other.
struct Official<'a> {
    wanted: Wanted,
    members: &'a [(&'a str, &'a str)],
    sizes: &'a [usize],
}

impl Official<'_> {
    fn write(&self, part: &str, context: &mut dyn Context) -> Result<(), StageError> {
        let scratch = context.scratch()?;
        let output = context.create(&format!("{part}.safetensors"))?;
        let mut writer = start(output, self.sizes.iter().sum(), self.wanted)?;
        let mut all = Vec::new();
        for ((member, setting), count) in self.members.iter().zip(self.sizes) {
            let name = find(context, &format!("label_{member}.npy"))?;
            read(context, &name, &mut |reader| {
                all.extend(labels(&name, reader, *count, self.wanted.classes, setting)?);
                Ok(())
            })?;
        }
        for ((member, setting), count) in self.members.iter().zip(self.sizes) {
            let name = find(context, &format!("ninapro_{member}.npy"))?;
            context.progress(Progress { unit: "file", done: 0, total: 0, note: &name });
            read(context, &name, &mut |reader| {
                windows(&name, reader, *count, self.wanted, setting, &scratch, &mut writer)
            })?;
        }
        writer.write_all(&label_bytes(all.into_iter()))?;
        writer.finish()?.close()
    }
}

/// The raw file with this name, in whatever folder.
fn find(context: &dyn Context, wanted: &str) -> Result<String, StageError> {
    let names = context.names(RAW);
    let found = names.iter().find(|name| base_name(name) == wanted);
    found.cloned().ok_or_else(|| {
        let names = names.join(", ");
        StageError::Data(format!("ninapro: a file `{wanted}` was expected, found {names}; name it in data.files"))
    })
}

/// Opens a raw file and reads it to its end, where its digest is verified.
fn read(
    context: &dyn Context,
    name: &str,
    take: &mut dyn FnMut(&mut dyn Read) -> Result<(), StageError>,
) -> Result<(), StageError> {
    let mut reader = BufReader::with_capacity(1 << 16, context.open(RAW, name)?);
    take(&mut reader)?;
    io::copy(&mut reader, &mut io::sink())?;
    Ok(())
}

fn recordings(wanted: Wanted, context: &dyn Context) -> Result<RawWindows, StageError> {
    let mut files = RawFiles::new(wanted, &context.scratch()?)?;
    let names = context.names(RAW);
    for (done, name) in names.iter().enumerate() {
        if context.stop_asked() {
            return Err(StageError::Interrupted);
        }
        context.progress(Progress { unit: "file", done: done as u64, total: names.len() as u64, note: name });
        read(context, name, &mut |reader| files.file(name, reader))?;
    }
    files.finish()
}

fn raw_part(
    part: &str,
    numbers: &[usize],
    raw: &mut RawWindows,
    wanted: Wanted,
    context: &mut dyn Context,
) -> Result<(), StageError> {
    let mut writer = start(context.create(&format!("{part}.safetensors"))?, numbers.len(), wanted)?;
    for number in numbers {
        writer.write_all(&raw.bytes(*number)?)?;
    }
    writer.write_all(&label_bytes(numbers.iter().map(|number| raw.labels[*number])))?;
    writer.finish()?.close()
}
