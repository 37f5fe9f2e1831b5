//! A user's own task: arrays in npy, npz or safetensors files. Dimension, kind of target, loss and score are settings.
pub mod generator;
pub mod inspect;
pub mod metric;
pub mod objective;
pub mod options;
pub mod preparation;
pub mod shapes;
pub mod source;
pub mod staged;
