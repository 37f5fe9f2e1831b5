//! Mean relative L2 error of Darcy flow in physical units, beside that of always answering the mean training field.

use crate::artifacts::dataset::Rows;
use crate::artifacts::samples::Samples;
use crate::artifacts::score::{Direction, Trivial};
use crate::metrics::relative_l2::relative_l2;
use crate::tasks::contract::metric::{Measure, Metric, MetricError, MetricParams};
use crate::tasks::darcy::normaliser::Normaliser;
use candle_core::Tensor;
use std::collections::BTreeMap;

struct RelativeL2 {
    /// Scored pressures in physical units, one sample after the other.
    truth: Vec<f32>,
    points: usize,
    normaliser: Normaliser,
    batch_means: bool,
    errors: Vec<f64>,
    /// Length of each batch.
    batches: Vec<usize>,
}

/// Opens the scored rows of a dataset whose `y` is `f32` (N,1,H,W).
pub fn open<'a>(samples: &'a Samples, params: &MetricParams) -> Result<Box<dyn Metric + 'a>, String> {
    let split = samples.split(params.split);
    let points: usize = samples.meta.shape.spatial.iter().product();
    let field = |rows: &Rows| -> Result<Vec<f32>, String> {
        let array = &samples.part(rows)?.y;
        if points == 0 || array.shape[1..].iter().product::<usize>() != points {
            return Err(format!("darcy: fields of {points} points were expected, found shape {:?}", array.shape));
        }
        Ok(array.to_f32()?[rows.start * points..rows.end * points].to_vec())
    };
    let truth = field(&split.score)?;
    if let Some(zero) = truth.chunks_exact(points).position(|y| y.iter().all(|v| *v == 0.0)) {
        return Err(format!("darcy: the pressure of scored sample {zero} is zero everywhere: no relative error"));
    }
    let normaliser = Normaliser::fit(&field(&split.train)?, points);
    let (errors, batches) = (Vec::new(), Vec::new());
    Ok(Box::new(RelativeL2 { truth, points, normaliser, batch_means: params.batch_means, errors, batches }))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

impl RelativeL2 {
    /// Each batch weighs the same, whatever its length.
    fn mean_of_batch_means(&self, errors: &[f64]) -> f64 {
        let mut rest = errors;
        let mut means = Vec::with_capacity(self.batches.len());
        for length in &self.batches {
            let (batch, after) = rest.split_at(*length);
            means.push(mean(batch));
            rest = after;
        }
        mean(&means)
    }
}

impl Metric for RelativeL2 {
    fn add(&mut self, outputs: &Tensor) -> Result<(), MetricError> {
        let found = outputs.dims().to_vec();
        let values = outputs.flatten_all()?.to_vec1::<f32>()?;
        let count = found.first().copied().unwrap_or(0);
        let start = self.errors.len();
        if count == 0 || values.len() != count * self.points {
            return Err(MetricError::Shape { expected: vec![count, self.points], found });
        }
        let expected = self.truth.len() / self.points;
        if start + count > expected {
            return Err(MetricError::Incomplete { expected, found: start + count });
        }
        for (i, field) in values.chunks_exact(self.points).enumerate() {
            let mut field = field.to_vec();
            self.normaliser.decode(&mut field);
            let sample = start + i;
            let error = relative_l2(&field, &self.truth[sample * self.points..(sample + 1) * self.points]);
            if !error.is_finite() {
                return Err(MetricError::NotFinite { sample });
            }
            self.errors.push(error);
        }
        self.batches.push(count);
        Ok(())
    }

    fn finish(&self) -> Result<Measure, MetricError> {
        let expected = self.truth.len() / self.points;
        if self.errors.len() != expected || expected == 0 {
            return Err(MetricError::Incomplete { expected, found: self.errors.len() });
        }
        let fields = self.truth.chunks_exact(self.points);
        let trivial: Vec<f64> = fields.map(|y| relative_l2(&self.normaliser.mean, y)).collect();
        let report = |errors: &[f64]| {
            if self.batch_means { self.mean_of_batch_means(errors) } else { mean(errors) }
        };
        Ok(Measure {
            metric: "relative L2",
            unit: "",
            direction: Direction::Lower,
            value: report(&self.errors),
            trivial: Trivial { name: "mean field".to_string(), value: report(&trivial) },
            details: BTreeMap::from([
                ("mean of batch means".to_string(), self.mean_of_batch_means(&self.errors)),
                ("mean over samples".to_string(), mean(&self.errors)),
            ]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::RelativeL2;
    use crate::tasks::contract::metric::{Metric, MetricError};
    use crate::tasks::darcy::normaliser::Normaliser;
    use candle_core::{Device, Tensor};

    #[test]
    fn an_uneven_last_batch_weighs_more_only_in_the_mean_of_batch_means() {
        let normaliser = Normaliser { mean: vec![1.0, 2.0], scale: vec![2.0, 1.0] };
        let metric = |batch_means| RelativeL2 {
            truth: vec![3.0, 4.0, 0.0, 5.0, 6.0, 8.0],
            points: 2,
            normaliser: normaliser.clone(),
            batch_means,
            errors: Vec::new(),
            batches: Vec::new(),
        };
        for (batch_means, value) in [(true, (0.3 + 0.2) / 2.0), (false, (0.2 + 0.4 + 0.2) / 3.0)] {
            let mut metric = metric(batch_means);
            // decoded: (3, 5) off by 1 of 5; (2, 5) off by 2 of 5; (6, 6) off by 2 of 10
            let two = Tensor::from_vec(vec![1f32, 3.0, 0.5, 3.0], (2, 1, 1, 2), &Device::Cpu).unwrap();
            metric.add(&two).unwrap();
            assert!(matches!(metric.finish(), Err(MetricError::Incomplete { expected: 3, found: 2 })));
            let one = Tensor::from_vec(vec![2.5f32, 4.0], (1, 1, 1, 2), &Device::Cpu).unwrap();
            metric.add(&one).unwrap();
            let measure = metric.finish().unwrap();
            assert!((measure.value - value).abs() < 1e-12);
            assert!((measure.details["mean over samples"] - 0.8 / 3.0).abs() < 1e-12);
            assert!((measure.details["mean of batch means"] - 0.25).abs() < 1e-12);
            let trivial = [8f64.sqrt() / 5.0, 10f64.sqrt() / 5.0, 61f64.sqrt() / 10.0];
            let expected = if batch_means {
                ((trivial[0] + trivial[1]) / 2.0 + trivial[2]) / 2.0
            } else {
                trivial.iter().sum::<f64>() / 3.0
            };
            assert!((measure.trivial.value - expected).abs() < 1e-12);
            assert!(metric.add(&one).is_err());
        }
        let bad = Tensor::from_vec(vec![f32::NAN, 4.0], (1, 1, 1, 2), &Device::Cpu).unwrap();
        assert!(matches!(metric(true).add(&bad), Err(MetricError::NotFinite { sample: 0 })));
    }
}
