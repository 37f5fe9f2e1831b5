//! What one call is about, and where its tensors stand: who reads what, for both directions. Knows no arithmetic.

use crate::ops::mixed_cell::MixedCell;
use crate::ops::mixed_cell::convolution::Convolution;
use crate::ops::mixed_cell::split::{Field, Plane, Split, Task};
use crate::ops::mixed_cell::wiring::{self, Edge, SKIP, Shape};
use crate::ops::simd::LANES;

/// First convolutions of an edge in the order of `Tensors::first`; FactorizedReduce where the stride is 2.
pub const FIRST: [usize; 5] =
    [wiring::SEP_3_FIRST, wiring::SEP_5_FIRST, wiring::DILATED_3, wiring::DILATED_5, wiring::REDUCE];
/// Second convolutions in the order of `Tensors::second`; the one at i reads the first one at i.
pub const SECOND: [usize; 2] = [wiring::SEP_3_SECOND, wiring::SEP_5_SECOND];

/// What one call is about.
#[derive(Debug)]
pub struct Plan<'a> {
    pub cell: &'a MixedCell,
    pub shape: &'a Shape,
    pub split: Split,
    pub edges: Vec<Edge>,
    /// Of each edge's weights.
    pub offsets: Vec<usize>,
    pub weights: &'a [f32],
    pub alpha: &'a [f32],
    pub beta: &'a [f32],
    pub ones: Vec<f32>,
    leaving: Vec<Vec<(usize, Edge)>>,
    entering: Vec<Vec<(usize, Edge)>>,
    norms: Vec<usize>,
}

/// All tensors before a batch norm, as `Split` lays them out, by state. `A` is an array, owned or borrowed.
#[derive(Debug, Default)]
pub struct Tensors<A> {
    /// The channels of a state that primitives see: c channels.
    pub x: Vec<A>,
    /// Max, then average: 2c channels.
    pub pools: Vec<A>,
    /// For each outgoing edge the convolutions `FIRST`.
    pub first: Vec<A>,
    /// For each outgoing edge the convolutions `SECOND`.
    pub second: Vec<A>,
    /// Halved bypass of each input of a reduction cell: per task [channel][image][position].
    pub passed: Vec<A>,
    /// Mean, then scale, c channels each, of every batch norm.
    pub norms: A,
}

impl<'a> Plan<'a> {
    pub fn new(cell: &'a MixedCell, shape: &'a Shape, theta: &'a [f32]) -> Plan<'a> {
        let edges = wiring::edges(cell);
        let (weights, arch) = theta.split_at(wiring::weights(cell, shape.part, shape.one_d));
        let (alpha, beta) = arch.split_at(8 * edges.len());
        let offsets = wiring::offsets(cell, shape.part, shape.one_d);
        let ones = vec![1.0; shape.part];
        let places = |holds: &dyn Fn(&Edge) -> bool| -> Vec<(usize, Edge)> {
            edges.iter().copied().enumerate().filter(|(_, e)| holds(e)).collect()
        };
        let leaving = (0..cell.inputs + cell.nodes).map(|s| places(&|e| e.from == s)).collect();
        let entering = (0..cell.nodes).map(|n| places(&|e| e.to == n)).collect();
        let norms = (0..edges.len()).map(|e| wiring::normed_edge(cell, e)).collect();
        let split = Split::new(shape);
        Plan { cell, shape, split, edges, offsets, weights, alpha, beta, ones, leaving, entering, norms }
    }

    pub fn plane(&self, state: usize) -> Plane {
        if state < self.cell.inputs { self.split.input } else { self.split.node }
    }

    /// Edges that leave a state, with their places.
    pub fn leaving(&self, state: usize) -> &[(usize, Edge)] {
        &self.leaving[state]
    }

    pub fn entering(&self, node: usize) -> &[(usize, Edge)] {
        &self.entering[node]
    }

    /// Position among the batch norms of an edge's convolution.
    pub fn normed(&self, edge: usize, convolution: usize) -> usize {
        self.norms[edge] + convolution
    }

    pub fn stride(&self, state: usize) -> usize {
        if self.cell.reduction && state < self.cell.inputs { 2 } else { 1 }
    }

    /// Convolutions of `FIRST` on edges that leave a state.
    pub fn firsts(&self, state: usize) -> usize {
        3 + self.stride(state)
    }

    /// Steps of a pool: down, across.
    pub fn steps(&self, state: usize) -> (usize, usize) {
        let stride = self.stride(state);
        (if self.shape.one_d { 1 } else { stride }, stride)
    }

    pub fn edge_weights(&self, edge: usize) -> &'a [f32] {
        let size = wiring::edge_weights(self.edges[edge].stride, self.shape.part, self.shape.one_d);
        &self.weights[self.offsets[edge]..][..size]
    }

    pub fn convolution(&self, edge: usize, index: usize) -> Vec<Convolution<'_>> {
        Convolution::of(&self.edges[edge], index, self.shape, self.edge_weights(edge), &self.ones)
    }

    pub fn field<'f>(&self, values: &'f [f32], channels: usize, plane: Plane) -> Field<'f> {
        Field::new(values, channels, plane, &self.split)
    }

    /// Place of primitive `primitive`'s last tensor of an edge: array, channels of the array, first channel, batch norm.
    pub fn result<'t, A: AsRef<[f32]>>(
        &self,
        t: &'t Tensors<A>,
        e: usize,
        primitive: usize,
    ) -> (Field<'t>, usize, Option<usize>) {
        let (edge, c) = (self.edges[e], self.shape.part);
        let (s, k, node) = (edge.from, edge.to - wiring::first_node(self.cell, edge.from), self.split.node);
        let count = self.leaving(s).len();
        let pools = || self.field(t.pools[s].as_ref(), 2 * c, node);
        let first = || self.field(t.first[s].as_ref(), count * self.firsts(s) * c, node);
        let second = || self.field(t.second[s].as_ref(), count * 2 * c, node);
        let norm = |i: usize| Some(self.normed(e, i));
        let at = |j: usize| (k * self.firsts(s) + j) * c;
        match primitive {
            wiring::MAX_POOL => (pools(), 0, Some(2 * s)),
            wiring::AVG_POOL => (pools(), c, Some(2 * s + 1)),
            SKIP if edge.stride == 1 => (self.field(t.x[s].as_ref(), c, self.plane(s)), 0, None),
            SKIP => (first(), at(4), norm(wiring::REDUCE)),
            wiring::SEP_3 => (second(), k * 2 * c, norm(wiring::SEP_3_SECOND)),
            wiring::SEP_5 => (second(), (k * 2 + 1) * c, norm(wiring::SEP_5_SECOND)),
            wiring::DIL_3 => (first(), at(2), norm(wiring::DILATED_3)),
            _ => (first(), at(3), norm(wiring::DILATED_5)),
        }
    }

    /// Mean and scale of a batch norm's channel.
    pub fn norm<A: AsRef<[f32]>>(&self, t: &Tensors<A>, index: usize, channel: usize) -> (f32, f32) {
        let (c, at) = (self.shape.part, 2 * index * self.shape.part + channel);
        let norms = t.norms.as_ref();
        (norms[at], norms[at + c])
    }

    /// Channel of the processed channel `j` in a node.
    pub fn processed(&self, j: usize) -> usize {
        j * self.cell.factor
    }

    /// Channels that pass by: channel of the state, channel of the node.
    pub fn bypassed(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (c, k) = (self.shape.part, self.cell.factor);
        (1..k).flat_map(move |g| (0..c).map(move |j| (g * c + j, k * j + g)))
    }

    /// Piece of an input plane that a task owns.
    pub fn input_piece<'v>(&self, values: &'v [f32], task: &Task, channel: usize, lane: usize) -> &'v [f32] {
        self.piece(values, self.shape.channels, channel, self.split.input, task, lane)
    }

    /// Piece of a node's plane in an array like the output.
    pub fn node_piece<'v>(
        &self,
        values: &'v [f32],
        node: usize,
        task: &Task,
        channel: usize,
        lane: usize,
    ) -> &'v [f32] {
        let channels = self.cell.nodes * self.shape.channels;
        self.piece(values, channels, node * self.shape.channels + channel, self.split.node, task, lane)
    }

    fn piece<'v>(
        &self,
        values: &'v [f32],
        channels: usize,
        channel: usize,
        plane: Plane,
        task: &Task,
        lane: usize,
    ) -> &'v [f32] {
        let rows = plane.own(task.strip);
        let start = ((task.block * LANES + lane) * channels + channel) * plane.height * plane.width;
        &values[start + rows.start * plane.width..start + rows.end * plane.width]
    }

    /// Values of one channel and image in a task's chunk of `Tensors::passed`.
    pub fn passed_size(&self) -> usize {
        self.split.node.rows * self.split.node.width
    }

    /// Whether inputs are halved on their way round the primitives.
    pub fn halves(&self) -> bool {
        self.cell.reduction && self.cell.factor > 1
    }
}

impl<A> Tensors<A> {
    pub fn into_arrays(self) -> Vec<A> {
        let all = [self.x, self.pools, self.first, self.second, self.passed, vec![self.norms]];
        all.into_iter().flatten().collect()
    }

    /// The arrays of `into_arrays`, or what `make` makes of them: it is given the length that each must have.
    pub fn from_arrays(plan: &Plan<'_>, mut make: impl FnMut(usize) -> A) -> Tensors<A> {
        let (c, node, split) = (plan.shape.part, plan.split.node, &plan.split);
        let sources = wiring::sources(plan.cell);
        let edges = |s: usize| plan.leaving(s).len();
        let x = (0..sources).map(|s| make(split.length(c, plan.plane(s)))).collect();
        let pools = (0..sources).map(|_| make(split.length(2 * c, node))).collect();
        let first = (0..sources).map(|s| make(split.length(edges(s) * plan.firsts(s) * c, node))).collect();
        let second = (0..sources).map(|s| make(split.length(edges(s) * 2 * c, node))).collect();
        let halved = if plan.halves() { plan.cell.inputs } else { 0 };
        let planes = (plan.shape.channels - c) * LANES;
        let passed = (0..halved).map(|_| make(split.tasks() * planes * plan.passed_size())).collect();
        let norms = make(wiring::normed(plan.cell) * 2 * c);
        Tensors { x, pools, first, second, passed, norms }
    }
}

/// A task's piece of an input's halved plane.
pub fn passed<'t, A: AsRef<[f32]>>(
    plan: &Plan<'_>,
    t: &'t Tensors<A>,
    s: usize,
    task: &Task,
    channel: usize,
    lane: usize,
) -> &'t [f32] {
    let (c, size, node) = (plan.shape.part, plan.passed_size(), plan.split.node);
    let index = task.block * plan.split.strips + task.strip;
    let plane = index * (plan.shape.channels - c) + channel - c;
    &t.passed[s].as_ref()[(plane * LANES + lane) * size..][..node.own(task.strip).len() * node.width]
}
