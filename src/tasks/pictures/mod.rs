//! CIFAR-100's pictures, real or drawn: two tasks are made of them.
pub mod draw;
pub mod read;
