//! Convolution layer with its weights and an optional bias. 1D is a plane of height 1 by value.

use crate::nn::parameters::Builder;
use crate::ops::conv;
use candle_core::{Result, Tensor};

/// How the weights start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// N(0, 2 / (k²·C_out)): kaiming normal over the fan-out, as the wide residual network has it.
    FanOut,
    /// U(−b, b) with b = 1/√(C_in·k²): PyTorch's default for convolution and linear layers.
    FanIn,
}

#[derive(Clone, Debug)]
pub struct Conv {
    weight: Tensor,
    bias: Option<Tensor>,
    op: conv::Conv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    pub inputs: usize,
    pub outputs: usize,
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
}

impl ConvShape {
    /// A k×k kernel that keeps the size of the plane at stride 1 (k odd).
    pub fn square(inputs: usize, outputs: usize, k: usize, stride: usize) -> Self {
        ConvShape { inputs, outputs, kernel: [k; 2], stride: [stride; 2], padding: [k / 2; 2] }
    }
}

impl Conv {
    pub fn new(builder: &mut Builder, name: &str, shape: ConvShape, init: Init) -> Result<Self> {
        let ConvShape { inputs, outputs, kernel, stride, padding } = shape;
        let window = kernel[0] * kernel[1];
        let dims = [outputs, inputs, kernel[0], kernel[1]];
        let weight = builder.within(name, |b| match init {
            Init::FanOut => {
                let deviation = (2.0 / (window * outputs) as f64).sqrt();
                b.parameter("weight", &dims, |s| s.normal() * deviation)
            }
            Init::FanIn => {
                let bound = 1.0 / ((window * inputs) as f64).sqrt();
                b.parameter("weight", &dims, |s| (2.0 * s.uniform() - 1.0) * bound)
            }
        })?;
        Ok(Conv { weight, bias: None, op: conv::Conv::new(stride, padding) })
    }

    /// Adds a bias that starts at 0.
    pub fn with_zero_bias(mut self, builder: &mut Builder, name: &str) -> Result<Self> {
        let outputs = self.weight.dim(0)?;
        self.bias = Some(builder.within(name, |b| b.parameter("bias", &[outputs], |_| 0.0))?);
        Ok(self)
    }

    /// (N,C,H,W) to (N,O,H',W').
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        conv::conv(x, &self.weight, self.bias.as_ref(), self.op)
    }
}
