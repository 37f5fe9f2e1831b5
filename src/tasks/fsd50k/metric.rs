//! Macro mean average precision of FSD50K over clips: logits are averaged over the pieces of a clip (task specification §6.5).
//! The trivial predictor gives every clip the same score, so its precision is each label's share of the clips.

use crate::artifacts::samples::Samples;
use crate::artifacts::score::{Direction, Trivial};
use crate::metrics::defined::mean_of_defined;
use crate::metrics::tallies::LabelScores;
use crate::tasks::contract::metric::{Measure, Metric, MetricError, MetricParams};
use crate::tasks::fsd50k::clips::Pieces;
use candle_core::Tensor;
use std::collections::BTreeMap;

struct MeanAveragePrecision {
    /// Scored clips × labels, row-major.
    truth: Vec<bool>,
    labels: usize,
    pieces: Pieces,
    /// Pieces seen, and the sum of logits over those of the clip that is not finished.
    seen: usize,
    sum: Vec<f64>,
    tally: LabelScores,
}

/// Opens the scored clips (`tasks/fsd50k/clips.rs`).
pub fn open<'a>(samples: &'a Samples, params: &MetricParams) -> Result<Box<dyn Metric + 'a>, String> {
    let rows = &samples.split(params.split).score;
    let part = samples.part(rows)?;
    let &[_, labels] = &part.y.shape[..] else {
        return Err(format!("fsd50k: labels of shape (clips, labels) were expected, found {:?}", part.y.shape));
    };
    let mut values = Vec::new();
    part.y.append_f32(rows.start * labels, rows.end * labels, &mut values)?;
    let truth: Vec<bool> = values.iter().map(|v| *v > 0.5).collect();
    if !truth.contains(&true) {
        return Err(format!("fsd50k: no scored clip has any of the {labels} labels: no average precision"));
    }
    let (sum, tally) = (vec![0.0; labels], LabelScores::new(labels));
    Ok(Box::new(MeanAveragePrecision { truth, labels, pieces: Pieces::open(part, rows)?, seen: 0, sum, tally }))
}

impl MeanAveragePrecision {
    /// Mean share of positive clips over the labels that have one: the average precision of equal scores.
    fn prevalence(&self) -> f64 {
        let share = |label: usize| {
            let positive = self.truth.iter().skip(label).step_by(self.labels).filter(|t| **t).count();
            (positive > 0).then(|| positive as f64 / self.pieces.clips() as f64)
        };
        mean_of_defined(&(0..self.labels).map(share).collect::<Vec<_>>()).0
    }
}

impl Metric for MeanAveragePrecision {
    /// Logits of the next pieces, (B, labels). A sigmoid behind the mean would change no rank.
    fn add(&mut self, outputs: &Tensor) -> Result<(), MetricError> {
        let found = outputs.dims().to_vec();
        if found.len() != 2 || found[1] != self.labels {
            return Err(MetricError::Shape { expected: vec![found.first().copied().unwrap_or(0), self.labels], found });
        }
        let all = self.pieces.all();
        for row in outputs.to_vec2::<f32>()? {
            if self.seen >= all.len() {
                return Err(MetricError::Incomplete { expected: all.len(), found: self.seen + 1 });
            }
            if !row.iter().all(|v| v.is_finite()) {
                return Err(MetricError::NotFinite { sample: self.seen });
            }
            self.sum.iter_mut().zip(&row).for_each(|(sum, logit)| *sum += f64::from(*logit));
            self.seen += 1;
            let clip = self.tally.rows();
            let of = self.pieces.of(clip);
            if all.start + self.seen == of.end {
                let mean: Vec<f32> = self.sum.iter().map(|sum| (sum / of.len() as f64) as f32).collect();
                self.tally.add(&mean, &self.truth[clip * self.labels..(clip + 1) * self.labels]);
                self.sum.fill(0.0);
            }
        }
        Ok(())
    }

    fn finish(&self) -> Result<Measure, MetricError> {
        let expected = self.pieces.all().len();
        if self.seen != expected {
            return Err(MetricError::Incomplete { expected, found: self.seen });
        }
        let (value, without_positive) = self.tally.mean_average_precision();
        let (auroc, skipped) = self.tally.mean_auroc();
        let mut details = BTreeMap::from([
            ("clips".to_string(), self.pieces.clips() as f64),
            ("labels without average precision".to_string(), without_positive as f64),
            ("labels without AUROC".to_string(), skipped as f64),
        ]);
        if auroc.is_finite() {
            details.insert("mean AUROC".to_string(), auroc);
        }
        Ok(Measure {
            metric: "mean average precision",
            unit: "",
            direction: Direction::Higher,
            value,
            trivial: Trivial { name: "prevalence".to_string(), value: self.prevalence() },
            details,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::open;
    use crate::artifacts::samples::SplitChoice;
    use crate::tasks::contract::metric::{MetricError, MetricParams};
    use crate::tasks::fsd50k::clips::tests::dataset;
    use candle_core::{Device, Tensor};

    fn params() -> MetricParams {
        MetricParams {
            split: SplitChoice::Final,
            seed: 0,
            batch_means: false,
            shuffled_lengths: false,
            unseen_only: false,
        }
    }

    fn tensor(rows: &[[f32; 4]]) -> Tensor {
        Tensor::from_slice(rows.as_flattened(), (rows.len(), 4), &Device::Cpu).unwrap()
    }

    #[test]
    fn logits_are_averaged_over_the_pieces_of_a_clip() {
        // clips of 1, 3 and 2 pieces with labels 0, 1 and 2; label 3 has no clip
        let samples = dataset(&[1, 3, 2], false);
        let mut metric = open(&samples, &params()).unwrap();
        metric.add(&tensor(&[[1.0, 0.0, 0.0, 0.0], [0.0, 9.0, 0.0, 0.0]])).unwrap();
        metric.add(&tensor(&[[0.0, -3.0, 0.0, 0.0], [0.0, -3.0, 0.0, 0.0], [2.0, 2.0, -1.0, 0.0]])).unwrap();
        assert!(matches!(metric.finish(), Err(MetricError::Incomplete { expected: 6, found: 5 })));
        metric.add(&tensor(&[[2.0, 2.0, -1.0, 0.0]])).unwrap();
        let measure = metric.finish().unwrap();
        // means by clip: label 0: 1, 0, 2 (second place); label 1: 0, 1, 2 (second); label 2: 0, 0, −1 (third)
        assert!((measure.value - (0.5 + 0.5 + 1.0 / 3.0) / 3.0).abs() < 1e-12);
        assert!((measure.trivial.value - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(measure.details["labels without average precision"], 1.0);
        assert!(metric.add(&tensor(&[[0.0; 4]])).is_err());
    }

    #[test]
    fn constant_logits_score_as_the_trivial_predictor_and_perfect_ones_score_one() {
        let samples = dataset(&[2, 1, 1, 3], false);
        let mut metric = open(&samples, &params()).unwrap();
        metric.add(&tensor(&[[0.5; 4]; 7])).unwrap();
        let measure = metric.finish().unwrap();
        assert_eq!((measure.value, measure.trivial.value), (0.25, 0.25));
        let mut metric = open(&samples, &params()).unwrap();
        for (clip, pieces) in [2, 1, 1, 3].into_iter().enumerate() {
            let mut row = [-1.0; 4];
            row[clip] = 1.0;
            metric.add(&tensor(&vec![row; pieces])).unwrap();
        }
        assert_eq!(metric.finish().unwrap().value, 1.0);
        let error = metric.add(&tensor(&[[f32::NAN; 4]])).unwrap_err();
        assert!(matches!(error, MetricError::Incomplete { .. }));
        let mut metric = open(&samples, &params()).unwrap();
        assert!(matches!(metric.add(&tensor(&[[f32::NAN; 4]])), Err(MetricError::NotFinite { sample: 0 })));
    }
}
