//! Planted as a network sees it: noise as it is, mean squared error.

use crate::artifacts::samples::Samples;
use crate::tasks::contract::objective::{Objective, ObjectiveParams};
use crate::tasks::rows::objective::{self, RowLoss};

/// See `rows/objective.rs`.
pub fn open<'a>(samples: &'a Samples, params: &ObjectiveParams) -> Result<Box<dyn Objective + 'a>, String> {
    objective::open("planted", samples, params, RowLoss::MeanSquared)
}
