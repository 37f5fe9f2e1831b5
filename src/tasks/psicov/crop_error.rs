//! Mean absolute error of validation crops, over all positions, distances clipped as in training. Knows no test protein.

use crate::artifacts::score::{Direction, Trivial};
use crate::tasks::contract::metric::{Measure, Metric, MetricError};
use crate::tasks::psicov::canvas::{CLIP, Window, truth, validation_crops};
use crate::tasks::psicov::protein::Proteins;
use candle_core::Tensor;
use std::collections::BTreeMap;

/// Takes outputs (B,1,side,side) in the order of the proteins.
pub struct CropError<'a> {
    proteins: Proteins<'a>,
    first: usize,
    count: usize,
    side: usize,
    constant: f64,
    /// Error of each crop, and of the constant there.
    errors: Vec<f64>,
    trivial: Vec<f64>,
    /// Length of each batch.
    batches: Vec<usize>,
}

impl<'a> CropError<'a> {
    /// Scores `count` proteins of a part from `first` on; `constant` is what a network that never looks would answer, in Å.
    pub fn new(proteins: Proteins<'a>, first: usize, count: usize, side: usize, constant: f64) -> Self {
        let (errors, trivial, batches) = (Vec::new(), Vec::new(), Vec::new());
        CropError { proteins, first, count, side, constant, errors, trivial, batches }
    }

    /// As upstream logs it: the mean over batches of each batch's mean (task specification §8.5).
    fn mean_of_batch_means(&self, errors: &[f64]) -> f64 {
        let mut rest = errors;
        let mut sum = 0.0;
        for length in &self.batches {
            let (batch, after) = rest.split_at(*length);
            sum += batch.iter().sum::<f64>() / *length as f64;
            rest = after;
        }
        sum / self.batches.len() as f64
    }
}

impl Metric for CropError<'_> {
    fn add(&mut self, outputs: &Tensor) -> Result<(), MetricError> {
        let found = outputs.dims().to_vec();
        let values = outputs.flatten_all()?.to_vec1::<f32>()?;
        let points = self.side * self.side;
        let count = found.first().copied().unwrap_or(0);
        if count == 0 || values.len() != count * points {
            return Err(MetricError::Shape { expected: vec![count, 1, self.side, self.side], found });
        }
        if self.errors.len() + count > self.count {
            return Err(MetricError::Incomplete { expected: self.count, found: self.errors.len() + count });
        }
        let mut distances = Vec::with_capacity(points);
        for values in values.chunks_exact(points) {
            let sample = self.errors.len();
            let protein = self.first + sample;
            let length = self.proteins.lengths()[protein];
            let window = Window::crop(length, self.side, &mut validation_crops().at(sample as u64));
            distances.clear();
            truth(&self.proteins, protein, window, Some(CLIP), &mut distances);
            let pairs = values.iter().zip(&distances);
            let error = pairs.map(|(z, y)| (f64::from(*z) - f64::from(*y)).abs()).sum::<f64>() / points as f64;
            if !error.is_finite() {
                return Err(MetricError::NotFinite { sample });
            }
            let constant = distances.iter().map(|y| (self.constant - f64::from(*y)).abs()).sum::<f64>();
            self.errors.push(error);
            self.trivial.push(constant / points as f64);
        }
        self.batches.push(count);
        Ok(())
    }

    fn finish(&self) -> Result<Measure, MetricError> {
        if self.errors.len() != self.count || self.count == 0 {
            return Err(MetricError::Incomplete { expected: self.count, found: self.errors.len() });
        }
        let mean = self.errors.iter().sum::<f64>() / self.count as f64;
        Ok(Measure {
            metric: "MAE of crops",
            unit: "Å",
            direction: Direction::Lower,
            value: self.mean_of_batch_means(&self.errors),
            trivial: Trivial {
                name: "mean training distance".to_string(),
                value: self.mean_of_batch_means(&self.trivial),
            },
            details: BTreeMap::from([("mean over proteins".to_string(), mean)]),
        })
    }
}
