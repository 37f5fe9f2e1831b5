//! Story: every operator against its f64 reference, finite differences and PyTorch; one file per operator.
mod add;
mod average_pool;
mod batch_norm;
mod concat;
mod conv;
mod dropout;
mod global_pool;
mod linear;
mod loss;
mod max_pool;
mod mixed_cell;
mod program;
mod relu;
mod segment_softmax;
mod subsample;
