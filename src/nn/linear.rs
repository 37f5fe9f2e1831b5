//! Fully connected layer.

use crate::nn::parameters::Builder;
use crate::ops::linear;
use candle_core::{Result, Tensor};

#[derive(Clone, Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// Weights U(−b, b) with b = 1/√inputs (PyTorch's default), bias 0 (`NB360:backbone/backbone_pt.py`).
    pub fn with_zero_bias(builder: &mut Builder, name: &str, inputs: usize, outputs: usize) -> Result<Self> {
        let bound = 1.0 / (inputs as f64).sqrt();
        builder.within(name, |b| {
            let weight = b.parameter("weight", &[outputs, inputs], |s| (2.0 * s.uniform() - 1.0) * bound)?;
            let bias = b.parameter("bias", &[outputs], |_| 0.0)?;
            Ok(Linear { weight, bias })
        })
    }

    /// (N,inputs) to (N,outputs).
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        linear::linear(x, &self.weight)?.broadcast_add(&self.bias)
    }

    /// The same layer at each position: (N,inputs,H,W) to (N,outputs,H,W).
    pub fn forward_positions(&self, x: &Tensor) -> Result<Tensor> {
        let (n, inputs, h, w) = x.dims4()?;
        let rows = x.permute((0, 2, 3, 1))?.reshape((n * h * w, inputs))?;
        let y = self.forward(&rows)?;
        y.reshape((n, h, w, y.dim(1)?))?.permute((0, 3, 1, 2))?.contiguous()
    }
}
