//! Story: every operator against its f64 reference, finite differences and PyTorch; one file per operator.
mod mixed_cell;
mod relu;
