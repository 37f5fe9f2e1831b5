//! The search network of the DARTS space, with partial channels or whole ones: point form with two reduction cells, dense
//! form with none, on planes and on series (methods spec §4.2, §4.6). Knows no algorithm and no task.

use crate::nn::batch_norm::{NORM, Norm};
use crate::nn::builder::{Builder, Value};
use crate::nn::conv::{ConvShape, Init};
use crate::nn::linear::{self, Bias};
use crate::nn::program::Source;
use crate::nn::supernet::Supernet;
use crate::ops::concat::Concat;
use crate::ops::global_pool::GlobalPool;
use crate::ops::mixed_cell::{Keep, MixedCell, Wanted};
use crate::ops::segment_softmax::SegmentSoftmax;
use crate::seed::Purpose;
use crate::spaces::contract::relaxed::Mixing;
use crate::spaces::darts::preprocess::{factorized_reduce, relu_conv_norm};
use candle_core::Result;
use std::sync::Arc;

/// Primitives per edge, `none` included.
pub const PRIMITIVES: usize = 8;
/// Norms inside cells have neither scale nor shift while searching.
const PLAIN: Norm = Norm { affine: false, ..NORM };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupernetShape {
    /// Channels of the input.
    pub channels: usize,
    /// Samples are (C,L) rather than (C,H,W).
    pub series: bool,
    /// One output per position, no reduction cells.
    pub dense: bool,
    pub outputs: usize,
    /// Channels of the first cell's nodes: 16 upstream.
    pub width: usize,
    /// 8 upstream.
    pub cells: usize,
    /// 4 upstream.
    pub nodes: usize,
    /// The primitives see 1/k of the channels: 4 in PC-DARTS, 1 in DARTS.
    pub partial: usize,
    /// Cells after a third and two thirds halve the plane and double the channels; never in dense form.
    pub reductions: bool,
    /// How architecture parameters become weights.
    pub mixing: Mixing,
}

impl SupernetShape {
    /// Edges of a cell: node n has n + 2 incoming ones.
    pub fn edges(&self) -> usize {
        (0..self.nodes).map(|n| n + 2).sum()
    }

    /// One cell type's architecture parameters: a row of alpha per edge, then beta.
    pub fn architecture(&self) -> usize {
        self.edges() * (PRIMITIVES + 1)
    }

    /// Whether any cell is a reduction cell.
    pub fn reducing(&self) -> bool {
        (0..self.cells).any(|cell| self.reduces(cell))
    }

    fn reduces(&self, cell: usize) -> bool {
        self.reductions && !self.dense && (cell == self.cells / 3 || cell == 2 * self.cells / 3)
    }

    /// The weights of primitives and edges. `kind` 0: normal, 1: reduction.
    fn weights_of_edges(&self, b: &mut Builder, kind: usize) -> Source {
        let nodes = (0..self.nodes).map(|n| n + 2);
        let lengths: Vec<usize> = std::iter::repeat_n(PRIMITIVES, self.edges()).chain(nodes).collect();
        let length = self.architecture();
        let range = kind * length..(kind + 1) * length;
        let source = Source::Slice { input: 2, range, dims: vec![length] };
        if self.mixing == Mixing::Direct {
            return source;
        }
        let weights = b.step(Arc::new(SegmentSoftmax { lengths }), &[], [source], 0);
        b.source(weights)
    }

    fn cell(&self, b: &mut Builder, states: [Value; 2], mixed: MixedCell, mixing: Source) -> Value {
        let channels = states[0].channels;
        let mut parts = Vec::new();
        for parameter in mixed.parameters(channels, self.series) {
            // depthwise (c,1,…): as many inputs as the kernel has taps; 1×1 (out,in): in
            let fan_in: usize = parameter.shape[1..].iter().product();
            let bound = 1.0 / (fan_in as f64).sqrt();
            parts.push(b.parameter(&parameter.name, &parameter.shape, |s| (2.0 * s.uniform() - 1.0) * bound));
        }
        let weights = Source::joined(&parts);
        let part = channels / self.partial;
        for norm in 0..mixed.norms() {
            b.within(&format!("norms.{norm}"), |b| {
                b.buffer("running_mean", part, 0.0, NORM.momentum);
                b.buffer("running_var", part, 1.0, NORM.momentum);
            });
        }
        let theta = b.step_of(Arc::new(Concat { axis: 0, inputs: 2 }), vec![weights, mixing], 0);
        b.step(Arc::new(mixed), &[states[0], states[1], theta], [], self.nodes * channels)
    }

    fn network(&self, b: &mut Builder, wants: Wanted, again: usize) {
        let mixing = [0, 1].map(|kind| (kind == 0 || self.reducing()).then(|| self.weights_of_edges(b, kind)));
        let input = b.input(self.channels);
        let stem = b.within("stem", |b| {
            let shape = ConvShape::same(self.series, self.channels, 3 * self.width, 3, 1);
            let y = shape.layer(b, "0", input, Init::FanIn);
            NORM.layer(b, "1", y, None)
        });
        let (mut before, mut last, mut channels, mut after_reduction) = (stem, stem, self.width, false);
        for cell in 0..self.cells {
            let reduction = self.reduces(cell);
            channels *= if reduction { 2 } else { 1 };
            let output = b.within(&format!("cells.{cell}"), |b| {
                let first = if after_reduction {
                    factorized_reduce(b, "preprocess0", before, channels, self.series, PLAIN)
                } else {
                    relu_conv_norm(b, "preprocess0", before, channels, PLAIN)
                };
                let second = relu_conv_norm(b, "preprocess1", last, channels, PLAIN);
                let keep = if cell < again { Keep::Recompute } else { Keep::Saved };
                let mixed = MixedCell { wants, keep, nodes: self.nodes, ..MixedCell::cell(reduction, self.partial) };
                let mixing = mixing[usize::from(reduction)].clone().expect("only reducing networks have the second");
                self.cell(b, [first, second], mixed, mixing)
            });
            (before, last, after_reduction) = (last, output, reduction);
        }
        let x =
            if self.dense { last } else { b.step(Arc::new(GlobalPool { window: None }), &[last], [], last.channels) };
        linear::layer(b, "classifier", x, self.outputs, self.dense, Bias::FanIn);
    }

    /// What the architecture parameters of one cell type start with: 1 where a softmax follows, equal weights where none does.
    fn start(&self) -> Vec<f32> {
        if self.mixing == Mixing::Softmax {
            return vec![1.0; self.architecture()];
        }
        let alpha = std::iter::repeat_n(1.0 / PRIMITIVES as f32, self.edges() * PRIMITIVES);
        let beta = (0..self.nodes).flat_map(|n| std::iter::repeat_n(1.0 / (n + 2) as f32, n + 2));
        alpha.chain(beta).collect()
    }

    /// Architecture parameters: alpha rows then beta of the normal cells, then of the reduction cells.
    /// The first `again` cells keep little and compute it again: less memory, more time, the same bits.
    pub fn build(&self, init: Purpose, again: usize) -> Result<Supernet> {
        let start = self.start();
        Supernet::new([start.clone(), start].concat(), |wants| {
            let mut b = Builder::new(init);
            self.network(&mut b, wants, again);
            b
        })
    }
}

#[cfg(test)]
mod tests {
    use super::SupernetShape;
    use crate::seed::Purpose;
    use crate::spaces::contract::relaxed::Mixing;

    #[test]
    fn parameter_counts_are_the_published_ones() {
        // methods §5.3: the ten tasks, and the public logs of PC-DARTS and DARTS on CIFAR-10
        for (channels, series, dense, outputs, partial, expected) in [
            (3, false, false, 100, 4, 322_708),
            (1, false, false, 18, 4, 300_770),
            (1, false, false, 200, 4, 347_544),
            (3, false, true, 1, 4, 73_521),
            (57, false, true, 1, 4, 96_849),
            (1, false, true, 1, 4, 72_657),
            (1, true, false, 4, 4, 209_524),
            (1, true, false, 24, 4, 214_664),
            (4, true, false, 36, 4, 218_180),
            (3, false, false, 10, 4, 299_578),
            (3, false, false, 10, 1, 1_930_618),
        ] {
            let (width, cells, nodes, reductions, mixing) = (16, 8, 4, true, Mixing::Softmax);
            let shape =
                SupernetShape { channels, series, dense, outputs, width, cells, nodes, partial, reductions, mixing };
            let supernet = shape.build(Purpose::new(0, "test", "init"), 0).unwrap();
            assert_eq!(supernet.parameters().count(), expected, "{shape:?}");
            assert_eq!(supernet.architecture().elem_count(), 252);
        }
    }
}
