//! Planted: a control of searches, not a task of the benchmark. White noise in several channels; at each position the answer is
//! what every channel was [`DISTANCE`](distance::DISTANCE) positions before and will be as many after, which one primitive
//! of the DARTS cell gives by itself and in one step. 1D dense.
pub mod distance;
pub mod generator;
pub mod metric;
pub mod objective;
pub mod preparation;
pub mod source;
