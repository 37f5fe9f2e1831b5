//! NinaPro DB5: muscle signals of 16 electrodes on a forearm, 18 gestures, 2D point.
pub mod electrodes;
pub mod forearm;
pub mod generator;
pub mod metric;
pub mod objective;
pub mod preparation;
pub mod raw_files;
pub mod raw_signal;
pub mod source;
pub mod window_files;
pub mod windows;
