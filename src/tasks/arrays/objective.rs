//! A user's own task as a network sees it: rows as they were prepared, with the loss that its settings name.

use crate::artifacts::samples::Samples;
use crate::tasks::arrays::options::LossName;
use crate::tasks::contract::objective::{Objective, ObjectiveParams};
use crate::tasks::rows::objective::{self, RowLoss};

/// See `rows/objective.rs`.
pub fn open<'a>(samples: &'a Samples, params: &ObjectiveParams) -> Result<Box<dyn Objective + 'a>, String> {
    let name = samples.meta.loss.clone().unwrap_or_default();
    let loss: LossName =
        serde_json::from_value(name.into()).map_err(|e| format!("{}: the loss: {e}", samples.meta.task))?;
    let loss = match loss {
        LossName::CrossEntropy => RowLoss::CrossEntropy,
        LossName::BinaryCrossEntropy => RowLoss::BinaryCrossEntropy,
        LossName::MeanSquaredError => RowLoss::MeanSquared,
        LossName::RelativeL2 => RowLoss::RelativeL2,
    };
    objective::open(&samples.meta.task, samples, params, loss)
}
