//! Rows of features, or the features at each position of an image, times a matrix of weights, plus a bias. Knows no layer.

mod cpu;
pub mod cuda;
mod positions;
mod reference;

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Saved, Sink, View};

/// Inputs: x, weight (O,I), and a bias (O) if `bias`. x is (N,I) and the output (N,O); with `positions` x is (N,I,…) and the
/// output (N,O,…): the same product at each position, a convolution of 1×1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linear {
    pub bias: bool,
    pub positions: bool,
}

/// Images or rows, inputs, outputs, and positions of an image.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    images: usize,
    inputs: usize,
    outputs: usize,
    plane: usize,
}

impl Sizes {
    fn of(inputs: &[View<'_, impl Copy>]) -> Sizes {
        let (x, weight) = (inputs[0].dims, inputs[1].dims);
        Sizes { images: x[0], inputs: x[1], outputs: weight[0], plane: x[2..].iter().product() }
    }
}

impl Definition for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let expected = 2 + usize::from(self.bias);
        if inputs.len() != expected {
            return Err(format!("linear: {expected} inputs were expected, found {}", inputs.len()));
        }
        let (x, weight) = (inputs[0], inputs[1]);
        let rank = if self.positions { x.len() >= 3 } else { x.len() == 2 };
        let (true, &[o, i]) = (rank, weight) else {
            let form = if self.positions { "(N,I,…)" } else { "(N,I)" };
            return Err(format!("linear: dimensions {form} and (O,I) were expected, found {x:?} and {weight:?}"));
        };
        if x[1] != i || x.contains(&0) || o == 0 {
            return Err(format!("linear: x of {i} features was expected for weights {weight:?}, found {x:?}"));
        }
        if self.bias && inputs[2] != [o] {
            return Err(format!("linear: a bias of {o} values was expected, found {:?}", inputs[2]));
        }
        let mut out = x.to_vec();
        out[1] = o;
        Ok(out)
    }

    fn reads(&self) -> Reads {
        Reads { inputs: if self.bias { &[true, true, false] } else { &[true, true] }, output: false }
    }
}

impl Kernel<f32> for Linear {
    fn forward(&self, inputs: &[View<'_, f32>], _mode: Mode<'_, f32>, out: &mut [f32], _saved: &mut Saved<f32>) {
        let (sizes, bias) = (Sizes::of(inputs), inputs.get(2).map(|b| b.values));
        let run = if self.positions { positions::forward } else { cpu::forward };
        run(sizes, inputs[0].values, inputs[1].values, bias, out);
    }

    fn backward(
        &self,
        inputs: &[View<'_, f32>],
        _output: &[f32],
        _saved: &Saved<f32>,
        gradient: &[f32],
        sinks: &mut [Option<Sink<'_, f32>>],
    ) {
        let run = if self.positions { positions::backward } else { cpu::backward };
        run(Sizes::of(inputs), inputs[0].values, inputs[1].values, gradient, sinks);
    }
}

impl Kernel<f64> for Linear {
    fn forward(&self, inputs: &[View<'_, f64>], _mode: Mode<'_, f64>, out: &mut [f64], _saved: &mut Saved<f64>) {
        let (sizes, bias) = (Sizes::of(inputs), inputs.get(2).map(|b| b.values));
        reference::forward(sizes, inputs[0].values, inputs[1].values, bias, out);
    }

    fn backward(
        &self,
        inputs: &[View<'_, f64>],
        _output: &[f64],
        _saved: &Saved<f64>,
        gradient: &[f64],
        sinks: &mut [Option<Sink<'_, f64>>],
    ) {
        reference::backward(Sizes::of(inputs), inputs[0].values, inputs[1].values, gradient, sinks);
    }
}
