//! A cell of the search network over any list of primitives, operator by operator. The standard list has a cell of its own
//! (`ops/mixed_cell`), which does the same in one pass, several times faster. Knows no algorithm.

use crate::nn::batch_norm::Norm;
use crate::nn::builder::{Builder, Value};
use crate::nn::program::Source;
use crate::ops::channel_shuffle::ChannelShuffle;
use crate::ops::concat::Concat;
use crate::ops::max_pool::MaxPool;
use crate::ops::narrow::Narrow;
use crate::ops::weighted_sum::WeightedSum;
use crate::ops::window::Window;
use crate::spaces::darts::choices::Choices;
use crate::spaces::darts::genotype::Primitive;
use crate::spaces::darts::primitive::Place;
use std::sync::Arc;

#[derive(Clone, Copy, Debug)]
pub struct Mixed<'a> {
    pub choices: &'a Choices,
    pub series: bool,
    /// Edges from the inputs have stride 2.
    pub reduction: bool,
    pub nodes: usize,
    /// The primitives see the first 1/k of the channels; the others pass by, and are shuffled in (PC-DARTS, §3.1).
    pub partial: usize,
    pub norm: Norm,
}

/// A state as its edges read it: what the primitives see, and what passes by, for each stride.
struct State {
    seen: Value,
    passed: Option<Value>,
}

impl Mixed<'_> {
    fn state(&self, b: &mut Builder, x: Value, stride: usize) -> State {
        if self.partial == 1 {
            return State { seen: x, passed: None };
        }
        let part = x.channels / self.partial;
        let rest = x.channels - part;
        let seen = b.step(Arc::new(Narrow { start: 0, count: part }), &[x], [], part);
        let mut passed = b.step(Arc::new(Narrow { start: part, count: rest }), &[x], [], rest);
        if stride == 2 {
            // keeps a ragged last row and column, as the primitives do
            let window = if self.series {
                Window { kernel: [1, 2], stride: [1, 2], padding: [0; 2], ceil_mode: true }
            } else {
                Window { ceil_mode: true, ..Window::square(2, 2, 0) }
            };
            passed = b.step(Arc::new(MaxPool { window }), &[passed], [], rest);
        }
        State { seen, passed: Some(passed) }
    }

    fn edge(&self, b: &mut Builder, number: usize, state: &State, stride: usize, mixing: &Source) -> Value {
        let place = Place { series: self.series, stride, norm: self.norm };
        let channels = state.seen.channels;
        let (mut terms, mut weights) = (Vec::new(), Vec::new());
        for (at, primitive) in self.choices.primitives() {
            let name = format!("_ops.{number}._ops.{at}");
            let y = place.layer(b, &name, primitive, state.seen, None);
            let pool = matches!(primitive, Primitive::MaxPool | Primitive::AveragePool);
            terms.push(if pool { b.within(&name, |b| self.norm.layer(b, "1", y, None)) } else { y });
            weights.push(number * self.choices.row() + at);
        }
        let sum = self.sum(b, &terms, weights, mixing, channels);
        let Some(passed) = state.passed else { return sum };
        let all = channels + passed.channels;
        let both = b.step(Arc::new(Concat { axis: 1, inputs: 2 }), &[sum, passed], [], all);
        b.step(Arc::new(ChannelShuffle { groups: self.partial }), &[both], [], all)
    }

    fn sum(&self, b: &mut Builder, terms: &[Value], weights: Vec<usize>, mixing: &Source, channels: usize) -> Value {
        b.step(Arc::new(WeightedSum { weights }), terms, [mixing.clone()], channels)
    }

    /// `mixing`: a row of weights per edge, then the weights of the edges. All nodes side by side.
    pub fn cell(&self, b: &mut Builder, inputs: [Value; 2], mixing: &Source) -> Value {
        let channels = inputs[0].channels;
        let edges: usize = (0..self.nodes).map(|node| node + 2).sum();
        let stride = |state: usize| if self.reduction && state < 2 { 2 } else { 1 };
        let mut states: Vec<State> = Vec::new();
        for (at, input) in inputs.into_iter().enumerate() {
            states.push(self.state(b, input, stride(at)));
        }
        let (mut number, mut nodes) = (0, Vec::new());
        for node in 0..self.nodes {
            let first = number;
            let mut values = Vec::new();
            for (at, state) in states.iter().enumerate() {
                values.push(self.edge(b, number, state, stride(at), mixing));
                number += 1;
            }
            let of_edges = (first..number).map(|edge| edges * self.choices.row() + edge).collect();
            let value = self.sum(b, &values, of_edges, mixing, channels);
            nodes.push(value);
            if node + 1 < self.nodes {
                states.push(self.state(b, value, 1));
            }
        }
        b.step(Arc::new(Concat { axis: 1, inputs: self.nodes }), &nodes, [], self.nodes * channels)
    }
}
