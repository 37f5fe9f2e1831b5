//! Scores that several tasks share.
pub mod fields;
pub mod macro_f1;
pub mod mean_average_precision;
pub mod top1;
