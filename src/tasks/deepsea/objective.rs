//! DeepSEA as a network sees it: one-hot bases (4, length), mean binary cross-entropy (task specification §12). Nothing is
//! augmented.

use crate::artifacts::samples::Samples;
use crate::tasks::contract::objective::{Objective, ObjectiveParams};
use crate::tasks::rows::objective::{self, RowLoss};

/// Opens a dataset whose `x` is (N,4,length) and whose `y` is `f32` (N,labels).
pub fn open<'a>(samples: &'a Samples, params: &ObjectiveParams) -> Result<Box<dyn Objective + 'a>, String> {
    objective::open("deepsea", samples, params, RowLoss::BinaryCrossEntropy)
}
