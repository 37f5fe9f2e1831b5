//! Satellite's raw files to the data set: each series minus its mean, divided by its population standard deviation
//! (task specification §11.2). Knows no network.

use crate::artifacts::dataset::{DATASET_FILE, DATASET_FORMAT, DatasetMeta, Rows, Split, Target, TaskShape};
use crate::data::counts::Counts;
use crate::data::npy::{Npy, NpyError, NpyHeader, array_of};
use crate::data::part::{PartWriter, Promise};
use crate::data::spill::{Spill, SpillWriter, pour};
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::preparation::{Preparation, RAW};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};
use safetensors::Dtype;
use std::io::{self, BufRead, BufReader, Write};

/// A line of a table longer than this is damage.
const LONGEST_LINE: u64 = 1 << 20;
/// Series that are read, and normalised side by side, at once.
const BLOCK: usize = 4096;
/// Of these, a thread takes at least so many.
const LEAST: usize = 256;

/// See `contract/preparation.rs`.
pub struct SatellitePreparation;

impl Preparation for SatellitePreparation {
    fn counts(&self) -> &'static [&'static str] {
        &["classes", "length", "train", "validation", "test"]
    }

    /// Reads `satellite_{train,test}.npy`; or the publishers' tables: `SITS1M_fold1_{TRAIN,TEST}.csv` (class, then the series),
    /// or `{train,test}_dataset.csv` (class, polygon, then near infrared, red and green of each day, of which the vegetation
    /// index is taken at evenly spaced days). Without a second table the last rows of the first are the test.
    fn prepare(&self, counts: &Counts, source: &str, context: &mut dyn Context) -> Result<(), StageError> {
        let (train, validation, test) = (counts.get("train"), counts.get("validation"), counts.get("test"));
        let (classes, length) = (counts.get("classes"), counts.get("length"));
        if train == 0 || test == 0 || classes == 0 || length == 0 {
            return Err(StageError::Data(format!(
                "satellite: expected classes and series to train and test on, found data.classes {classes}, data.length \
                 {length}, data.train {train}, data.test {test}"
            )));
        }
        let both = train + validation;
        let wanted = Wanted { classes, length };
        let names = context.names(RAW);
        let mut files = Vec::new();
        for part in ["train", "test"] {
            let of_part = |name: &&String| name.to_lowercase().contains(part);
            if let Some(name) = names.iter().find(of_part) {
                files.push(wanted.read(name, context)?);
            } else if part == "train" {
                return Err(StageError::Data(format!(
                    "satellite: expected a file with `train` in its name, found {}; name it in data.files",
                    names.join(", ")
                )));
            }
        }
        let settings = "data.train, data.validation and data.test";
        match &files[..] {
            [all] => {
                all.expect(both + test, settings)?;
                all.write("train", 0, both, context)?;
                all.write("test", both, test, context)?;
            }
            [first, second] => {
                first.expect(both, "data.train and data.validation")?;
                second.expect(test, "data.test")?;
                first.write("train", 0, both, context)?;
                second.write("test", 0, test, context)?;
            }
            _ => return Err(StageError::Code("satellite: one or two files".into())),
        }
        let rows = |part: &str, start, end| Rows { part: part.to_string(), start, end };
        let meta = DatasetMeta {
            format: DATASET_FORMAT,
            task: "satellite".into(),
            shape: TaskShape { channels: 1, spatial: vec![length], target: Target::Point { classes } },
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

struct Wanted {
    classes: usize,
    length: usize,
}

/// Normalised series of one file.
struct Table {
    file: String,
    length: usize,
    /// From 0.
    labels: Vec<u32>,
    series: Spill,
}

impl Wanted {
    fn read(&self, name: &str, context: &mut dyn Context) -> Result<Table, StageError> {
        let scratch = context.scratch()?;
        let mut raw = context.open(RAW, name)?;
        let series = SpillWriter::new(&scratch);
        let mut into = Filling { wanted: self, file: name, labels: Vec::new(), series, bytes: Vec::new() };
        if name.ends_with(".npy") {
            let damaged = |e: NpyError| StageError::Data(e.to_string());
            let npy = Npy::open(name, BufReader::with_capacity(1 << 16, &mut raw)).map_err(damaged)?;
            let pickle = npy.into_object(&scratch).map_err(damaged)?;
            let wrong = |what: &str| StageError::Data(format!("{name}: expected a dict with {what}"));
            // an array without axes, whose one element is the dict
            let root = pickle.elements(pickle.root()).and_then(|all| all.first().copied()).unwrap_or(pickle.root());
            let labels = pickle.item(root, "label").and_then(|id| pickle.integers(id));
            let labels = labels.ok_or_else(|| wrong("an array of integers `label`"))?;
            let data = pickle.item(root, "data").ok_or_else(|| wrong("an array `data`"))?;
            let mut data = array_of(name, &pickle, data).map_err(damaged)?;
            let NpyHeader { shape, fortran, .. } = data.header();
            let expected = [labels.len(), self.length];
            if *shape != expected || (*fortran && labels.len() > 1) {
                return Err(StageError::Data(format!(
                    "{name}: expected `data` of shape {expected:?}, row by row, found {shape:?}{}; set data.length to use this file",
                    if *fortran { ", column by column" } else { "" }
                )));
            }
            let mut values = vec![0f64; self.length * BLOCK.min(labels.len())];
            for labels in labels.chunks(BLOCK) {
                let values = &mut values[..self.length * labels.len()];
                data.next_f64(values).map_err(damaged)?;
                // 1 to 24 in the official files
                into.push(labels.iter().map(|label| label.wrapping_sub(1)), values)?;
            }
        } else {
            self.table(name, &mut raw, &mut into, context)?;
        }
        let table =
            Table { file: name.to_string(), length: self.length, labels: into.labels, series: into.series.finish()? };
        io::copy(&mut raw, &mut io::sink())?; // the input's digest is verified at its end
        Ok(table)
    }

    fn table(
        &self,
        name: &str,
        raw: &mut dyn io::Read,
        into: &mut Filling<'_>,
        context: &dyn Context,
    ) -> Result<(), StageError> {
        let bands = name.ends_with("_dataset.csv");
        let mut reader = BufReader::with_capacity(1 << 16, raw);
        let mut smallest_is_one = None;
        let mut line = String::new();
        for number in 1u64.. {
            line.clear();
            let mut limited = io::Read::take(&mut reader, LONGEST_LINE);
            let read = limited.read_line(&mut line);
            let wrong = |what: String| StageError::Data(format!("{name}, line {number}: {what}"));
            if read.map_err(|e| wrong(format!("expected text: {e}")))? == 0 {
                return Ok(());
            }
            if !line.ends_with('\n') && line.len() as u64 == LONGEST_LINE {
                return Err(wrong(format!("expected fewer than {LONGEST_LINE} bytes")));
            }
            if line.trim().is_empty() {
                continue;
            }
            let values: Result<Vec<f64>, _> = line.trim().split(',').map(|field| field.trim().parse::<f64>()).collect();
            let values =
                values.map_err(|_| wrong("expected numbers between commas, as in the publisher's table".into()))?;
            let series = if bands { self.index(&values) } else { values.get(1..).map(<[f64]>::to_vec) };
            let series = series.filter(|series| series.len() == self.length).ok_or_else(|| {
                wrong(format!(
                    "expected {} of {} days, found {} fields; set data.length to use this file",
                    if bands { "class, polygon and three bands" } else { "a class and the series" },
                    self.length,
                    values.len()
                ))
            })?;
            // the tables count classes from 1 or from 0; the sample of three bands from 0
            let first = *smallest_is_one.get_or_insert(i64::from(!bands));
            into.push([values[0] as i64 - first].into_iter(), &series)?;
            if number % 4096 == 0 {
                context.progress(Progress { unit: "series", done: number, total: 0, note: name });
                if context.stop_asked() {
                    return Err(StageError::Interrupted);
                }
            }
        }
        Ok(())
    }

    /// The vegetation index (near infrared − red) / (near infrared + red) at evenly spaced days of a row of three bands.
    fn index(&self, row: &[f64]) -> Option<Vec<f64>> {
        let bands = row.get(2..).filter(|bands| bands.len() % 3 == 0 && bands.len() / 3 >= self.length)?;
        let days = bands.len() / 3;
        let at =
            |i: usize| if self.length == 1 { 0 } else { (i * (days - 1) + (self.length - 1) / 2) / (self.length - 1) };
        let of = |day: usize| {
            let (infrared, red) = (bands[3 * day], bands[3 * day + 1]);
            if infrared + red == 0.0 { 0.0 } else { (infrared - red) / (infrared + red) }
        };
        Some((0..self.length).map(|i| of(at(i))).collect())
    }
}

/// A table while it grows.
struct Filling<'a> {
    wanted: &'a Wanted,
    file: &'a str,
    labels: Vec<u32>,
    series: SpillWriter,
    /// Of the series that came last.
    bytes: Vec<u8>,
}

impl Filling<'_> {
    /// Takes series in, one behind the other in `values`, with a label each.
    fn push(&mut self, labels: impl Iterator<Item = i64>, values: &[f64]) -> Result<(), StageError> {
        let Wanted { classes, length } = *self.wanted;
        for (label, series) in labels.zip(values.chunks_exact(length)) {
            let row = self.labels.len();
            if !(0..classes as i64).contains(&label) {
                return Err(StageError::Data(format!(
                    "{}, series {row}: expected a class from 1 to {classes}, found {}; set data.classes to use this file",
                    self.file,
                    label.wrapping_add(1)
                )));
            }
            let broken = series.iter().fold(false, |broken, v| broken | !v.is_finite());
            if broken && let Some(value) = series.iter().find(|v| !v.is_finite()) {
                return Err(StageError::Data(format!(
                    "{}, series {row}: expected finite values, found {value}",
                    self.file
                )));
            }
            self.labels.push(label as u32);
        }
        self.bytes.resize(4 * values.len(), 0);
        let rows = self.bytes.par_chunks_mut(4 * length).zip(values.par_chunks(length)).with_min_len(LEAST);
        rows.for_each(|(bytes, series)| normalise(series, bytes));
        self.series.write_all(&self.bytes)?;
        Ok(())
    }
}

/// The bytes of a series with mean 0 and deviation 1; of zeros where it is constant (upstream divides 0 by 0).
fn normalise(series: &[f64], bytes: &mut [u8]) {
    let count = series.len() as f64;
    let mean = series.iter().sum::<f64>() / count;
    let deviation = (series.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count).sqrt();
    for (out, v) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(series) {
        let scaled = if deviation == 0.0 { 0.0 } else { ((v - mean) / deviation) as f32 };
        *out = scaled.to_le_bytes();
    }
}

impl Table {
    fn expect(&self, wanted: usize, settings: &str) -> Result<(), StageError> {
        let found = self.labels.len();
        if found == wanted {
            return Ok(());
        }
        Err(StageError::Data(format!(
            "{}: expected {wanted} series, found {found}; set {settings} to use this file",
            self.file
        )))
    }

    /// Writes `count` rows from `first` on as a part.
    fn write(&self, part: &str, first: usize, count: usize, context: &mut dyn Context) -> Result<(), StageError> {
        let promises = [
            Promise { name: "x", dtype: Dtype::F32, shape: &[count, 1, self.length] },
            Promise { name: "y", dtype: Dtype::U32, shape: &[count] },
        ];
        let mut writer = PartWriter::start(context.create(&format!("{part}.safetensors"))?, &promises)?;
        let row = 4 * self.length as u64;
        let labels: Vec<u8> = self.labels[first..first + count].iter().flat_map(|label| label.to_le_bytes()).collect();
        let mut bytes = self.series.open()?;
        io::copy(&mut io::Read::take(&mut bytes, row * first as u64), &mut io::sink())?;
        let mut series = io::Read::take(bytes, row * count as u64);
        pour(&mut series, &mut writer, u64::MAX)?;
        writer.write_all(&labels)?;
        writer.finish()?.close()
    }
}
