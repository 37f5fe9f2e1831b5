//! What training and evaluation need of any network. Knows no space.

use crate::nn::parameters::ParameterSet;
use candle_core::{Result, Tensor};

/// How a forward pass is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics, dropout drawn for this optimiser step.
    Train { step: u64 },
    /// Running statistics, no dropout.
    Evaluate,
}

pub trait Network: Send {
    /// `x` (N,C,spatial…) to (N,outputs) for a point task or (N,channels,spatial…) for a dense one.
    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor>;
    fn parameters(&self) -> &ParameterSet;
}
