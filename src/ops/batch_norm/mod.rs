//! Batch normalisation per channel, then scale and shift, a residual sum and ReLU where asked for. In training by the batch's
//! own statistics, else by running ones. Knows no running average: it gives the batch's statistics to the layer.

pub(super) mod cpu;
pub mod cuda;
pub(super) mod moments;
pub(super) mod reference;

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Saved, Sink, View};

/// Inputs in this order: x (N,C,…); scale and shift (C) each, if `affine`; a residual of x's dimensions, if `residual`.
/// Output: (x − mean)/√(variance + eps)·scale + shift + residual, below 0 set to 0 if `relu`, in x's dimensions.
/// Statistics: C means, then C variances; the batch's variances have divisor n − 1 there, as PyTorch feeds its running
/// average, and n in the output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNorm {
    pub affine: bool,
    pub relu: bool,
    pub residual: bool,
    pub eps: f64,
}

/// (N, C, values per plane) of dimensions (N,C,…).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sizes {
    images: usize,
    channels: usize,
    plane: usize,
}

impl Sizes {
    fn of(dims: &[usize]) -> Result<Sizes, String> {
        match dims {
            [n, c, rest @ ..] if dims.iter().all(|d| *d > 0) => {
                Ok(Sizes { images: *n, channels: *c, plane: rest.iter().product() })
            }
            _ => Err(format!("batch_norm: dimensions (N,C,…) without zeros were expected, found {dims:?}")),
        }
    }

    /// Values per channel.
    fn count(&self) -> f64 {
        (self.images * self.plane) as f64
    }
}

/// Where the sign before ReLU is read from in a backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mask {
    None,
    /// Computed again from x.
    Input,
    /// The output is positive: with a residual, that spares keeping the residual.
    Output,
}

impl BatchNorm {
    fn mask(&self) -> Mask {
        match (self.relu, self.residual) {
            (false, _) => Mask::None,
            (true, false) => Mask::Input,
            (true, true) => Mask::Output,
        }
    }

    /// Position of the residual among the inputs.
    fn residual_at(&self) -> Option<usize> {
        self.residual.then_some(if self.affine { 3 } else { 1 })
    }

    /// Scale and shift.
    fn scales<'a, T>(&self, inputs: &[View<'a, T>]) -> Option<(&'a [T], &'a [T])> {
        self.affine.then(|| (inputs[1].values, inputs[2].values))
    }
}

impl Definition for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let expected = 1 + 2 * usize::from(self.affine) + usize::from(self.residual);
        if inputs.len() != expected {
            return Err(format!("batch_norm: {expected} inputs were expected, found {}", inputs.len()));
        }
        let x = inputs[0];
        let Sizes { channels, .. } = Sizes::of(x)?;
        if self.affine && (inputs[1] != [channels] || inputs[2] != [channels]) {
            let (scale, shift) = (inputs[1], inputs[2]);
            return Err(format!(
                "batch_norm: scale and shift of {channels} values were expected, found {scale:?} and {shift:?}"
            ));
        }
        match self.residual_at() {
            Some(at) if inputs[at] != x => {
                Err(format!("batch_norm: a residual of dimensions {x:?} was expected, found {:?}", inputs[at]))
            }
            _ => Ok(x.to_vec()),
        }
    }

    fn statistics(&self, inputs: &[&[usize]]) -> usize {
        2 * inputs[0][1]
    }

    /// PyTorch refuses a channel of a single value too: its statistics say nothing.
    fn trains(&self, inputs: &[&[usize]]) -> Result<(), String> {
        match Sizes::of(inputs[0])? {
            Sizes { images: 1, plane: 1, .. } => {
                let found = inputs[0];
                Err(format!("batch_norm: more than one value per channel was expected in training, found {found:?}"))
            }
            _ => Ok(()),
        }
    }

    fn reads(&self) -> Reads {
        // the shift is read only where the sign before ReLU is computed again
        let inputs: &'static [bool] = match (self.affine, self.residual) {
            (false, false) => &[true],
            (false, true) => &[true, false],
            (true, false) if self.relu => &[true, true, true],
            (true, false) => &[true, true, false],
            (true, true) => &[true, true, false, false],
        };
        Reads { inputs, output: self.mask() == Mask::Output }
    }
}

impl Kernel<f32> for BatchNorm {
    fn forward(&self, inputs: &[View<'_, f32>], mode: Mode<'_, f32>, out: &mut [f32], saved: &mut Saved<f32>) {
        cpu::forward(self, inputs, mode, out, saved);
    }

    fn backward(
        &self,
        inputs: &[View<'_, f32>],
        output: &[f32],
        saved: &Saved<f32>,
        gradient: &[f32],
        sinks: &mut [Option<Sink<'_, f32>>],
    ) {
        cpu::backward(self, inputs, output, saved, gradient, sinks);
    }
}

impl Kernel<f64> for BatchNorm {
    fn forward(&self, inputs: &[View<'_, f64>], mode: Mode<'_, f64>, out: &mut [f64], saved: &mut Saved<f64>) {
        reference::forward(self, inputs, mode, out, saved);
    }

    fn backward(
        &self,
        inputs: &[View<'_, f64>],
        output: &[f64],
        saved: &Saved<f64>,
        gradient: &[f64],
        sinks: &mut [Option<Sink<'_, f64>>],
    ) {
        reference::backward(self, inputs, output, saved, gradient, sinks);
    }
}
