//! Spherical: CIFAR-100's pictures projected onto a rotated sphere, 3×60×60, 100 classes, 2D point.
pub mod generator;
pub mod metric;
pub mod objective;
pub mod preparation;
pub mod projection;
pub mod source;
