//! Convolution layers. Knows no network.

use crate::nn::builder::{Builder, Value};
use crate::nn::program::Source;
use crate::ops::conv::Conv;
use std::sync::Arc;

/// How the weights start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// N(0, 2 / (k²·C_out)): kaiming normal over the fan-out, as the wide residual network has it.
    FanOut,
    /// U(−b, b) with b = 1/√(C_in·k²/groups): PyTorch's default for convolution and linear layers, biases included.
    FanIn,
}

/// One layer without its inputs: a convolution of (N,inputs,H,W).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    pub inputs: usize,
    pub outputs: usize,
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    /// Zeros before and after, per axis.
    pub padding: [[usize; 2]; 2],
    pub dilation: [usize; 2],
    pub groups: usize,
}

impl ConvShape {
    /// A kernel of k per axis (k along a series) that keeps the size at stride 1. An even k pads one more behind.
    pub fn same(series: bool, inputs: usize, outputs: usize, k: usize, stride: usize) -> Self {
        let axis = |used: bool| {
            let k = if used { k } else { 1 };
            (k, if used { stride } else { 1 }, [(k - 1) / 2, k / 2])
        };
        let (vertical, horizontal) = (axis(!series), axis(true));
        ConvShape {
            inputs,
            outputs,
            kernel: [vertical.0, horizontal.0],
            stride: [vertical.1, horizontal.1],
            padding: [vertical.2, horizontal.2],
            dilation: [1, 1],
            groups: 1,
        }
    }

    fn fan_in(&self) -> usize {
        self.inputs / self.groups * self.kernel[0] * self.kernel[1]
    }

    fn op(&self, bias: bool, residual: bool) -> Conv {
        let ConvShape { stride, padding, dilation, groups, .. } = *self;
        Conv { stride, padding, dilation, groups, bias, residual }
    }

    /// Makes `weight` under the current path.
    pub fn weight(&self, b: &mut Builder, init: Init) -> Source {
        let dims = [self.outputs, self.inputs / self.groups, self.kernel[0], self.kernel[1]];
        match init {
            Init::FanOut => {
                let deviation = (2.0 / (self.kernel[0] * self.kernel[1] * self.outputs) as f64).sqrt();
                b.parameter("weight", &dims, |s| s.normal() * deviation)
            }
            Init::FanIn => {
                let bound = 1.0 / (self.fan_in() as f64).sqrt();
                b.parameter("weight", &dims, |s| (2.0 * s.uniform() - 1.0) * bound)
            }
        }
    }

    /// The convolution of `x` with weights made before; `residual` is added to it.
    pub fn apply(&self, b: &mut Builder, x: Value, weight: Source, residual: Option<Value>) -> Value {
        let op = Arc::new(self.op(false, residual.is_some()));
        match residual {
            None => b.step(op, &[x], [weight], self.outputs),
            Some(residual) => b.step_between(op, x, [weight], residual, self.outputs),
        }
    }

    /// Makes `<name>.weight` and convolves.
    pub fn layer(&self, b: &mut Builder, name: &str, x: Value, init: Init) -> Value {
        let weight = b.within(name, |b| self.weight(b, init));
        self.apply(b, x, weight, None)
    }

    /// Makes `<name>.weight` and `<name>.bias`, both by `Init::FanIn`, and convolves.
    pub fn layer_with_bias(&self, b: &mut Builder, name: &str, x: Value) -> Value {
        let bound = 1.0 / (self.fan_in() as f64).sqrt();
        let parameters = b.within(name, |b| {
            let weight = self.weight(b, Init::FanIn);
            [weight, b.parameter("bias", &[self.outputs], |s| (2.0 * s.uniform() - 1.0) * bound)]
        });
        b.step(Arc::new(self.op(true, false)), &[x], parameters, self.outputs)
    }
}
