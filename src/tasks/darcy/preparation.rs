//! Darcy flow's raw MAT-files to the data set: wanted samples, every stride-th grid point, in physical units
//! (task specification §7). Normalisation and coordinates belong to the objective.

use crate::artifacts::dataset::{DATASET_FILE, DATASET_FORMAT, DatasetMeta, Rows, Split, Target, TaskShape};
use crate::data::counts::Counts;
use crate::data::mat_file::{MatFile, MatVariable};
use crate::data::mat5::MatError;
use crate::data::part::{PartWriter, Promise, little_endian};
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::preparation::{Preparation, RAW};
use safetensors::Dtype;
use std::io::{BufReader, Write};

/// See `contract/preparation.rs`.
pub struct DarcyPreparation;

impl Preparation for DarcyPreparation {
    fn counts(&self) -> &'static [&'static str] {
        &["grid", "stride", "train", "validation", "test"]
    }

    /// Takes the file whose name ends in `smooth1.mat` for training and validation, `smooth2.mat` for testing.
    fn prepare(&self, counts: &Counts, source: &str, context: &mut dyn Context) -> Result<(), StageError> {
        let (train, validation, test) = (counts.get("train"), counts.get("validation"), counts.get("test"));
        let (grid, stride) = (counts.get("grid"), counts.get("stride"));
        if grid < 3 || stride == 0 || stride >= grid || train == 0 || test == 0 {
            return Err(StageError::Data(format!(
                "darcy: expected a grid of at least 3 points, a stride from 1 to below it and samples to train and test on, \
                 found data.grid {grid}, data.stride {stride}, data.train {train}, data.test {test}"
            )));
        }
        // s = (421 − 1)/5 + 1 for the official files
        let side = (grid - 1) / stride + 1;
        let both = train + validation;
        for (suffix, part, wanted, setting) in [
            ("smooth1.mat", "train", both, "data.train and data.validation"),
            ("smooth2.mat", "test", test, "data.test"),
        ] {
            let file = find(context, suffix)?;
            let cut = Cut { file: &file, wanted, grid, stride, side, setting };
            let (coefficients, solutions) = cut.read(context)?;
            let shape = [wanted, 1, side, side];
            let promise = |name| Promise { name, dtype: Dtype::F32, shape: &shape };
            let output = context.create(&format!("{part}.safetensors"))?;
            let mut writer = PartWriter::start(output, &[promise("x"), promise("y")])?;
            for values in [coefficients, solutions] {
                for piece in values.chunks(1 << 14) {
                    writer.write_all(&little_endian(piece))?;
                }
            }
            writer.finish()?.close()?;
        }
        let rows = |part: &str, start, end| Rows { part: part.to_string(), start, end };
        let meta = DatasetMeta {
            format: DATASET_FORMAT,
            task: "darcy".into(),
            // The network also sees the two coordinates.
            shape: TaskShape { channels: 3, spatial: vec![side, side], target: Target::Dense { channels: 1 } },
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

/// The raw file with this ending.
fn find(context: &dyn Context, suffix: &str) -> Result<String, StageError> {
    let names = context.names(RAW);
    let mut found = names.iter().filter(|name| name.ends_with(suffix));
    match (found.next(), found.next()) {
        (Some(name), None) => Ok(name.clone()),
        (Some(first), Some(second)) => Err(StageError::Data(format!(
            "darcy: expected one file ending in `{suffix}`, found `{first}` and `{second}`; name the right one in data.files"
        ))),
        (None, _) => Err(StageError::Data(format!(
            "darcy: expected a file ending in `{suffix}`, found {}; name it in data.files",
            if names.is_empty() { "no file".to_string() } else { names.join(", ") }
        ))),
    }
}

/// What to take out of a file.
struct Cut<'a> {
    file: &'a str,
    wanted: usize,
    grid: usize,
    stride: usize,
    side: usize,
    /// The settings that say how many samples are wanted.
    setting: &'a str,
}

impl Cut<'_> {
    /// Coefficients and solutions, (wanted, side, side) each.
    fn read(&self, context: &mut dyn Context) -> Result<(Vec<f32>, Vec<f32>), StageError> {
        let damaged = |e: MatError| {
            StageError::Data(format!("{e}; if it was downloaded, remove it from the store and fetch again"))
        };
        let raw = BufReader::with_capacity(1 << 16, context.open(RAW, self.file)?);
        let mut mat = MatFile::open(self.file, raw, &context.scratch()?).map_err(damaged)?;
        let (mut coefficients, mut solutions) = (None, None);
        let mut others = Vec::new();
        // To the end, though the Kcoeff variables are of no use: there the input's digest is verified.
        while let Some(mut variable) = mat.next_variable().map_err(damaged)? {
            let slot = match variable.header.name.as_str() {
                "coeff" => &mut coefficients,
                "sol" => &mut solutions,
                other => {
                    others.push(other.to_string());
                    continue;
                }
            };
            *slot = Some(self.take(&mut variable, context)?);
        }
        match (coefficients, solutions) {
            (Some(coefficients), Some(solutions)) => Ok((coefficients, solutions)),
            (coefficients, _) => Err(StageError::Data(format!(
                "{}: expected variables `coeff` and `sol`, found no `{}`{}",
                self.file,
                if coefficients.is_some() { "sol" } else { "coeff" },
                if others.is_empty() { String::new() } else { format!(" (but {})", others.join(", ")) }
            ))),
        }
    }

    /// The wanted samples of a variable of shape (N, grid, grid), in one pass: the sample index varies fastest, so value
    /// (n, i, j) lies at n + N·(i + grid·j).
    fn take(&self, variable: &mut MatVariable<'_>, context: &mut dyn Context) -> Result<Vec<f32>, StageError> {
        let damaged = |e: MatError| StageError::Data(e.to_string());
        let header = variable.header.clone();
        let grid = self.grid as u64;
        let at_least = format!("at least {} samples of {grid}×{grid}", self.wanted);
        if header.class.is_none() || header.complex || header.dims.len() != 3 {
            return Err(StageError::Data(format!(
                "{}: variable `{}`: expected {at_least}, found {} of dimensions {:?}",
                self.file,
                header.name,
                header.class.unwrap_or("no numbers"),
                header.dims
            )));
        }
        let samples = header.dims[0];
        if header.dims[1] != grid || header.dims[2] != grid {
            return Err(StageError::Data(format!(
                "{}: variable `{}`: expected {at_least}, found {samples} samples of {}×{}; set data.grid (and data.stride) to \
                 use this file",
                self.file, header.name, header.dims[1], header.dims[2]
            )));
        }
        if samples < self.wanted as u64 {
            return Err(StageError::Data(format!(
                "{}: variable `{}`: expected {at_least}, found {samples}; set {} to use this file",
                self.file, header.name, self.setting
            )));
        }
        let area = self.side * self.side;
        let mut out = vec![0f32; self.wanted * area];
        let mut run = vec![0f64; self.wanted];
        // Values to pass over before the next that are wanted.
        let mut ahead = 0;
        for j in 0..self.grid {
            for i in 0..self.grid {
                if i % self.stride != 0 || j % self.stride != 0 {
                    ahead += samples;
                    continue;
                }
                variable.skip(ahead).map_err(damaged)?;
                variable.read(&mut run).map_err(damaged)?;
                ahead = samples - self.wanted as u64;
                let point = (i / self.stride) * self.side + j / self.stride;
                for (n, value) in run.iter().enumerate() {
                    if !value.is_finite() {
                        return Err(StageError::Data(format!(
                            "{}: variable `{}`, sample {n}, point ({i}, {j}): expected a finite number, found {value}",
                            self.file, header.name
                        )));
                    }
                    out[n * area + point] = *value as f32;
                }
            }
            if context.stop_asked() {
                return Err(StageError::Interrupted);
            }
            let note = format!("{}: {}", self.file, header.name);
            context.progress(Progress { unit: "column", done: j as u64 + 1, total: grid, note: &note });
        }
        variable.skip(ahead).map_err(damaged)?;
        Ok(out)
    }
}
