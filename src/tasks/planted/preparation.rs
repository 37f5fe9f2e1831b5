//! Planted's noise to the data set: the middle of each series, and what stands a fixed distance before and after. Knows no
//! network.

use crate::artifacts::dataset::{DATASET_FILE, DATASET_FORMAT, DatasetMeta, Rows, Split, Target, TaskShape};
use crate::data::counts::Counts;
use crate::data::npy::{Npy, NpyError};
use crate::data::part::{PartWriter, Promise, little_endian};
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::preparation::{Preparation, RAW};
use crate::tasks::planted::distance::DISTANCE;
use safetensors::Dtype;
use std::io::{self, BufReader, Write};

/// See `contract/preparation.rs`.
pub struct PlantedPreparation;

impl Preparation for PlantedPreparation {
    fn counts(&self) -> &'static [&'static str] {
        &["channels", "length", "train", "validation", "test"]
    }

    /// Reads `noise_{train,test}.npy`, (N, channels, length + 2 · distance); gives `x` (N, channels, length) and `y` (N, 2 ·
    /// channels, length): every channel's value `distance` before the position, then every channel's after it. Next to an end of
    /// the window one of the two lies outside of `x`, so no network reaches an error of 0.
    fn prepare(&self, counts: &Counts, source: &str, context: &mut dyn Context) -> Result<(), StageError> {
        let (train, validation, test) = (counts.get("train"), counts.get("validation"), counts.get("test"));
        let (channels, length) = (counts.get("channels"), counts.get("length"));
        if train == 0 || test == 0 || channels == 0 || length == 0 {
            return Err(StageError::Data(format!(
                "planted: expected channels, positions and series to train and test on, found data.channels {channels}, \
                 data.length {length}, data.train {train}, data.test {test}"
            )));
        }
        let both = train + validation;
        for (part, count, setting) in [("train", both, "data.train and data.validation"), ("test", test, "data.test")] {
            let noise = read(&format!("noise_{part}.npy"), [count, channels, length + 2 * DISTANCE], setting, context)?;
            let (x_shape, y_shape) = ([count, channels, length], [count, 2 * channels, length]);
            let promise = |name, shape| Promise { name, dtype: Dtype::F32, shape };
            let output = context.create(&format!("{part}.safetensors"))?;
            let mut writer = PartWriter::start(output, &[promise("x", &x_shape), promise("y", &y_shape)])?;
            let series = || noise.chunks_exact(channels * (length + 2 * DISTANCE));
            for series in series() {
                writer.write_all(&little_endian(&window(series, length, DISTANCE)))?;
            }
            for series in series() {
                writer.write_all(&little_endian(&window(series, length, 0)))?;
                writer.write_all(&little_endian(&window(series, length, 2 * DISTANCE)))?;
            }
            writer.finish()?.close()?;
        }
        let rows = |part: &str, start, end| Rows { part: part.to_string(), start, end };
        let meta = DatasetMeta {
            format: DATASET_FORMAT,
            task: "planted".into(),
            shape: TaskShape { channels, spatial: vec![length], target: Target::Dense { channels: 2 * channels } },
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

/// `length` values of each channel of one series, from `start` on.
fn window(series: &[f32], length: usize, start: usize) -> Vec<f32> {
    series.chunks_exact(length + 2 * DISTANCE).flat_map(|channel| &channel[start..start + length]).copied().collect()
}

fn read(name: &str, shape: [usize; 3], setting: &str, context: &dyn Context) -> Result<Vec<f32>, StageError> {
    let damaged = |e: NpyError| StageError::Data(e.to_string());
    let mut raw = context.open(RAW, name)?;
    let mut npy = Npy::open(name, BufReader::with_capacity(1 << 16, &mut raw)).map_err(damaged)?;
    let header = npy.header();
    if header.shape != shape || header.fortran || !header.dtype().is_number() {
        return Err(StageError::Data(format!(
            "{name}: expected numbers of shape {shape:?} (series, channels, positions and {DISTANCE} more on both sides), row by \
             row, found {:?}; set {setting}, data.channels and data.length to use this file",
            header.shape
        )));
    }
    let mut noise = Vec::with_capacity(shape.iter().product());
    let mut row = vec![0f64; shape[1] * shape[2]];
    for done in 0..shape[0] {
        npy.next_f64(&mut row).map_err(damaged)?;
        if let Some(bad) = row.iter().find(|value| !value.is_finite()) {
            return Err(StageError::Data(format!("{name}, series {done}: expected finite numbers, found {bad}")));
        }
        noise.extend(row.iter().map(|value| *value as f32));
        if done % 1024 == 0 {
            context.progress(Progress { unit: "series", done: done as u64, total: shape[0] as u64, note: name });
            if context.stop_asked() {
                return Err(StageError::Interrupted);
            }
        }
    }
    drop(npy);
    io::copy(&mut raw, &mut io::sink())?; // the input's digest is verified at its end
    Ok(noise)
}
