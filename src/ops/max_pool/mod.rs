//! Largest value of each window; on a tie the first in row order, and a value that is not a number beats all, as in PyTorch.
//! (Candle's own divides the gradient by the window's size and misplaces it where sizes do not divide.) Knows no network.

mod cpu;
pub mod cuda;
mod reference;

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Saved, Sink, View};
use crate::ops::window::Window;

/// x (N,C,H,W) to (N,C,H′,W′) as `Window::output` has it. Padding is less than any value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool {
    pub window: Window,
}

/// Height and width of a plane and of its pooled plane.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    input: [usize; 2],
    output: [usize; 2],
}

impl MaxPool {
    fn sizes(&self, x: &[usize]) -> Sizes {
        let out = self.window.output("max_pool", &[x]).expect("dimensions were checked");
        Sizes { input: [x[2], x[3]], output: [out[2], out[3]] }
    }
}

impl Definition for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        self.window.output("max_pool", inputs)
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[false], output: false }
    }
}

/// Saved indices, one per value of the output: where in its window the maximum lies, in row order.
impl Kernel<f32> for MaxPool {
    fn forward(&self, inputs: &[View<'_, f32>], _mode: Mode<'_, f32>, out: &mut [f32], saved: &mut Saved<f32>) {
        saved.indices = vec![0; out.len()];
        cpu::forward(self, self.sizes(inputs[0].dims), inputs[0].values, out, &mut saved.indices);
    }

    fn backward(
        &self,
        inputs: &[View<'_, f32>],
        _output: &[f32],
        saved: &Saved<f32>,
        gradient: &[f32],
        sinks: &mut [Option<Sink<'_, f32>>],
    ) {
        if let Some(dx) = &mut sinks[0] {
            cpu::backward(self, self.sizes(inputs[0].dims), &saved.indices, gradient, dx);
        }
    }
}

/// Saved indices, one per value of the output: where in the plane the maximum lies.
impl Kernel<f64> for MaxPool {
    fn forward(&self, inputs: &[View<'_, f64>], _mode: Mode<'_, f64>, out: &mut [f64], saved: &mut Saved<f64>) {
        saved.indices = vec![0; out.len()];
        reference::forward(self, self.sizes(inputs[0].dims), inputs[0].values, out, &mut saved.indices);
    }

    fn backward(
        &self,
        inputs: &[View<'_, f64>],
        _output: &[f64],
        saved: &Saved<f64>,
        gradient: &[f64],
        sinks: &mut [Option<Sink<'_, f64>>],
    ) {
        if let Some(dx) = &mut sinks[0] {
            reference::backward(self.sizes(inputs[0].dims), &saved.indices, gradient, dx);
        }
    }
}
