//! CIFAR-100: 32×32 colour pictures of 100 classes, 2D point.
pub mod picture;
pub mod preparation;
pub mod source;
//! CIFAR-100: 3×32×32 colour images of 100 classes.
pub mod metric;
pub mod objective;
