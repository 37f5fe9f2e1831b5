//! Satellite as a network sees it: normalised series, mean cross-entropy (task specification §11.4, §11.5).

use crate::artifacts::samples::Samples;
use crate::tasks::contract::objective::{Objective, ObjectiveParams};
use crate::tasks::rows::objective::{self, RowLoss};

/// See `rows/objective.rs`.
pub fn open<'a>(samples: &'a Samples, params: &ObjectiveParams) -> Result<Box<dyn Objective + 'a>, String> {
    objective::open("satellite", samples, params, RowLoss::CrossEntropy)
}
