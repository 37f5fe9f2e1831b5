//! Share of cosmic-ray pixels that are missed, in percent, with the siblings that show what the number hides. Knows no loss
//! and no sky.

use crate::artifacts::samples::{Part, Samples};
use crate::artifacts::score::{Direction, Trivial};
use crate::metrics::auroc::auroc;
use crate::metrics::rates::Confusion;
use crate::tasks::contract::metric::{Measure, Metric, MetricError, MetricParams};
use candle_core::Tensor;
use safetensors::Dtype;
use std::collections::BTreeMap;

/// The published threshold is on the logit, not on the probability: 0.5 there is a probability of 0.6225
/// (task specification §9.5).
const LOGIT_THRESHOLD: f32 = 0.5;
/// A probability of one half.
const EVEN_THRESHOLD: f32 = 0.0;

struct MissedRays<'a> {
    part: &'a Part,
    /// First scored row, rows and pixels of each.
    first: usize,
    rows: usize,
    points: usize,
    /// What more pixels of the training stamps are.
    mostly_hit: bool,
    seen: usize,
    /// Over all pixels: at the published threshold and at even odds.
    published: Confusion,
    even: Confusion,
    /// The same without ignored pixels.
    masked: Confusion,
    masked_even: Confusion,
    scores: Vec<f32>,
    hits: Vec<bool>,
}

/// Opens the scored rows of a dataset whose `y` is `u8` (N,2,H,W), ray and ignore.
pub fn open<'a>(samples: &'a Samples, params: &MetricParams) -> Result<Box<dyn Metric + 'a>, String> {
    let split = samples.split(params.split);
    let points: usize = samples.meta.shape.spatial.iter().product();
    let (train, part) = (samples.part(&split.train)?, samples.part(&split.score)?);
    for array in [&train.y, &part.y] {
        if points == 0 || array.dtype != Dtype::U8 || array.shape[1..].iter().product::<usize>() != 2 * points {
            let (dtype, shape) = (array.dtype, &array.shape);
            return Err(format!("cosmic: U8 masks of 2×{points} pixels were expected, found {dtype:?} {shape:?}"));
        }
    }
    let hits = |part: &Part, start: usize, end: usize| -> u64 {
        let rows = part.y.bytes[start * 2 * points..end * 2 * points].chunks_exact(2 * points);
        rows.map(|row| row[..points].iter().filter(|hit| **hit != 0).count() as u64).sum()
    };
    let all = (split.train.len() * points) as u64;
    let mostly_hit = 2 * hits(train, split.train.start, split.train.end) > all;
    if hits(part, split.score.start, split.score.end) == 0 {
        return Err(format!(
            "cosmic: no pixel of the {} scored stamps is hit by a cosmic ray: the share of missed ones is undefined; \
             score other stamps",
            split.score.len()
        ));
    }
    let (first, rows) = (split.score.start, split.score.len());
    let none = Confusion::default();
    let (scores, hits) = (Vec::with_capacity(rows * points), Vec::with_capacity(rows * points));
    Ok(Box::new(MissedRays {
        part,
        first,
        rows,
        points,
        mostly_hit,
        seen: 0,
        published: none,
        even: none,
        masked: none,
        masked_even: none,
        scores,
        hits,
    }))
}

impl Metric for MissedRays<'_> {
    fn add(&mut self, outputs: &Tensor) -> Result<(), MetricError> {
        let found = outputs.dims().to_vec();
        let logits = outputs.flatten_all()?.to_vec1::<f32>()?;
        let count = found.first().copied().unwrap_or(0);
        if count == 0 || logits.len() != count * self.points {
            return Err(MetricError::Shape { expected: vec![count, 1, self.points], found });
        }
        if self.seen + count > self.rows {
            return Err(MetricError::Incomplete { expected: self.rows, found: self.seen + count });
        }
        for logits in logits.chunks_exact(self.points) {
            let start = (self.first + self.seen) * 2 * self.points;
            let (hits, ignored) = self.part.y.bytes[start..start + 2 * self.points].split_at(self.points);
            for ((logit, hit), ignored) in logits.iter().zip(hits).zip(ignored) {
                if !logit.is_finite() {
                    return Err(MetricError::NotFinite { sample: self.seen });
                }
                let (hit, published, even) = (*hit != 0, *logit > LOGIT_THRESHOLD, *logit > EVEN_THRESHOLD);
                self.published.add(hit, published);
                self.even.add(hit, even);
                if *ignored == 0 {
                    self.masked.add(hit, published);
                    self.masked_even.add(hit, even);
                }
                self.scores.push(*logit);
                self.hits.push(hit);
            }
            self.seen += 1;
        }
        Ok(())
    }

    fn finish(&self) -> Result<Measure, MetricError> {
        let incomplete = MetricError::Incomplete { expected: self.rows, found: self.seen };
        if self.seen != self.rows {
            return Err(incomplete);
        }
        let missed = self.published.fnr().ok_or(incomplete)?;
        let mut details = BTreeMap::new();
        // undefined rates are left out: no pixel without a ray, or all rays on ignored pixels
        let mut detail = |name: &str, value: Option<f64>| {
            if let Some(value) = value {
                details.insert(name.to_string(), value);
            }
        };
        let percent = |rate: Option<f64>| rate.map(|rate| 100.0 * rate);
        for (confusion, suffix) in [
            (&self.published, ""),
            (&self.even, " at probability 0.5"),
            (&self.masked, " without ignored pixels"),
            (&self.masked_even, " at probability 0.5 without ignored pixels"),
        ] {
            detail(&format!("FPR %{suffix}"), percent(confusion.fpr()));
            detail(&format!("TPR %{suffix}"), percent(confusion.tpr()));
            if !suffix.is_empty() {
                detail(&format!("FNR %{suffix}"), percent(confusion.fnr()));
            }
        }
        let area = auroc(&self.scores, &self.hits);
        detail("AUROC", area);
        // upstream logs this as 1 − AUROC (task specification §9.5)
        let binary = self.published.fpr().map(|fpr| (missed + fpr) / 2.0);
        detail("1 - AUROC of the thresholded map", binary);
        Ok(Measure {
            metric: "FNR",
            unit: "%",
            direction: Direction::Lower,
            value: 100.0 * missed,
            trivial: Trivial { name: "majority pixel".to_string(), value: if self.mostly_hit { 0.0 } else { 100.0 } },
            details,
        })
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

    /// Two stamps of 1×4 pixels.
    fn dataset(masks: [[u8; 8]; 2]) -> Samples {
        let rows = Rows { part: "test".into(), start: 0, end: 2 };
        let split = Split { train: rows.clone(), score: rows };
        let y = Array::u8(&[2, 2, 1, 4], masks.concat());
        let part = Part::new(Array::f32(&[2, 1, 1, 4], &[0.0; 8]), y);
        Samples {
            meta: DatasetMeta {
                format: 1,
                task: "cosmic".into(),
                shape: TaskShape { channels: 1, spatial: vec![1, 4], target: Target::Dense { channels: 1 } },
                search: split.clone(),
                last: split,
                source: "embedded:tiny".into(),
                class_names: Vec::new(),
                loss: None,
                metric: None,
            },
            parts: BTreeMap::from([("test".to_string(), part)]),
        }
    }

    const PARAMS: MetricParams = MetricParams {
        split: SplitChoice::Final,
        seed: 0,
        batch_means: true,
        shuffled_lengths: false,
        unseen_only: false,
    };
    /// Hits 1 1 0 0 | 1 0 0 0; ignored: the second and the last pixel of all.
    const MASKS: [[u8; 8]; 2] = [[1, 1, 0, 0, 0, 1, 0, 0], [1, 0, 0, 0, 0, 0, 0, 1]];

    fn logits(values: [f32; 4]) -> Tensor {
        Tensor::from_slice(&values, (1, 1, 1, 4), &Device::Cpu).unwrap()
    }

    #[test]
    fn rates_of_a_hand_worked_case() {
        let samples = dataset(MASKS);
        let mut metric = open(&samples, &PARAMS).unwrap();
        metric.add(&logits([0.6, 0.4, 0.5, -1.0])).unwrap();
        assert!(matches!(metric.finish(), Err(MetricError::Incomplete { expected: 2, found: 1 })));
        metric.add(&logits([0.51, 0.2, -3.0, 9.0])).unwrap();
        let measure = metric.finish().unwrap();
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        // hits 0.6, 0.4, 0.51: one missed; others 0.5, −1, 0.2, −3, 9: one found
        close(measure.value, 100.0 / 3.0);
        let detail = |name: &str| measure.details[name];
        close(detail("TPR %"), 200.0 / 3.0);
        close(detail("FPR %"), 20.0);
        close(detail("FNR % at probability 0.5"), 0.0);
        close(detail("FPR % at probability 0.5"), 60.0);
        close(detail("FNR % without ignored pixels"), 0.0);
        close(detail("FPR % without ignored pixels"), 0.0);
        close(detail("FPR % at probability 0.5 without ignored pixels"), 50.0);
        // pairs won: 0.6 beats 4 of 5, 0.4 beats 3, 0.51 beats 4
        close(detail("AUROC"), 11.0 / 15.0);
        close(detail("1 - AUROC of the thresholded map"), (1.0 / 3.0 + 0.2) / 2.0);
        close(measure.trivial.value, 100.0);
        assert!(metric.add(&logits([0.0; 4])).is_err());
    }

    #[test]
    fn perfect_and_constant_outputs() {
        let samples = dataset(MASKS);
        for (rows, value) in [
            ([[9.0, 9.0, -9.0, -9.0], [9.0, -9.0, -9.0, -9.0]], 0.0),
            ([[-1.0; 4]; 2], 100.0),
            ([[0.5; 4]; 2], 100.0),
            ([[1.0; 4]; 2], 0.0),
        ] {
            let mut metric = open(&samples, &PARAMS).unwrap();
            rows.into_iter().for_each(|row| metric.add(&logits(row)).unwrap());
            assert_eq!(metric.finish().unwrap().value, value);
        }
    }

    #[test]
    fn what_cannot_be_scored_is_an_error() {
        let samples = dataset(MASKS);
        let mut metric = open(&samples, &PARAMS).unwrap();
        assert!(matches!(metric.add(&logits([0.0, f32::NAN, 0.0, 0.0])), Err(MetricError::NotFinite { sample: 0 })));
        let wrong = Tensor::zeros((1, 1, 2, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
        assert!(matches!(metric.add(&wrong), Err(MetricError::Shape { .. })));
        let empty = dataset([[0; 8]; 2]);
        assert!(open(&empty, &PARAMS).err().unwrap().contains("undefined"));
    }
}
