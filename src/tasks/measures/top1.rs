//! Top-1 error in percent, beside that of always naming the most frequent training class.

use crate::artifacts::samples::Samples;
use crate::artifacts::score::{Direction, Trivial};
use crate::metrics::top1::{error_percent, majority, predicted};
use crate::tasks::contract::metric::{Measure, Metric, MetricError, MetricParams};
use candle_core::Tensor;
use std::collections::BTreeMap;

struct Top1 {
    labels: Vec<u32>,
    majority: u32,
    seen: usize,
    correct: u64,
}

/// Opens the scored rows of a dataset whose `y` is `u32` (N). `task` is for messages.
pub fn open<'a>(task: &str, samples: &'a Samples, params: &MetricParams) -> Result<Box<dyn Metric + 'a>, String> {
    let split = samples.split(params.split);
    let train = samples.part(&split.train)?.y.to_u32()?;
    let labels = samples.part(&split.score)?.y.to_u32()?[split.score.start..split.score.end].to_vec();
    let majority =
        majority(&train[split.train.start..split.train.end]).ok_or_else(|| format!("{task}: no training labels"))?;
    Ok(Box::new(Top1 { labels, majority, seen: 0, correct: 0 }))
}

impl Metric for Top1 {
    fn add(&mut self, outputs: &Tensor) -> Result<(), MetricError> {
        let rows = outputs.to_vec2::<f32>()?;
        for row in rows {
            let Some(label) = self.labels.get(self.seen) else {
                return Err(MetricError::Incomplete { expected: self.labels.len(), found: self.seen + 1 });
            };
            let class = predicted(&row).ok_or(MetricError::NotFinite { sample: self.seen })?;
            self.correct += u64::from(class == *label as usize);
            self.seen += 1;
        }
        Ok(())
    }

    fn finish(&self) -> Result<Measure, MetricError> {
        let all = self.labels.len();
        if self.seen != all || all == 0 {
            return Err(MetricError::Incomplete { expected: all, found: self.seen });
        }
        let lucky = self.labels.iter().filter(|l| **l == self.majority).count();
        let value = error_percent(self.correct, all as u64);
        Ok(Measure {
            metric: "top-1 error",
            unit: "%",
            direction: Direction::Lower,
            value,
            trivial: Trivial { name: "majority class".to_string(), value: error_percent(lucky as u64, all as u64) },
            details: BTreeMap::from([("top-1 accuracy".to_string(), 100.0 - value)]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Top1;
    use crate::tasks::contract::metric::{Metric, MetricError};
    use candle_core::{Device, Tensor};

    #[test]
    fn counts_over_batches_of_any_size() {
        let mut metric = Top1 { labels: vec![0, 1, 1, 2], majority: 1, seen: 0, correct: 0 };
        let tensor =
            |rows: &[[f32; 3]]| Tensor::from_slice(rows.as_flattened(), (rows.len(), 3), &Device::Cpu).unwrap();
        metric.add(&tensor(&[[2.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 3.0, 1.0]])).unwrap();
        assert!(matches!(metric.finish(), Err(MetricError::Incomplete { expected: 4, found: 3 })));
        metric.add(&tensor(&[[5.0, 5.0, 5.0]])).unwrap();
        let measure = metric.finish().unwrap();
        assert_eq!((measure.value, measure.trivial.value), (50.0, 50.0));
        assert!(metric.add(&tensor(&[[0.0; 3]])).is_err());
        let mut metric = Top1 { labels: vec![0], majority: 0, seen: 0, correct: 0 };
        let error = metric.add(&tensor(&[[f32::NAN, 0.0, 0.0]])).unwrap_err();
        assert!(matches!(error, MetricError::NotFinite { sample: 0 }));
    }
}
