//! Spherical as a network sees it: bytes 0 to 255 as they are (task specification §4.2(a)), mean cross-entropy.

use crate::artifacts::samples::Samples;
use crate::tasks::contract::objective::{Objective, ObjectiveParams};
use crate::tasks::rows::objective::{self, RowLoss};

/// See `rows/objective.rs`.
pub fn open<'a>(samples: &'a Samples, params: &ObjectiveParams) -> Result<Box<dyn Objective + 'a>, String> {
    objective::open("spherical", samples, params, RowLoss::CrossEntropy)
}
