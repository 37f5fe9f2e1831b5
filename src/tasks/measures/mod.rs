//! Scores that several tasks share.
pub mod fields;
pub mod macro_f1;
pub mod mean_auroc;
pub mod top1;
