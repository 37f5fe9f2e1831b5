//! CIFAR-100: 3×32×32 colour images of 100 classes, 2D point.
pub mod generator;
pub mod metric;
pub mod objective;
pub mod preparation;
pub mod source;
