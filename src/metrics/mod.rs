//! Measures of predictions, one file each, in f64. Know no task.
pub mod auroc;
pub mod average_precision;
pub mod contacts;
pub mod defined;
pub mod f1;
pub mod rates;
pub mod relative_l2;
pub mod tallies;
pub mod thresholds;
pub mod top1;
