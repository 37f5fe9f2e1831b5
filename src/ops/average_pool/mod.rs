//! Mean of each window. (Candle's own misplaces its gradient where sizes do not divide.) Knows no network.

mod cpu;
pub mod cuda;
mod reference;

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Saved, Sink, View};
use crate::ops::window::Window;

/// x (N,C,H,W) to (N,C,H′,W′) as `Window::output` has it: the sum over each window, padding being 0, by its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AveragePool {
    pub window: Window,
    /// The count takes in the padding (but not what hangs over behind it), as PyTorch's `count_include_pad`.
    pub count_padding: bool,
}

/// Height and width of a plane and of its pooled plane.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    input: [usize; 2],
    output: [usize; 2],
}

impl AveragePool {
    fn sizes(&self, x: &[usize]) -> Sizes {
        let out = self.window.output("average_pool", &[x]).expect("dimensions were checked");
        Sizes { input: [x[2], x[3]], output: [out[2], out[3]] }
    }

    /// How many values each window counts along an axis.
    fn counts(&self, axis: usize, sizes: Sizes) -> Vec<usize> {
        let count = |at| self.window.count(axis, at, sizes.input[axis], self.count_padding);
        (0..sizes.output[axis]).map(count).collect()
    }
}

impl Definition for AveragePool {
    fn name(&self) -> &'static str {
        "average_pool"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        self.window.output("average_pool", inputs)
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[false], output: false }
    }
}

impl Kernel<f32> for AveragePool {
    fn forward(&self, inputs: &[View<'_, f32>], _mode: Mode<'_, f32>, out: &mut [f32], _saved: &mut Saved<f32>) {
        cpu::forward(self, self.sizes(inputs[0].dims), inputs[0].values, out);
    }

    fn backward(
        &self,
        inputs: &[View<'_, f32>],
        _output: &[f32],
        _saved: &Saved<f32>,
        gradient: &[f32],
        sinks: &mut [Option<Sink<'_, f32>>],
    ) {
        if let Some(dx) = &mut sinks[0] {
            cpu::backward(self, self.sizes(inputs[0].dims), gradient, dx);
        }
    }
}

impl Kernel<f64> for AveragePool {
    fn forward(&self, inputs: &[View<'_, f64>], _mode: Mode<'_, f64>, out: &mut [f64], _saved: &mut Saved<f64>) {
        reference::forward(self, self.sizes(inputs[0].dims), inputs[0].values, out);
    }

    fn backward(
        &self,
        inputs: &[View<'_, f64>],
        _output: &[f64],
        _saved: &Saved<f64>,
        gradient: &[f64],
        sinks: &mut [Option<Sink<'_, f64>>],
    ) {
        if let Some(dx) = &mut sinks[0] {
            reference::backward(self, self.sizes(inputs[0].dims), gradient, dx);
        }
    }
}
