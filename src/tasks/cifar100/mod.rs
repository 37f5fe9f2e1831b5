//! CIFAR-100: 32×32 colour pictures of 100 classes, 2D point.
pub mod picture;
pub mod preparation;
pub mod source;
