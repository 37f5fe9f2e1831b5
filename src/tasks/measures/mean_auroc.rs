//! Mean area under the ROC curve and mean average precision over labels; either may be the reported one. A constant answer
//! scores one half, or the share of positives.

use crate::artifacts::samples::Samples;
use crate::artifacts::score::{Direction, Trivial};
use crate::metrics::tallies::LabelScores;
use crate::tasks::contract::metric::{Measure, Metric, MetricError, MetricParams};
use candle_core::Tensor;
use std::collections::BTreeMap;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reported {
    Auroc,
    AveragePrecision,
}

struct MeanAuroc {
    reported: Reported,
    /// Scored samples × labels, row-major.
    truth: Vec<bool>,
    labels: usize,
    tally: LabelScores,
}

/// Opens the scored rows of a dataset whose `y` is `f32` (N,labels). `task` is for messages.
pub fn open<'a>(task: &str, samples: &'a Samples, params: &MetricParams) -> Result<Box<dyn Metric + 'a>, String> {
    scored(task, samples, params, Reported::Auroc)
}

/// As `open`, with the average precision as the reported score.
pub fn open_average_precision<'a>(
    task: &str,
    samples: &'a Samples,
    params: &MetricParams,
) -> Result<Box<dyn Metric + 'a>, String> {
    scored(task, samples, params, Reported::AveragePrecision)
}

fn scored<'a>(
    task: &str,
    samples: &'a Samples,
    params: &MetricParams,
    reported: Reported,
) -> Result<Box<dyn Metric + 'a>, String> {
    let rows = &samples.split(params.split).score;
    let array = &samples.part(rows)?.y;
    let &[_, labels] = &array.shape[..] else {
        return Err(format!("{task}: labels of shape (N, labels) were expected, found {:?}", array.shape));
    };
    let mut values = Vec::new();
    array.append_f32(rows.start * labels, rows.end * labels, &mut values)?;
    let truth: Vec<bool> = values.iter().map(|v| *v > 0.5).collect();
    let has_both = |label: usize| {
        let positive = truth.iter().skip(label).step_by(labels).filter(|t| **t).count();
        positive > 0 && positive < rows.len()
    };
    if reported == Reported::Auroc && !(0..labels).any(has_both) {
        return Err(format!(
            "{task}: none of the {labels} labels has both positive and negative samples among the {} scored ones: no AUROC",
            rows.len()
        ));
    }
    if !truth.contains(&true) {
        return Err(format!("{task}: none of the {} scored samples has any label: nothing to rank", rows.len()));
    }
    Ok(Box::new(MeanAuroc { reported, truth, labels, tally: LabelScores::new(labels) }))
}

impl Metric for MeanAuroc {
    fn add(&mut self, outputs: &Tensor) -> Result<(), MetricError> {
        let found = outputs.dims().to_vec();
        if found.len() != 2 || found[1] != self.labels {
            return Err(MetricError::Shape { expected: vec![found.first().copied().unwrap_or(0), self.labels], found });
        }
        let expected = self.truth.len() / self.labels;
        for row in outputs.to_vec2::<f32>()? {
            let sample = self.tally.rows();
            if sample >= expected {
                return Err(MetricError::Incomplete { expected, found: sample + 1 });
            }
            if !row.iter().all(|v| v.is_finite()) {
                return Err(MetricError::NotFinite { sample });
            }
            self.tally.add(&row, &self.truth[sample * self.labels..(sample + 1) * self.labels]);
        }
        Ok(())
    }

    fn finish(&self) -> Result<Measure, MetricError> {
        let (expected, found) = (self.truth.len() / self.labels, self.tally.rows());
        if expected != found {
            return Err(MetricError::Incomplete { expected, found });
        }
        let (area, skipped) = self.tally.mean_auroc();
        let (precision, without_positive) = self.tally.mean_average_precision();
        let mut details = BTreeMap::from([
            ("labels without AUROC".to_string(), skipped as f64),
            ("labels without average precision".to_string(), without_positive as f64),
        ]);
        let trivial = |value| Trivial { name: "constant scores".to_string(), value };
        if self.reported == Reported::AveragePrecision {
            if area.is_finite() {
                details.insert("mean AUROC".to_string(), area);
            }
            return Ok(Measure {
                metric: "mAP",
                unit: "",
                direction: Direction::Higher,
                value: precision,
                trivial: trivial(self.prevalence()),
                details,
            });
        }
        details.insert("mean average precision".to_string(), precision);
        Ok(Measure {
            metric: "mean AUROC",
            unit: "",
            direction: Direction::Higher,
            value: area,
            trivial: trivial(0.5),
            details,
        })
    }
}

impl MeanAuroc {
    /// Mean share of positives over the labels that have any: the average precision of constant scores.
    fn prevalence(&self) -> f64 {
        let rows = self.truth.len() / self.labels;
        let positives = |label: usize| self.truth.iter().skip(label).step_by(self.labels).filter(|t| **t).count();
        let shares: Vec<f64> = (0..self.labels)
            .map(positives)
            .filter(|positives| *positives > 0)
            .map(|positives| positives as f64 / rows as f64)
            .collect();
        shares.iter().sum::<f64>() / shares.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::open;
    use crate::artifacts::dataset::{Array, DatasetMeta, Rows, Split, Target, TaskShape};
    use crate::artifacts::samples::{Part, Samples, SplitChoice};
    use crate::tasks::contract::metric::{MetricError, MetricParams};
    use candle_core::{Device, Tensor};
    use std::collections::BTreeMap;

    fn params() -> MetricParams {
        MetricParams {
            split: SplitChoice::Final,
            seed: 0,
            batch_means: false,
            shuffled_lengths: false,
            unseen_only: false,
        }
    }

    /// Scores the last rows of `y`, all but the first.
    fn samples(count: usize, labels: usize, y: &[f32]) -> Samples {
        let rows = |start, end| Rows { part: "train".into(), start, end };
        let split = Split { train: rows(0, 1), score: rows(1, count) };
        let part = Part::new(Array::u8(&[count, 1, 1], vec![0; count]), Array::f32(&[count, labels], y));
        Samples {
            meta: DatasetMeta {
                format: 1,
                task: "toy".into(),
                shape: TaskShape { channels: 1, spatial: vec![1], target: Target::MultiLabel { labels } },
                search: split.clone(),
                last: split,
                source: "embedded:tiny".into(),
                class_names: Vec::new(),
                loss: None,
                metric: None,
            },
            parts: BTreeMap::from([("train".to_string(), part)]),
        }
    }

    fn tensor(rows: &[&[f32]]) -> Tensor {
        Tensor::from_vec(rows.concat(), (rows.len(), rows[0].len()), &Device::Cpu).unwrap()
    }

    #[test]
    fn ties_count_half_and_empty_labels_are_skipped() {
        // task specification §16: labels 1,0,1,1,0,0 with ties; the second label has no positive
        let y: Vec<f32> = [0, 1, 0, 1, 1, 0, 0].iter().flat_map(|y| [*y as f32, 0.0]).collect();
        let samples = samples(7, 2, &y);
        let mut metric = open("toy", &samples, &params()).unwrap();
        metric.add(&tensor(&[&[0.9, 1.0], &[0.9, 2.0], &[0.7, 3.0], &[0.2, 0.0]])).unwrap();
        assert!(matches!(metric.finish(), Err(MetricError::Incomplete { expected: 6, found: 4 })));
        metric.add(&tensor(&[&[0.2, 1.0], &[0.1, 1.0]])).unwrap();
        let measure = metric.finish().unwrap();
        assert!((measure.value - 2.0 / 3.0).abs() < 1e-12 && measure.trivial.value == 0.5);
        assert!((measure.details["mean average precision"] - 0.588_888_888_9).abs() < 1e-9);
        assert_eq!(measure.details["labels without AUROC"], 1.0);
        assert_eq!(measure.details["labels without average precision"], 1.0);
        assert!(metric.add(&tensor(&[&[0.0, 0.0]])).is_err());
    }

    #[test]
    fn what_cannot_be_ranked_is_an_error() {
        let samples_ = samples(3, 1, &[0.0, 1.0, 0.0]);
        let mut metric = open("toy", &samples_, &params()).unwrap();
        assert!(matches!(metric.add(&tensor(&[&[1.0, 2.0]])), Err(MetricError::Shape { .. })));
        metric.add(&tensor(&[&[1.0]])).unwrap();
        assert!(matches!(metric.add(&tensor(&[&[f32::NAN]])), Err(MetricError::NotFinite { sample: 1 })));
        let constant = samples(3, 1, &[0.0, 1.0, 1.0]);
        assert!(open("toy", &constant, &params()).err().unwrap().contains("no AUROC"));
    }
}
