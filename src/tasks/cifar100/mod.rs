//! CIFAR-100: 3×32×32 colour images of 100 classes.
pub mod metric;
pub mod objective;
