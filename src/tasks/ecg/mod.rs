//! ECG: single-lead recordings of 9 to 61 seconds, four rhythms, 1D point.
pub mod folds;
pub mod metric;
pub mod objective;
pub mod recordings;
pub mod scored;
pub mod signal;
pub mod source;
pub mod windows;
