//! Macro-averaged F1 of classes, beside that of always naming the most frequent training class.

use crate::artifacts::dataset::Target;
use crate::artifacts::samples::Samples;
use crate::artifacts::score::{Direction, Trivial};
use crate::metrics::f1::{f1, macro_f1};
use crate::metrics::top1::{majority, predicted};
use crate::tasks::contract::metric::{Measure, Metric, MetricError, MetricParams};
use candle_core::Tensor;
use std::collections::BTreeMap;

struct MacroF1 {
    labels: Vec<u32>,
    classes: usize,
    majority: u32,
    found: Vec<u32>,
}

/// Opens the scored rows of a dataset whose `y` is `u32` (N). `task` is for messages.
pub fn open<'a>(task: &str, samples: &'a Samples, params: &MetricParams) -> Result<Box<dyn Metric + 'a>, String> {
    let Target::Point { classes } = samples.meta.shape.target else {
        return Err(format!("{task}: one class per sample was expected, found {:?}", samples.meta.shape.target));
    };
    let split = samples.split(params.split);
    let train = samples.part(&split.train)?.y.to_u32()?;
    let labels = samples.part(&split.score)?.y.to_u32()?[split.score.start..split.score.end].to_vec();
    let majority =
        majority(&train[split.train.start..split.train.end]).ok_or_else(|| format!("{task}: no training labels"))?;
    Ok(Box::new(MacroF1 { labels, classes, majority, found: Vec::new() }))
}

impl Metric for MacroF1 {
    fn add(&mut self, outputs: &Tensor) -> Result<(), MetricError> {
        for row in outputs.to_vec2::<f32>()? {
            let sample = self.found.len();
            if sample == self.labels.len() {
                return Err(MetricError::Incomplete { expected: sample, found: sample + 1 });
            }
            self.found.push(predicted(&row).ok_or(MetricError::NotFinite { sample })? as u32);
        }
        Ok(())
    }

    fn finish(&self) -> Result<Measure, MetricError> {
        let expected = self.labels.len();
        if self.found.len() != expected || expected == 0 {
            return Err(MetricError::Incomplete { expected, found: self.found.len() });
        }
        let constant = vec![self.majority; expected];
        let per_class = f1(&self.labels, &self.found, self.classes);
        let details = per_class.iter().enumerate().map(|(class, value)| (format!("F1 of class {class}"), *value));
        Ok(Measure {
            metric: "macro F1",
            unit: "",
            direction: Direction::Higher,
            value: macro_f1(&self.labels, &self.found, self.classes),
            trivial: Trivial {
                name: "majority class".to_string(),
                value: macro_f1(&self.labels, &constant, self.classes),
            },
            details: if self.classes <= 50 { details.collect() } else { BTreeMap::new() },
        })
    }
}
