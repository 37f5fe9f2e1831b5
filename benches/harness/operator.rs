//! One operator on arrays, outside of any graph: its forward and its backward pass as work to be timed. Knows no operator.

use nasperf_pipe::ops::operator::{Kernel, Mode, Operator, Saved, Sink, View};

pub struct Trial {
    op: Box<dyn Operator>,
    dims: Vec<Vec<usize>>,
    values: Vec<Vec<f32>>,
    above: Vec<f32>,
    saved: Saved<f32>,
    pub output: Vec<f32>,
    pub gradients: Vec<Vec<f32>>,
}

impl Trial {
    /// `above` makes the gradient from above, given the number of its values.
    ///
    /// Panics where the inputs do not fit the operator.
    pub fn new(op: Box<dyn Operator>, inputs: Vec<(Vec<usize>, Vec<f32>)>, above: fn(usize) -> Vec<f32>) -> Trial {
        let (dims, values): (Vec<_>, Vec<_>) = inputs.into_iter().unzip();
        let shapes: Vec<&[usize]> = dims.iter().map(Vec::as_slice).collect();
        let size = op.output(&shapes).unwrap_or_else(|e| panic!("{e}")).iter().product();
        let gradients = values.iter().map(|v| vec![0.0; v.len()]).collect();
        Trial { op, dims, values, above: above(size), saved: Saved::default(), output: vec![0.0; size], gradients }
    }

    fn views<'a>(dims: &'a [Vec<usize>], values: &'a [Vec<f32>]) -> Vec<View<'a, f32>> {
        dims.iter().zip(values).map(|(dims, values)| View { values, dims }).collect()
    }

    pub fn forward(&mut self) {
        self.saved = Saved::default();
        let (views, mode) = (Self::views(&self.dims, &self.values), Mode::Train { step: 0 });
        Kernel::<f32>::forward(&*self.op, &views, mode, &mut self.output, &mut self.saved);
    }

    /// After a forward pass: the gradients of the inputs that are wanted, by position.
    pub fn backward(&mut self, wanted: &[bool]) {
        let views = Self::views(&self.dims, &self.values);
        let sinks = self.gradients.iter_mut().zip(wanted);
        let mut sinks: Vec<_> = sinks.map(|(values, w)| w.then_some(Sink { values, add: false })).collect();
        Kernel::<f32>::backward(&*self.op, &views, &self.output, &self.saved, &self.above, &mut sinks);
    }

    /// Least traffic of a forward pass, in bytes: inputs and output once each. A backward pass moves twice as much.
    pub fn bytes(&self) -> f64 {
        let inputs: usize = self.values.iter().map(Vec::len).sum();
        4.0 * (inputs + self.output.len()) as f64
    }
}
