//! Fully connected layers. Knows no network.

use crate::nn::builder::{Builder, Value};
use crate::ops::linear::Linear;
use std::sync::Arc;

/// Where the bias starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// At 0, as the wide residual network has it (`NB360:backbone/backbone_pt.py`).
    Zero,
    /// U(−b, b) with b = 1/√inputs: PyTorch's default.
    FanIn,
}

/// (N,channels) to (N,outputs), or with `positions` the same layer at each position of (N,channels,H,W). Weights start as
/// U(−b, b) with b = 1/√channels, PyTorch's default.
pub fn layer(b: &mut Builder, name: &str, x: Value, outputs: usize, positions: bool, bias: Bias) -> Value {
    let bound = 1.0 / (x.channels as f64).sqrt();
    let parameters = b.within(name, |b| {
        let weight = b.parameter("weight", &[outputs, x.channels], |s| (2.0 * s.uniform() - 1.0) * bound);
        let bias = match bias {
            Bias::Zero => b.parameter("bias", &[outputs], |_| 0.0),
            Bias::FanIn => b.parameter("bias", &[outputs], |s| (2.0 * s.uniform() - 1.0) * bound),
        };
        [weight, bias]
    });
    b.step(Arc::new(Linear { bias: true, positions }), &[x], parameters, outputs)
}
