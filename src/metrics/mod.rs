//! Measures of predictions, one file each, in f64. Know no task.
pub mod relative_l2;
pub mod top1;
