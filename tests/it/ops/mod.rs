//! Story: every operator against its f64 reference, finite differences and PyTorch; one file per operator.
mod batch_norm;
mod relu;
