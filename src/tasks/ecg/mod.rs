//! ECG: single-lead recordings of 9 to 61 seconds, four rhythms, 1D point.
pub mod folds;
pub mod generator;
pub mod heart;
pub mod lead;
pub mod metric;
pub mod objective;
pub mod pickle_file;
pub mod preparation;
pub mod record_files;
pub mod record_signal;
pub mod recordings;
pub mod recordings_writer;
pub mod rhythm;
pub mod scored;
pub mod signal;
pub mod source;
pub mod windows;
