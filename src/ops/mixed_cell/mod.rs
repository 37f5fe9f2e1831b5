//! A cell of the DARTS search space as one operator: every edge is the weighted sum of all eight primitives (with partial
//! channels as in PC-DARTS, or whole as in DARTS), every node the weighted sum of its edges, the output all nodes side by
//! side. Knows no network: preprocessing of the inputs and the softmax over architecture parameters happen outside.
//!
//! Inputs: the states (N,C,H,W), all of one shape, then θ, flat: weights packed edge by edge (`MixedCell::parameters`), then
//! one row of eight primitive weights per edge (α as used, see `wiring::PRIMITIVES`), then one weight per edge (β as used).
//! Output: (N, nodes·C, H', W'), with H' = ⌈H/2⌉, W' = ⌈W/2⌉ in a reduction cell, else H, W.
//!
//! A plane of height 1 is a series: kernels then have one row, and `FactorizedReduce` does not shift (NAS-Bench-360,
//! `darts_1d/gaea/search/operations.py`); in two dimensions its second half sees the plane shifted by one pixel, zeros
//! beyond the border. The bypass of a stride-2 edge is a 2×2 max-pool that keeps a ragged last row and column.

mod backward;
#[cfg(test)]
mod bits;
mod blend;
mod bypass;
mod convolution;
pub mod cuda;
mod edge_gradient;
mod forward;
mod interleave;
mod layers;
mod mix;
mod node_sums;
mod pass;
mod plan;
mod pools;
mod rectified;
mod reference;
mod spare;
mod split;
mod sums;
mod taps;
pub mod wiring;

use crate::ops::mixed_cell::wiring::{Parameter, Shape};
use crate::ops::operator::{Definition, Kernel, Mode, Reads, Saved, Sink, View};

/// Which part of θ gets its gradient; the other part's is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Weights,
    Architecture,
    Both,
}

impl Wanted {
    pub fn weights(self) -> bool {
        self != Wanted::Architecture
    }

    pub fn architecture(self) -> bool {
        self != Wanted::Weights
    }
}

/// What waits for the backward pass: all tensors before a batch norm, or their statistics only. The bits are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    Saved,
    Recompute,
}

/// Batch statistics (`Definition::statistics`): mean, then unbiased variance, one value per channel of C/`factor`, of: max
/// and average pool of each state that has outgoing edges, state by state; then edge by edge sep_conv_3x3's first and second
/// stage, sep_conv_5x5's, dil_conv_3x3, dil_conv_5x5 and, where the stride is 2, FactorizedReduce. The pools of all edges
/// that leave a state are the same, so that they stand here once.
#[derive(Clone, Copy, Debug)]
pub struct MixedCell {
    /// Edges from the inputs have stride 2.
    pub reduction: bool,
    /// The primitives see the first C/`factor` channels, the others pass by; 1 is plain DARTS. Must divide C.
    pub factor: usize,
    /// States that come from outside: 2 in a cell; 1, with one node, makes a single edge. At most 7.
    pub inputs: usize,
    pub nodes: usize,
    pub wants: Wanted,
    pub keep: Keep,
    /// Of every batch norm.
    pub eps: f64,
}

impl MixedCell {
    /// A cell of PC-DARTS (factor 4) or DARTS (factor 1): two inputs, four nodes, eps 1e-5 (PyTorch's default, as upstream).
    pub fn cell(reduction: bool, factor: usize) -> MixedCell {
        MixedCell { inputs: 2, nodes: 4, ..MixedCell::edge(reduction, factor) }
    }

    /// A single mixed edge.
    pub fn edge(reduction: bool, factor: usize) -> MixedCell {
        let (wants, keep) = (Wanted::Both, Keep::Saved);
        MixedCell { reduction, factor, inputs: 1, nodes: 1, wants, keep, eps: 1e-5 }
    }

    /// Name, shape and place in θ of every weight, for states of `channels` channels. Names are upstream's module paths below
    /// the cell (`yuhuixu1993/PC-DARTS`, `model_search.py`). Shapes are PyTorch's: depthwise (C/k, 1, 3, 3) or (C/k, 1, 3), 1×1
    /// (out, in, 1, 1) or (out, in, 1).
    pub fn parameters(&self, channels: usize, one_d: bool) -> Vec<Parameter> {
        wiring::parameters(self, channels / self.factor, one_d)
    }

    /// Batch norms whose statistics `Definition::statistics` lists.
    pub fn norms(&self) -> usize {
        wiring::normed(self)
    }

    /// Length of θ: weights, α, β.
    pub fn theta(&self, channels: usize, one_d: bool) -> usize {
        wiring::weights(self, channels / self.factor, one_d) + 9 * wiring::edges(self).len()
    }

    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        if self.inputs == 0 || self.inputs >= READS.len() || self.nodes == 0 || inputs.len() != self.inputs + 1 {
            let (states, found) = (self.inputs, inputs.len());
            return Err(format!("mixed_cell: {states} states (1 to 7) and θ were expected, found {found} inputs"));
        }
        let (states, theta) = inputs.split_at(self.inputs);
        let [images, channels, height, width] = *states[0] else {
            return Err(format!("mixed_cell: a state (N,C,H,W) was expected, found {:?}", states[0]));
        };
        if let Some(other) = states.iter().find(|s| **s != states[0]) {
            return Err(format!("mixed_cell: states of one shape {:?} were expected, found {other:?}", states[0]));
        }
        if states[0].contains(&0) {
            return Err(format!("mixed_cell: a state with values was expected, found {:?}", states[0]));
        }
        if self.factor == 0 || channels % self.factor != 0 {
            return Err(format!("mixed_cell: channels divisible by {} were expected, found {channels}", self.factor));
        }
        let expected = self.theta(channels, height == 1);
        if *theta[0] != [expected] {
            return Err(format!("mixed_cell: θ of length {expected} was expected, found {:?}", theta[0]));
        }
        let halve = |n: usize| if self.reduction { n.div_ceil(2) } else { n };
        Ok(Shape {
            images,
            channels,
            part: channels / self.factor,
            height,
            width,
            out_height: halve(height),
            out_width: halve(width),
            one_d: height == 1,
        })
    }

    fn shape_of<T>(&self, inputs: &[View<'_, T>]) -> Shape {
        let dims: Vec<&[usize]> = inputs.iter().map(|i| i.dims).collect();
        self.shape(&dims).unwrap_or_else(|e| panic!("{e}"))
    }
}

const READS: [bool; 8] = [true; 8];

impl Definition for MixedCell {
    fn name(&self) -> &'static str {
        "mixed_cell"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let s = self.shape(inputs)?;
        Ok(vec![s.images, self.nodes * s.channels, s.out_height, s.out_width])
    }

    fn statistics(&self, inputs: &[&[usize]]) -> usize {
        self.shape(inputs).map_or(0, |s| wiring::normed(self) * 2 * s.part)
    }

    /// The smallest planes are those of the output.
    fn trains(&self, inputs: &[&[usize]]) -> Result<(), String> {
        match self.shape(inputs)? {
            Shape { images: 1, out_height: 1, out_width: 1, .. } => {
                let found = inputs[0];
                Err(format!("mixed_cell: more than one value per channel was expected in training, found {found:?}"))
            }
            _ => Ok(()),
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &READS[..=self.inputs], output: true }
    }
}

impl Kernel<f32> for MixedCell {
    fn forward(&self, inputs: &[View<'_, f32>], mode: Mode<'_, f32>, out: &mut [f32], saved: &mut Saved<f32>) {
        forward::run(self, &self.shape_of(inputs), inputs, mode, out, saved);
    }

    fn backward(
        &self,
        inputs: &[View<'_, f32>],
        output: &[f32],
        saved: &Saved<f32>,
        gradient: &[f32],
        sinks: &mut [Option<Sink<'_, f32>>],
    ) {
        backward::run(self, &self.shape_of(inputs), inputs, output, saved, gradient, sinks);
    }
}

impl Kernel<f64> for MixedCell {
    fn forward(&self, inputs: &[View<'_, f64>], mode: Mode<'_, f64>, out: &mut [f64], saved: &mut Saved<f64>) {
        reference::forward(self, &self.shape_of(inputs), inputs, mode, out, saved);
    }

    fn backward(
        &self,
        inputs: &[View<'_, f64>],
        _output: &[f64],
        _saved: &Saved<f64>,
        gradient: &[f64],
        sinks: &mut [Option<Sink<'_, f64>>],
    ) {
        reference::backward(self, &self.shape_of(inputs), inputs, gradient, sinks);
    }
}
