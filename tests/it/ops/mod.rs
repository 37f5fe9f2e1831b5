//! Story: every operator against its f64 reference, finite differences and PyTorch; one file per operator.
mod add;
mod average_pool;
mod batch_norm;
mod channels;
mod controller;
mod dropout;
mod global_pool;
mod golden;
mod linear;
mod losses;
mod max_pool;
mod relu;
mod softmax;
mod upsample;
