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
use crate::spaces::darts::choices::Choices;
use crate::spaces::darts::mixed::Mixed;
use crate::spaces::darts::preprocess::{factorized_reduce, relu_conv_norm};
use candle_core::Result;
use std::sync::Arc;

/// Norms inside cells have neither scale nor shift while searching.
const PLAIN: Norm = Norm { affine: false, ..NORM };

#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// What each edge weighs.
    pub choices: Choices,
}

impl SupernetShape {
    /// Edges of a cell: node n has n + 2 incoming ones.
    pub fn edges(&self) -> usize {
        (0..self.nodes).map(|n| n + 2).sum()
    }

    /// One cell type's architecture parameters: a row of alpha per edge, then beta.
    pub fn architecture(&self) -> usize {
        self.edges() * (self.choices.row() + 1)
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
        let lengths: Vec<usize> = std::iter::repeat_n(self.choices.row(), self.edges()).chain(nodes).collect();
        let length = self.architecture();
        let range = kind * length..(kind + 1) * length;
        let source = Source::Slice { input: 2, range, dims: vec![length] };
        if self.mixing == Mixing::Direct {
            return source;
        }
        let weights = b.step(Arc::new(SegmentSoftmax { lengths }), &[], [source], 0);
        b.source(weights)
    }

    /// A cell of the standard primitives, in one operator.
    fn fused(&self, b: &mut Builder, states: [Value; 2], mixed: MixedCell, mixing: Source) -> Value {
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
                let mixing = mixing[usize::from(reduction)].clone().expect("only reducing networks have the second");
                if !self.choices.is_standard() {
                    let SupernetShape { ref choices, series, nodes, partial, .. } = *self;
                    let mixed = Mixed { choices, series, reduction, nodes, partial, norm: PLAIN };
                    return mixed.cell(b, [first, second], &mixing);
                }
                let keep = if cell < again { Keep::Recompute } else { Keep::Saved };
                let mixed = MixedCell { wants, keep, nodes: self.nodes, ..MixedCell::cell(reduction, self.partial) };
                self.fused(b, [first, second], mixed, mixing)
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
        let alpha = std::iter::repeat_n(1.0 / self.choices.row() as f32, self.edges() * self.choices.row());
        let beta = (0..self.nodes).flat_map(|n| std::iter::repeat_n(1.0 / (n + 2) as f32, n + 2));
        alpha.chain(beta).collect()
    }

    /// Architecture parameters: alpha rows then beta of the normal cells, then of the reduction cells.
    /// The first `again` cells of standard primitives keep little and compute it again: less memory, more time, the same bits.
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
    use crate::nn::supernet::Supernet;
    use crate::ops::mixed_cell::Wanted;
    use crate::seed::Purpose;
    use crate::spaces::contract::relaxed::Mixing;
    use crate::spaces::darts::choices::Choices;
    use candle_core::{DType, Device, Tensor};
    use std::collections::BTreeMap;

    /// Places of the standard primitives in another order of them.
    const ORDER: [usize; 8] = [7, 0, 3, 1, 2, 6, 5, 4];

    /// The standard primitives as a list of its own, which has no fused cell.
    fn reordered() -> Choices {
        let names = Choices::standard().names();
        Choices::read(Some(&ORDER.map(|at| names[at].clone()))).unwrap()
    }

    /// Outputs in training, gradients of the architecture and of each weight by its standard name, outputs in evaluation.
    fn results(shape: &SupernetShape, x: &Tensor) -> (Vec<f64>, Vec<f64>, BTreeMap<String, Vec<f64>>, Vec<f64>) {
        let standard = shape.choices.is_standard();
        let supernet = shape.build(Purpose::new(0, "test", "init"), 0).unwrap();
        let mut saved = supernet.parameters().save().unwrap();
        let name = |name: &str| match name.split("._ops.").collect::<Vec<_>>()[..] {
            [cell, edge, rest] if !standard => {
                let (at, rest) = rest.split_once('.').unwrap();
                format!("{cell}._ops.{edge}._ops.{}.{rest}", ORDER[at.parse::<usize>().unwrap()])
            }
            _ => name.to_string(),
        };
        let set = supernet.parameters().parameters().to_vec();
        for s in saved.iter_mut().filter(|s| !s.name.contains("running")) {
            let number = name(&s.name).bytes().fold(7u64, |h, b| h.wrapping_mul(31).wrapping_add(u64::from(b)));
            let mut stream = Purpose::new(number, "test", "weights").at(0);
            s.values.iter_mut().for_each(|v| *v = stream.normal() as f32 * 0.3);
        }
        supernet.parameters().load(&saved).unwrap();
        let (edges, length) = (shape.edges(), shape.architecture());
        let place = |at: usize| {
            let (kind, inside) = (at / length, at % length);
            if inside >= edges * 8 || standard { at } else { kind * length + inside / 8 * 8 + ORDER[inside % 8] }
        };
        let mut stream = Purpose::new(3, "test", "alpha").at(0);
        let draws: Vec<f32> = (0..2 * length).map(|_| stream.normal() as f32).collect();
        let alpha: Vec<f32> = (0..2 * length).map(|at| draws[place(at)]).collect();
        supernet.architecture().set(&Tensor::new(alpha, &Device::Cpu).unwrap()).unwrap();
        let supernet: Supernet = supernet.into_reference().unwrap();
        let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let y = supernet.forward(x, Wanted::Both, 0).unwrap();
        let gradients = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let of_theta = flat(gradients.get(supernet.parameters().theta()).unwrap());
        let found = flat(gradients.get(supernet.architecture()).unwrap());
        let mut of_alpha = vec![0.0; 2 * length];
        found.iter().enumerate().for_each(|(at, g)| of_alpha[place(at)] = *g);
        let by_name = set.iter().map(|p| (name(&p.name), of_theta[p.range.clone()].to_vec())).collect();
        (flat(&y), of_alpha, by_name, flat(&supernet.evaluate(x).unwrap()))
    }

    #[test]
    fn a_list_of_the_standard_primitives_computes_what_the_fused_cell_does() {
        let near = |what: &str, a: &[f64], b: &[f64]| {
            // before a norm of one channel a gradient is 0 but for rounding
            let scale = a.iter().fold(1e-3, |m: f64, v| m.max(v.abs()));
            assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-9 * scale), "{what}");
        };
        for (series, dense, partial, dims) in [
            (false, false, 4, vec![3, 2, 7, 6]),
            (false, true, 2, vec![2, 2, 5, 5]),
            (true, false, 4, vec![3, 2, 13]),
            (true, false, 1, vec![2, 2, 9]),
        ] {
            let fused = SupernetShape {
                channels: 2,
                series,
                dense,
                outputs: 3,
                width: 4,
                cells: 3,
                nodes: 3,
                partial,
                reductions: true,
                mixing: Mixing::Softmax,
                choices: Choices::standard(),
            };
            let listed = SupernetShape { choices: reordered(), ..fused.clone() };
            let x = Tensor::randn(0f64, 1.0, dims, &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap();
            let (a, b) = (results(&fused, &x), results(&listed, &x));
            near("outputs", &a.0, &b.0);
            near("alpha and beta", &a.1, &b.1);
            assert_eq!(a.2.keys().collect::<Vec<_>>(), b.2.keys().collect::<Vec<_>>());
            a.2.iter().for_each(|(name, gradient)| near(name, gradient, &b.2[name]));
            near("outputs in evaluation", &a.3, &b.3);
        }
    }

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
            let choices = Choices::standard();
            let shape = SupernetShape {
                channels,
                series,
                dense,
                outputs,
                width,
                cells,
                nodes,
                partial,
                reductions,
                mixing,
                choices,
            };
            let supernet = shape.build(Purpose::new(0, "test", "init"), 0).unwrap();
            assert_eq!(supernet.parameters().count(), expected, "{shape:?}");
            assert_eq!(supernet.architecture().elem_count(), 252);
        }
    }
}
