//! NinaPro as a network sees it: windows of electrodes × time as they are, cross-entropy (task specification §5).

use crate::artifacts::samples::Samples;
use crate::tasks::contract::objective::{Objective, ObjectiveParams};
use crate::tasks::rows::objective::{self, RowLoss};

/// See `rows/objective.rs`.
pub fn open<'a>(samples: &'a Samples, params: &ObjectiveParams) -> Result<Box<dyn Objective + 'a>, String> {
    objective::open("ninapro", samples, params, RowLoss::CrossEntropy)
}
