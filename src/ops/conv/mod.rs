//! Convolution of planes with stride, dilation, groups, and padding that may differ before and after; a bias and a summand
//! of the output's size can be added on the way out. Knows no layer. How it is computed: `cpu.rs`.

pub(super) mod axes;
pub(super) mod correlation;
pub(super) mod cpu;
pub mod cuda;
pub(super) mod depthwise;
pub(super) mod memory;
pub(super) mod panels;
pub(super) mod products;
mod reference;
pub(super) mod sizes;
mod weight_gradient;
mod winograd;

use crate::ops::apply::{Pass, apply};
use crate::ops::conv::sizes::Sizes;
use crate::ops::operator::{Definition, Kernel, Mode, Operator, Reads, Saved, Sink, View};
use candle_core::{Result, Tensor};
use std::sync::Arc;

/// Inputs: x (N,C,H,W), weights (O,C/groups,h,w), then bias (O) if `bias`, then a summand of the output's size if `residual`.
/// Output: (N,O,H',W') with H' = (H + before + after − dilation·(h − 1) − 1)/stride + 1, rounded down.
///
/// A pair is (vertical, horizontal); padding is (before, after) of each. A series is an image of height 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    pub stride: [usize; 2],
    pub padding: [[usize; 2]; 2],
    pub dilation: [usize; 2],
    pub groups: usize,
    pub bias: bool,
    pub residual: bool,
}

impl Conv {
    /// The same padding before and after, one group, no dilation, neither bias nor summand.
    pub fn new(stride: [usize; 2], padding: [usize; 2]) -> Conv {
        let padding = padding.map(|p| [p; 2]);
        Conv { stride, padding, dilation: [1; 2], groups: 1, bias: false, residual: false }
    }

    pub(super) fn sizes(&self, x: &[usize], weight: &[usize]) -> Sizes {
        Sizes::of(self, x, weight).expect("dimensions were checked by the definition")
    }
}

/// `x` (N,C,H,W), `weight` (O,C/groups,h,w) and `bias` (O) to (N,O,H',W'), as a node of the graph.
///
/// Errors: dimensions that do not fit; `op.bias` and `op.residual` are set by what is given.
pub fn conv(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, op: Conv) -> Result<Tensor> {
    let op: Arc<dyn Operator> = Arc::new(Conv { bias: bias.is_some(), residual: false, ..op });
    let inputs: Vec<&Tensor> = [x, weight].into_iter().chain(bias).collect();
    Ok(apply(&op, &inputs, Pass::Train { step: 0 })?.0)
}

impl Definition for Conv {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn output(&self, inputs: &[&[usize]]) -> std::result::Result<Vec<usize>, String> {
        let expected = 2 + usize::from(self.bias) + usize::from(self.residual);
        if inputs.len() != expected {
            return Err(format!("conv: {expected} inputs were expected, found {}", inputs.len()));
        }
        let s = Sizes::of(self, inputs[0], inputs[1])?;
        if self.bias && inputs[2] != [s.outputs] {
            return Err(format!("conv: a bias [{}] was expected, found {:?}", s.outputs, inputs[2]));
        }
        let out = vec![s.images, s.outputs, s.out[0], s.out[1]];
        if self.residual && inputs[expected - 1] != out {
            return Err(format!("conv: a summand {out:?} was expected, found {:?}", inputs[expected - 1]));
        }
        Ok(out)
    }

    fn reads(&self) -> Reads {
        let inputs: &[bool] = match (self.bias, self.residual) {
            (false, false) => &[true, true],
            (true, true) => &[true, true, false, false],
            _ => &[true, true, false],
        };
        Reads { inputs, output: false }
    }
}

/// Bias and summand among the inputs after the second.
fn rest<'a, T>(op: &Conv, inputs: &[View<'a, T>]) -> [Option<&'a [T]>; 2] {
    let mut rest = inputs[2..].iter().map(|view| view.values);
    [op.bias, op.residual].map(|present| if present { rest.next() } else { None })
}

/// The four sinks, whether or not the operator has all of these inputs.
fn split<'s, 'a, T>(op: &Conv, sinks: &'s mut [Option<Sink<'a, T>>]) -> [Option<&'s mut Sink<'a, T>>; 4] {
    let mut sinks = sinks.iter_mut();
    [true, true, op.bias, op.residual].map(|present| if present { sinks.next().and_then(Option::as_mut) } else { None })
}

impl Kernel<f64> for Conv {
    fn forward(&self, inputs: &[View<'_, f64>], _mode: Mode<'_, f64>, out: &mut [f64], _saved: &mut Saved<f64>) {
        let s = self.sizes(inputs[0].dims, inputs[1].dims);
        let [bias, residual] = rest(self, inputs);
        reference::forward(&s, inputs[0].values, inputs[1].values, bias, residual, out);
    }

    fn backward(
        &self,
        inputs: &[View<'_, f64>],
        _output: &[f64],
        _saved: &Saved<f64>,
        gradient: &[f64],
        sinks: &mut [Option<Sink<'_, f64>>],
    ) {
        let s = self.sizes(inputs[0].dims, inputs[1].dims);
        let [dx, dw, db, dr] = split(self, sinks);
        if let Some(sink) = dx {
            reference::input_gradient(&s, inputs[1].values, gradient, sink);
        }
        if let Some(sink) = dw {
            reference::weight_gradient(&s, inputs[0].values, gradient, sink);
        }
        if let Some(sink) = db {
            reference::bias_gradient(&s, gradient, sink);
        }
        if let Some(sink) = dr {
            gradient.iter().enumerate().for_each(|(i, g)| sink.put(i, *g));
        }
    }
}

impl Kernel<f32> for Conv {
    fn forward(&self, inputs: &[View<'_, f32>], _mode: Mode<'_, f32>, out: &mut [f32], _saved: &mut Saved<f32>) {
        let s = self.sizes(inputs[0].dims, inputs[1].dims);
        let [bias, residual] = rest(self, inputs);
        cpu::forward(&s, inputs[0].values, inputs[1].values, bias, residual, out);
    }

    fn backward(
        &self,
        inputs: &[View<'_, f32>],
        _output: &[f32],
        _saved: &Saved<f32>,
        gradient: &[f32],
        sinks: &mut [Option<Sink<'_, f32>>],
    ) {
        let s = self.sizes(inputs[0].dims, inputs[1].dims);
        let [dx, dw, db, dr] = split(self, sinks);
        if let Some(sink) = dx {
            cpu::input_gradient(&s, inputs[1].values, gradient, sink);
        }
        if let Some(sink) = dw {
            cpu::weight_gradient(&s, inputs[0].values, gradient, sink);
        }
        if let Some(sink) = db {
            cpu::bias_gradient(&s, gradient, sink);
        }
        if let Some(sink) = dr {
            cpu::residual_gradient(gradient, sink);
        }
    }
}
