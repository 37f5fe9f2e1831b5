//! Scores that several tasks share.
pub mod mean_auroc;
pub mod top1;
