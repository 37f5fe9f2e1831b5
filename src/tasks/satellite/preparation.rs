//! Satellite's raw files to the data set: each series minus its mean, divided by its population standard deviation
//! (task specification §11.2). Knows no network.

use crate::artifacts::dataset::{DATASET_FILE, DATASET_FORMAT, DatasetMeta, Rows, Split, Target, TaskShape};
use crate::data::counts::Counts;
use crate::data::npy::{Npy, NpyError, NpyHeader, array_of, arriving};
use crate::data::part::{PartWriter, Promise};
use crate::data::pickle_object::Arriving;
use crate::stages::context::{Context, Output, Progress, StageError};
use crate::tasks::contract::preparation::{Preparation, RAW};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};
use safetensors::Dtype;
use std::io::{self, BufRead, BufReader, Read, Write};

/// A line of a table longer than this is damage.
const LONGEST_LINE: u64 = 1 << 20;
/// Series that are read at once: of 46 days they stay in a core's cache.
const BLOCK: usize = 1024;
/// Of these, a thread takes at least so many times `SIDE`.
const LEAST: usize = 32;
/// Series normalised side by side: each is a chain of additions, which wait for one another.
const SIDE: usize = 8;

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
        let of_part = |part: &str| names.iter().find(|name| name.to_lowercase().contains(part));
        let Some(first) = of_part("train") else {
            return Err(StageError::Data(format!(
                "satellite: expected a file with `train` in its name, found {}; name it in data.files",
                names.join(", ")
            )));
        };
        match of_part("test") {
            None => wanted.read(
                first,
                &[("train", both), ("test", test)],
                "data.train, data.validation and data.test",
                context,
            )?,
            Some(second) => {
                wanted.read(first, &[("train", both)], "data.train and data.validation", context)?;
                wanted.read(second, &[("test", test)], "data.test", context)?;
            }
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

impl Wanted {
    /// Writes the series of one file to parts of so many each, while they are read. `settings` are the ones to change where
    /// their number is another.
    fn read(
        &self,
        name: &str,
        parts: &[(&str, usize)],
        settings: &str,
        context: &mut dyn Context,
    ) -> Result<(), StageError> {
        let scratch = context.scratch()?;
        let mut raw = context.open(RAW, name)?;
        let parts = parts.iter().map(|(part, rows)| Part::start(part, *rows, self.length, context));
        let mut into = Filling {
            wanted: self,
            file: name,
            labels: Vec::new(),
            series: 0,
            parts: parts.collect::<Result<_, _>>()?,
            bytes: Vec::new(),
        };
        if name.ends_with(".npy") {
            let damaged = |e: NpyError| StageError::Data(e.to_string());
            let npy = Npy::open(name, BufReader::with_capacity(1 << 16, &mut raw)).map_err(damaged)?;
            // what happened while `data` was taken
            let mut taken: Option<Result<(), StageError>> = None;
            let mut take = |array: &Arriving, reader: &mut dyn Read| {
                let fits = matches!(array.shape[..], [_, length] if length == self.length);
                if !fits || !array.dtype.is_number() || array.fortran || taken.is_some() {
                    return Ok(false);
                }
                let outcome = arriving(name, array, reader).map_err(damaged).and_then(|data| into.fill(data));
                let failed = outcome.is_err();
                taken = Some(outcome);
                if failed { Err(String::new()) } else { Ok(true) }
            };
            let pickle = npy.into_object_taking(&scratch, &mut take);
            if let Some(Err(error)) = taken {
                return Err(error);
            }
            let pickle = pickle.map_err(damaged)?;
            let wrong = |what: &str| StageError::Data(format!("{name}: expected a dict with {what}"));
            // an array without axes, whose one element is the dict
            let root = pickle.elements(pickle.root()).and_then(|all| all.first().copied()).unwrap_or(pickle.root());
            let labels = pickle.item(root, "label").and_then(|id| pickle.integers(id));
            let labels = labels.ok_or_else(|| wrong("an array of integers `label`"))?;
            let id = pickle.item(root, "data").ok_or_else(|| wrong("an array `data`"))?;
            if pickle.taken(id).is_none() {
                let data = array_of(name, &pickle, id).map_err(damaged)?;
                let NpyHeader { shape, fortran, .. } = data.header();
                let expected = [labels.len(), self.length];
                if *shape != expected || (*fortran && labels.len() > 1) {
                    return Err(StageError::Data(format!(
                        "{name}: expected `data` of shape {expected:?}, row by row, found {shape:?}{}; set data.length to use this file",
                        if *fortran { ", column by column" } else { "" }
                    )));
                }
                if taken.is_some() {
                    return Err(wrong(
                        "`data` as the only array of so many days; save it again with `data` and `label` alone",
                    ));
                }
                into.fill(data)?;
            }
            if labels.len() != into.series {
                let (labels, series) = (labels.len(), into.series);
                return Err(wrong(&format!("as many labels as series, found {labels} labels and {series} series")));
            }
            // 1 to 24 in the official files
            labels.iter().try_for_each(|label| into.label(label.wrapping_sub(1)))?;
        } else {
            self.table(name, &mut raw, &mut into, context)?;
        }
        into.finish(settings)?;
        io::copy(&mut raw, &mut io::sink())?; // the input's digest is verified at its end
        Ok(())
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
            let mut limited = Read::take(&mut reader, LONGEST_LINE);
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
            into.label(values[0] as i64 - first)?;
            into.push(&series)?;
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

/// Parts while they grow.
struct Filling<'a> {
    wanted: &'a Wanted,
    file: &'a str,
    /// From 0.
    labels: Vec<u32>,
    /// Series so far, those that no part has room for included.
    series: usize,
    parts: Vec<Part>,
    /// Of the series that came last.
    bytes: Vec<u8>,
}

impl Filling<'_> {
    /// Takes the series of an array, row by row.
    fn fill<R: Read>(&mut self, mut data: Npy<R>) -> Result<(), StageError> {
        let length = self.wanted.length;
        let mut values = vec![0f64; length * BLOCK.min(data.remaining() / length)];
        while data.remaining() > 0 {
            let count = values.len().min(data.remaining());
            let values = &mut values[..count];
            data.next_f64(values).map_err(|e| StageError::Data(e.to_string()))?;
            self.push(values)?;
        }
        Ok(())
    }

    /// The class of the series that comes after those that have one.
    fn label(&mut self, label: i64) -> Result<(), StageError> {
        let (row, classes) = (self.labels.len(), self.wanted.classes);
        if !(0..classes as i64).contains(&label) {
            return Err(StageError::Data(format!(
                "{}, series {row}: expected a class from 1 to {classes}, found {}; set data.classes to use this file",
                self.file,
                label.wrapping_add(1)
            )));
        }
        self.labels.push(label as u32);
        Ok(())
    }

    /// Takes series in, one behind the other in `values`.
    fn push(&mut self, values: &[f64]) -> Result<(), StageError> {
        let length = self.wanted.length;
        let broken = values.iter().fold(false, |broken, v| broken | !v.is_finite());
        if broken && let Some(at) = values.iter().position(|v| !v.is_finite()) {
            let (row, value) = (self.series + at / length, values[at]);
            return Err(StageError::Data(format!(
                "{}, series {row}: expected finite values, found {value}",
                self.file
            )));
        }
        self.bytes.resize(4 * values.len(), 0);
        let blocks = self.bytes.par_chunks_mut(4 * SIDE * length).zip(values.par_chunks(SIDE * length));
        blocks.with_min_len(LEAST).for_each(|(bytes, block)| match block.len() == SIDE * length {
            true => normalise::<SIDE>(block, bytes),
            false => {
                let rows = bytes.chunks_mut(4 * length).zip(block.chunks(length));
                rows.for_each(|(bytes, series)| normalise::<1>(series, bytes));
            }
        });
        self.series += values.len() / length;
        let mut bytes = self.bytes.as_slice();
        for part in &mut self.parts {
            let (now, rest) = bytes.split_at(bytes.len().min(4 * length * part.left));
            part.writer.write_all(now)?;
            part.left -= now.len() / (4 * length);
            bytes = rest;
        }
        Ok(())
    }

    /// Writes the labels behind the series.
    fn finish(self, settings: &str) -> Result<(), StageError> {
        let (wanted, found) = (self.parts.iter().map(|part| part.rows).sum::<usize>(), self.series);
        if found != wanted {
            return Err(StageError::Data(format!(
                "{}: expected {wanted} series, found {found}; set {settings} to use this file",
                self.file
            )));
        }
        let mut labels = self.labels.iter();
        for Part { rows, mut writer, .. } in self.parts {
            let bytes = labels.by_ref().take(rows).flat_map(|label| label.to_le_bytes());
            writer.write_all(&bytes.collect::<Vec<u8>>())?;
            writer.finish()?.close()?;
        }
        Ok(())
    }
}

/// A part: `x` (N,1,length) of `f32`, then `y` (N).
struct Part {
    rows: usize,
    /// Series still to come.
    left: usize,
    writer: PartWriter<Box<dyn Output>>,
}

impl Part {
    fn start(part: &str, rows: usize, length: usize, context: &mut dyn Context) -> Result<Part, StageError> {
        let promises = [
            Promise { name: "x", dtype: Dtype::F32, shape: &[rows, 1, length] },
            Promise { name: "y", dtype: Dtype::U32, shape: &[rows] },
        ];
        let output = context.create(&format!("{part}.safetensors"))?;
        Ok(Part { rows, left: rows, writer: PartWriter::start(output, &promises)? })
    }
}

/// The bytes of `SIDE` series, one behind the other, with mean 0 and deviation 1 each; of zeros where a series is constant
/// (upstream divides 0 by 0). The order of additions within a series does not depend on `SIDE`.
fn normalise<const SIDE: usize>(values: &[f64], bytes: &mut [u8]) {
    let length = values.len() / SIDE;
    let series: [&[f64]; SIDE] = std::array::from_fn(|k| &values[k * length..][..length]);
    let (mut mean, mut deviation) = ([0f64; SIDE], [0f64; SIDE]);
    for i in 0..length {
        for k in 0..SIDE {
            mean[k] += series[k][i];
        }
    }
    mean = mean.map(|sum| sum / length as f64);
    for i in 0..length {
        for k in 0..SIDE {
            let apart = series[k][i] - mean[k];
            deviation[k] += apart * apart;
        }
    }
    deviation = deviation.map(|sum| (sum / length as f64).sqrt());
    for (k, out) in bytes.chunks_exact_mut(4 * length).enumerate() {
        for (out, v) in out.as_chunks_mut::<4>().0.iter_mut().zip(series[k]) {
            let scaled = if deviation[k] == 0.0 { 0.0 } else { ((v - mean[k]) / deviation[k]) as f32 };
            *out = scaled.to_le_bytes();
        }
    }
}
