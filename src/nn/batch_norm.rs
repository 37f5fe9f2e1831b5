//! Batch normalisation layers with running statistics. Knows no network.

use crate::nn::builder::{Builder, Value};
use crate::nn::program::Source;
use crate::ops::batch_norm::BatchNorm;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norm {
    /// Trained scale and shift.
    pub affine: bool,
    /// ReLU of the result, in the same pass.
    pub relu: bool,
    pub epsilon: f64,
    /// Share of the newest batch in the running statistics.
    pub momentum: f64,
}

/// PyTorch's constants.
pub const NORM: Norm = Norm { affine: true, relu: false, epsilon: 1e-5, momentum: 0.1 };
pub const NORM_RELU: Norm = Norm { relu: true, ..NORM };

impl Norm {
    /// Makes the running statistics, and scale and shift where there are any.
    pub fn parameters(&self, b: &mut Builder, name: &str, channels: usize) -> Vec<Source> {
        b.within(name, |b| {
            b.buffer("running_mean", channels, 0.0, self.momentum);
            b.buffer("running_var", channels, 1.0, self.momentum);
            let mut make = |name: &str, value: f64| b.parameter(name, &[channels], |_| value);
            if self.affine { vec![make("weight", 1.0), make("bias", 0.0)] } else { Vec::new() }
        })
    }

    /// Normalises each channel of `x`; `residual` is added before the ReLU.
    pub fn layer(&self, b: &mut Builder, name: &str, x: Value, residual: Option<Value>) -> Value {
        let Norm { affine, relu, epsilon: eps, .. } = *self;
        let channels = x.channels;
        let parameters = self.parameters(b, name, channels);
        let op = Arc::new(BatchNorm { affine, relu, residual: residual.is_some(), eps });
        match residual {
            None => b.step(op, &[x], parameters, channels),
            Some(residual) => b.step_between(op, x, parameters, residual, channels),
        }
    }
}
