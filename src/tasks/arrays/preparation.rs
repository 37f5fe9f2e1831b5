//! A user's arrays to the data set: shapes checked, rows split, inputs normalised by the training rows. Knows no network.

use crate::artifacts::dataset::{DATASET_FILE, DATASET_FORMAT, DatasetMeta, Rows, Split, Target, TaskShape};
use crate::data::counts::Counts;
use crate::data::part::{PartWriter, Promise};
use crate::seed::Purpose;
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::arrays::options::{Kind, Options, Pair, Place, word};
use crate::tasks::arrays::shapes::{self, InputShape};
use crate::tasks::arrays::staged::{Staged, stage};
use crate::tasks::contract::preparation::Preparation;
use safetensors::Dtype;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::Write;

/// See `contract/preparation.rs`.
pub struct ArraysPreparation;

impl Preparation for ArraysPreparation {
    fn counts(&self) -> &'static [&'static str] {
        &[]
    }

    fn takes_options(&self) -> bool {
        true
    }

    fn check_options(&self, options: &Map<String, Value>) -> Result<(), String> {
        Options::parse(options).map(|_| ())
    }

    fn prepare(&self, _: &Counts, _: &str, _: &mut dyn Context) -> Result<(), StageError> {
        Err(StageError::Code("a task of your own is prepared with its settings".into()))
    }

    /// Reads the arrays that `task.x`, `task.y` and their siblings name.
    fn prepare_with(
        &self,
        task: &str,
        options: &Map<String, Value>,
        source: &str,
        context: &mut dyn Context,
    ) -> Result<(), StageError> {
        let options = Options::parse(options).map_err(StageError::Data)?;
        let staged = stage(&options.places(), context)?;
        let train = Set::open(&options, &options.train(), &staged)?;
        let validation = options.validation().map(|pair| Set::open(&options, &pair, &staged)).transpose()?;
        let test = options.test().map(|pair| Set::open(&options, &pair, &staged)).transpose()?;
        for other in [&validation, &test].into_iter().flatten() {
            other.fits(&train)?;
        }
        let (validation_share, test_share) = options.drawn_shares();
        let order = Purpose::new(options.split_seed, "preprocess", "split").at(0).permutation(train.rows());
        let count = |share: f64| (share * train.rows() as f64).ceil() as usize;
        let (tested, rest) = order.split_at(count(test_share));
        let (validated, trained) = rest.split_at(count(validation_share).min(rest.len()));
        if trained.is_empty() {
            return Err(StageError::Data(format!(
                "{}: {} rows leave none to train on; lower `validation_share` or `test_share`",
                train.x.place,
                train.rows()
            )));
        }
        let of = |set: &'_ Set<'_>, rows: &[usize]| rows.iter().map(|row| (set.number, *row)).collect::<Vec<_>>();
        let sets: Vec<&Set<'_>> = [Some(&train), validation.as_ref(), test.as_ref()].into_iter().flatten().collect();
        let all = |set: &Set<'_>| (0..set.rows()).map(|row| (set.number, row)).collect::<Vec<_>>();
        let mut first = of(&train, trained);
        let trained = first.len();
        first.extend(validation.as_ref().map_or_else(|| of(&train, validated), all));
        let both = first.len();
        let last = test.as_ref().map_or_else(|| of(&train, tested), all);
        let scale = Scale::fit(&options, &train, &first[..trained])?;
        let target = target(&options, &sets)?;
        let writer = Writer { task, sets: &sets, target: &target, scale: &scale };
        writer.write("train", &first, context)?;
        writer.write("test", &last, context)?;
        let rows = |part: &str, start, end| Rows { part: part.to_string(), start, end };
        // without validation rows a search is scored on what it trains on
        let scored = if both > trained { rows("train", trained, both) } else { rows("train", 0, trained) };
        let meta = DatasetMeta {
            format: DATASET_FORMAT,
            task: task.to_string(),
            shape: TaskShape { channels: train.channels, spatial: train.spatial.clone(), target },
            search: Split { train: rows("train", 0, trained), score: scored },
            last: Split { train: rows("train", 0, both), score: rows("test", 0, last.len()) },
            source: source.to_string(),
            class_names: vec![],
            loss: Some(word(&options.loss())),
            metric: Some(word(&options.metric())),
        };
        let json = serde_json::to_vec_pretty(&meta).map_err(|e| StageError::Code(e.to_string()))?;
        context.write(DATASET_FILE, &json)
    }
}

/// Inputs and targets of one set of rows.
struct Set<'a> {
    number: usize,
    x: &'a Staged,
    y: &'a Staged,
    channels: usize,
    spatial: Vec<usize>,
    /// Inputs lie as (N,spatial…,C).
    channels_last: bool,
}

impl<'a> Set<'a> {
    fn open(options: &Options, pair: &Pair, staged: &'a BTreeMap<Place, Staged>) -> Result<Set<'a>, StageError> {
        let (x, y) = (&staged[&pair.x], &staged[&pair.y]);
        let InputShape { channels, spatial, channels_last } = checked(options, x, y).map_err(StageError::Data)?;
        let number = staged.keys().position(|place| *place == pair.x).unwrap_or(0);
        Ok(Set { number, x, y, channels, spatial, channels_last })
    }

    fn rows(&self) -> usize {
        self.x.rows()
    }

    fn fits(&self, train: &Set<'_>) -> Result<(), StageError> {
        for (own, other) in [(self.x, train.x), (self.y, train.y)] {
            shapes::alike(&own.place, &own.shape, &other.place, &other.shape).map_err(StageError::Data)?;
        }
        Ok(())
    }

    /// Row `index` as (C,spatial…).
    fn input(&self, index: usize, raw: &mut Vec<f32>, out: &mut Vec<f32>) -> Result<(), StageError> {
        self.x.row(index, raw)?;
        let points: usize = self.spatial.iter().product();
        out.clear();
        if self.channels_last {
            out.extend((0..self.channels * points).map(|at| raw[at % points * self.channels + at / points]));
        } else {
            out.extend_from_slice(raw);
        }
        match out.iter().find(|value| !value.is_finite()) {
            None => Ok(()),
            Some(value) => Err(not_finite(self.x, index, *value)),
        }
    }
}

fn checked(options: &Options, x: &Staged, y: &Staged) -> Result<InputShape, String> {
    let input = shapes::input(options, &x.place, &x.shape)?;
    shapes::paired(&x.place, &x.shape, &y.place, &y.shape)?;
    shapes::target(options, &y.place, &y.shape, &input)?;
    Ok(input)
}

/// What is subtracted from each channel and what divides it.
struct Scale {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Scale {
    /// Mean and population standard deviation per channel over training rows; 0 and 1 where that is not wanted.
    fn fit(options: &Options, train: &Set<'_>, rows: &[(usize, usize)]) -> Result<Scale, StageError> {
        let channels = train.channels;
        let mut scale = Scale { mean: vec![0.0; channels], deviation: vec![1.0; channels] };
        if !options.normalise {
            return Ok(scale);
        }
        let points: usize = train.spatial.iter().product();
        let (mut raw, mut input) = (Vec::new(), Vec::new());
        let (mut count, mut square) = (0.0, vec![0.0; channels]);
        for (_, row) in rows {
            train.input(*row, &mut raw, &mut input)?;
            for (channel, values) in input.chunks_exact(points).enumerate() {
                // Chan's update of mean and sum of squares by a block
                let size = points as f64;
                let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / size;
                let own: f64 = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum();
                let difference = mean - scale.mean[channel];
                square[channel] += own + difference * difference * count * size / (count + size);
                scale.mean[channel] += difference * size / (count + size);
            }
            count += points as f64;
        }
        for (deviation, square) in scale.deviation.iter_mut().zip(square) {
            *deviation = (square / count).sqrt();
            if *deviation == 0.0 {
                *deviation = 1.0; // a constant channel stays at 0
            }
        }
        Ok(scale)
    }
}

/// The form of the targets, from their shape and values.
fn target(options: &Options, sets: &[&Set<'_>]) -> Result<Target, StageError> {
    let y = sets[0].y;
    match options.kind {
        Kind::Point => {
            let mut largest = 0;
            let mut values = Vec::new();
            for set in sets {
                for row in 0..set.rows() {
                    set.y.row(row, &mut values)?;
                    largest = largest.max(class(set.y, row, values[0])?);
                }
            }
            let classes = options.classes.unwrap_or(largest as usize + 1);
            if largest as usize >= classes {
                return Err(StageError::Data(format!(
                    "{}: expected classes 0 to {}, found {largest}; set `classes`",
                    y.place,
                    classes - 1
                )));
            }
            Ok(Target::Point { classes })
        }
        Kind::MultiLabel => {
            let mut values = Vec::new();
            for set in sets {
                for row in 0..set.rows() {
                    set.y.row(row, &mut values)?;
                    if let Some(value) = values.iter().find(|value| **value != 0.0 && **value != 1.0) {
                        return Err(StageError::Data(format!(
                            "{}, row {row}: expected labels 0 and 1, found {value}",
                            set.y.place
                        )));
                    }
                }
            }
            Ok(Target::MultiLabel { labels: y.shape[1] })
        }
        Kind::Dense => {
            let channels = if y.shape.len() - 1 == sets[0].spatial.len() { 1 } else { y.shape[1] };
            Ok(Target::Dense { channels })
        }
    }
}

fn not_finite(array: &Staged, row: usize, value: f32) -> StageError {
    StageError::Data(format!(
        "{}, row {row}: expected finite values, found {value}; replace it, or leave the row out of inputs and targets",
        array.place
    ))
}

fn class(y: &Staged, row: usize, value: f32) -> Result<u32, StageError> {
    if value >= 0.0 && value.fract() == 0.0 && value < 16_777_216.0 {
        return Ok(value as u32);
    }
    Err(StageError::Data(format!(
        "{}, row {row}: expected a class 0, 1, …, found {value}; np.unique(y, return_inverse=True)[1] numbers classes so",
        y.place
    )))
}

struct Writer<'a> {
    task: &'a str,
    sets: &'a [&'a Set<'a>],
    target: &'a Target,
    scale: &'a Scale,
}

impl Writer<'_> {
    /// Writes rows, given as number of the set and row, as one part.
    fn write(&self, part: &str, rows: &[(usize, usize)], context: &mut dyn Context) -> Result<(), StageError> {
        let first = self.sets[0];
        let x: Vec<usize> = [rows.len(), first.channels].into_iter().chain(first.spatial.iter().copied()).collect();
        let (dtype, y) = match self.target {
            Target::Point { .. } => (Dtype::U32, vec![rows.len()]),
            Target::MultiLabel { labels } => (Dtype::F32, vec![rows.len(), *labels]),
            Target::Dense { channels } => {
                (Dtype::F32, [rows.len(), *channels].into_iter().chain(first.spatial.iter().copied()).collect())
            }
        };
        let promises = [Promise { name: "x", dtype: Dtype::F32, shape: &x }, Promise { name: "y", dtype, shape: &y }];
        let mut writer = PartWriter::start(context.create(&format!("{part}.safetensors"))?, &promises)?;
        let set = |number: usize| self.sets.iter().find(|set| set.number == number).copied().unwrap_or(first);
        let points: usize = first.spatial.iter().product();
        let (mut raw, mut input) = (Vec::new(), Vec::new());
        for (done, (number, row)) in rows.iter().enumerate() {
            if done % 1024 == 0 {
                if context.stop_asked() {
                    return Err(StageError::Interrupted);
                }
                let (done, total) = (done as u64, rows.len() as u64);
                context.progress(Progress { unit: "row", done, total, note: self.task });
            }
            set(*number).input(*row, &mut raw, &mut input)?;
            let scaled = input.iter().enumerate().map(|(at, value)| {
                let channel = at / points;
                ((f64::from(*value) - self.scale.mean[channel]) / self.scale.deviation[channel]) as f32
            });
            writer.write_all(&scaled.flat_map(f32::to_le_bytes).collect::<Vec<u8>>())?;
        }
        for (number, row) in rows {
            let y = set(*number).y;
            y.row(*row, &mut raw)?;
            let bytes: Vec<u8> = match self.target {
                Target::Point { .. } => class(y, *row, raw[0])?.to_le_bytes().to_vec(),
                _ => raw.iter().flat_map(|value| value.to_le_bytes()).collect(),
            };
            if let Some(value) = raw.iter().find(|value| !value.is_finite()) {
                return Err(not_finite(y, *row, *value));
            }
            writer.write_all(&bytes)?;
        }
        writer.finish()?.close()
    }
}
