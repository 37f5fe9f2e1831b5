//! Distances between fields, mean over samples, beside that of always answering the mean training field.

use crate::artifacts::samples::Samples;
use crate::artifacts::score::{Direction, Trivial};
use crate::metrics::relative_l2::relative_l2;
use crate::tasks::contract::metric::{Measure, Metric, MetricError, MetricParams};
use candle_core::Tensor;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    RelativeL2,
    MeanAbsolute,
    MeanSquared,
}

impl Distance {
    fn name(self) -> &'static str {
        match self {
            Distance::RelativeL2 => "relative L2",
            Distance::MeanAbsolute => "mean absolute error",
            Distance::MeanSquared => "mean squared error",
        }
    }

    fn between(self, found: &[f32], truth: &[f32]) -> f64 {
        let mean = |f: fn(f64) -> f64| {
            let differences = found.iter().zip(truth).map(|(f, t)| f64::from(*f) - f64::from(*t));
            differences.map(f).sum::<f64>() / truth.len() as f64
        };
        match self {
            Distance::RelativeL2 => relative_l2(found, truth),
            Distance::MeanAbsolute => mean(f64::abs),
            Distance::MeanSquared => mean(|d| d * d),
        }
    }
}

struct Fields {
    distance: Distance,
    truth: Vec<f32>,
    /// Values of one sample.
    size: usize,
    mean: Vec<f32>,
    errors: Vec<f64>,
}

/// Opens the scored rows of a dataset whose `y` is (N,channels,spatial…). `task` is for messages.
pub fn open<'a>(
    task: &str,
    distance: Distance,
    samples: &'a Samples,
    params: &MetricParams,
) -> Result<Box<dyn Metric + 'a>, String> {
    let split = samples.split(params.split);
    let (train, score) = (&samples.part(&split.train)?.y, &samples.part(&split.score)?.y);
    let size: usize = score.shape[1..].iter().product();
    if size == 0 || train.shape[1..] != score.shape[1..] {
        return Err(format!(
            "{task}: fields of one shape were expected, found {:?} and {:?}",
            train.shape, score.shape
        ));
    }
    let mut truth = Vec::new();
    score.append_f32(split.score.start * size, split.score.end * size, &mut truth)?;
    if distance == Distance::RelativeL2
        && let Some(zero) = truth.chunks_exact(size).position(|y| y.iter().all(|v| *v == 0.0))
    {
        return Err(format!(
            "{task}: scored sample {zero} is zero everywhere: no relative error; choose another metric"
        ));
    }
    let mut sum = vec![0f64; size];
    let mut row = Vec::with_capacity(size);
    for at in split.train.start..split.train.end {
        row.clear();
        train.append_f32(at * size, (at + 1) * size, &mut row)?;
        sum.iter_mut().zip(&row).for_each(|(s, v)| *s += f64::from(*v));
    }
    let mean = sum.iter().map(|s| (s / split.train.len() as f64) as f32).collect();
    Ok(Box::new(Fields { distance, truth, size, mean, errors: Vec::new() }))
}

impl Metric for Fields {
    fn add(&mut self, outputs: &Tensor) -> Result<(), MetricError> {
        let found = outputs.dims().to_vec();
        let values = outputs.flatten_all()?.to_vec1::<f32>()?;
        let count = found.first().copied().unwrap_or(0);
        if values.len() != count * self.size {
            return Err(MetricError::Shape { expected: vec![count, self.size], found });
        }
        for field in values.chunks_exact(self.size) {
            let sample = self.errors.len();
            let Some(truth) = self.truth.get(sample * self.size..(sample + 1) * self.size) else {
                return Err(MetricError::Incomplete { expected: sample, found: sample + 1 });
            };
            let error = self.distance.between(field, truth);
            if !error.is_finite() {
                return Err(MetricError::NotFinite { sample });
            }
            self.errors.push(error);
        }
        Ok(())
    }

    fn finish(&self) -> Result<Measure, MetricError> {
        let expected = self.truth.len() / self.size;
        if self.errors.len() != expected || expected == 0 {
            return Err(MetricError::Incomplete { expected, found: self.errors.len() });
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let trivial: Vec<f64> =
            self.truth.chunks_exact(self.size).map(|truth| self.distance.between(&self.mean, truth)).collect();
        Ok(Measure {
            metric: self.distance.name(),
            unit: "",
            direction: Direction::Lower,
            value: mean(&self.errors),
            trivial: Trivial { name: "mean training field".to_string(), value: mean(&trivial) },
            details: BTreeMap::new(),
        })
    }
}
