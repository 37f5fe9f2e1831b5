//! Macro mean average precision over labels; mean AUROC beside it. A constant answer scores the share of positives.

use crate::artifacts::samples::Samples;
use crate::artifacts::score::{Direction, Trivial};
use crate::metrics::average_precision::average_precision;
use crate::metrics::tallies::LabelScores;
use crate::tasks::contract::metric::{Measure, Metric, MetricError, MetricParams};
use candle_core::Tensor;
use std::collections::BTreeMap;

struct MeanAveragePrecision {
    /// Scored samples × labels, row-major.
    truth: Vec<bool>,
    labels: usize,
    seen: usize,
    tally: LabelScores,
}

/// Opens the scored rows of a dataset whose `y` is `f32` (N,labels). `task` is for messages.
pub fn open<'a>(task: &str, samples: &'a Samples, params: &MetricParams) -> Result<Box<dyn Metric + 'a>, String> {
    let rows = &samples.split(params.split).score;
    let array = &samples.part(rows)?.y;
    let &[_, labels] = &array.shape[..] else {
        return Err(format!("{task}: labels of shape (N, labels) were expected, found {:?}", array.shape));
    };
    let mut values = Vec::new();
    array.append_f32(rows.start * labels, rows.end * labels, &mut values)?;
    let truth: Vec<bool> = values.iter().map(|v| *v > 0.5).collect();
    if !truth.contains(&true) {
        return Err(format!("{task}: none of the {} scored samples has any label: no average precision", rows.len()));
    }
    Ok(Box::new(MeanAveragePrecision { truth, labels, seen: 0, tally: LabelScores::new(labels) }))
}
