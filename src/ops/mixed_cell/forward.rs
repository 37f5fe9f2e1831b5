//! The forward pass of a cell in f32. States are processed in groups, all inputs first, then node by node: pools and first
//! convolutions of all edges that leave a state; second convolutions of the separable ones; the sum that makes the next
//! node. A batch norm is never carried out: its mean and scale go into whatever reads the tensor before it.

use crate::ops::mixed_cell::blend::{Blend, Blends, Rectify};
use crate::ops::mixed_cell::bypass;
use crate::ops::mixed_cell::convolution::{Convolution, PAD, Workspace, padded_row};
use crate::ops::mixed_cell::interleave::{pack, unpack};
use crate::ops::mixed_cell::pools::Pools;
use crate::ops::mixed_cell::spare::{self, Spare};
use crate::ops::mixed_cell::split::{Field, Plane, Split, Task, Tile, pieces};
use crate::ops::mixed_cell::sums::{AddMoments, Moment};
use crate::ops::mixed_cell::taps::Rows;
use crate::ops::mixed_cell::wiring::{self, Edge, SKIP, Shape};
use crate::ops::mixed_cell::{Keep, MixedCell};
use crate::ops::operator::{Mode, Saved, View};
use crate::ops::simd::{LANES, dispatch};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

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

/// Where nodes go, or where they come from when all else is computed again.
pub enum Nodes<'a> {
    Write(&'a mut [f32]),
    Read(&'a [f32]),
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

/// Padded rows of `max((x − mean)·scale, 0)`, c channels.
pub struct Rectified {
    values: Spare,
    row_step: usize,
    channel_step: usize,
}

impl Rectified {
    pub fn new(channels: usize, plane: Plane) -> Rectified {
        let row_step = padded_row(plane.width);
        let channel_step = (plane.rows + 2 * PAD).min(plane.height) * row_step;
        Rectified { values: spare::any(channels * channel_step), row_step, channel_step }
    }

    /// Fills rows around a task's own from channels `first..` of a field.
    pub fn fill(
        &mut self,
        field: &Field<'_>,
        first: usize,
        channels: usize,
        halo: usize,
        task: &Task,
        norm: impl Fn(usize) -> (f32, f32),
    ) -> Rows<'_> {
        let plane = field.plane();
        let rows = plane.around(task.strip, halo);
        for channel in 0..channels {
            let (mean, scale) = norm(channel);
            let start = channel * self.channel_step;
            let mut y = rows.start;
            while y < rows.end {
                let next = ((y / plane.rows + 1) * plane.rows).min(rows.end);
                let tile = Tile { rows: y..next, columns: 0..plane.width };
                dispatch(Rectify {
                    input: field.tile(task.block, first + channel, &tile),
                    width: plane.width,
                    mean,
                    scale,
                    out: &mut self.values[start + (y - rows.start) * self.row_step..],
                    row_step: self.row_step,
                    pad: PAD,
                    mask: &task.mask,
                });
                y = next;
            }
        }
        let (row_step, channel_step) = (self.row_step, self.channel_step);
        Rows { values: &self.values, first: rows.start, end: rows.end, row_step, channel_step }
    }
}

/// One state and one task of a phase.
struct Item<'a> {
    state: usize,
    task: Task,
    out: &'a mut [f32],
    pools: &'a mut [f32],
}

pub fn run(
    cell: &MixedCell,
    shape: &Shape,
    inputs: &[View<'_, f32>],
    mode: Mode<'_, f32>,
    out: &mut [f32],
    saved: &mut Saved<f32>,
) {
    let plan = Plan::new(cell, shape, inputs[cell.inputs].values);
    let train = matches!(mode, Mode::Train { .. });
    let old = std::mem::take(&mut saved.arrays);
    let (tensors, statistics) = compute(&plan, inputs, mode, Nodes::Write(out), old);
    saved.statistics = if train { statistics } else { Vec::new() };
    if train && cell.keep == Keep::Saved {
        saved.arrays = tensors.into_arrays();
    } else {
        tensors.into_arrays().into_iter().for_each(spare::keep);
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

/// All tensors and, in training, the statistics.
pub fn compute(
    plan: &Plan<'_>,
    inputs: &[View<'_, f32>],
    mode: Mode<'_, f32>,
    nodes: Nodes<'_>,
    old: Vec<Vec<f32>>,
) -> (Tensors<Vec<f32>>, Vec<f32>) {
    let (cell, c) = (plan.cell, plan.shape.part);
    // arrays of an earlier call serve again where they fit
    let mut old = old.into_iter();
    let mut t = Tensors::from_arrays(plan, |length| match old.next() {
        Some(found) if found.len() == length => found,
        _ => spare::take(length),
    });
    let mut statistics = vec![0.0; wiring::normed(cell) * 2 * c];
    let fixed = match mode {
        Mode::Evaluate { running } => {
            for (to, from) in t.norms.chunks_mut(2 * c).zip(running.chunks(2 * c)) {
                for channel in 0..c {
                    to[channel] = from[channel];
                    to[c + channel] = (1.0 / (f64::from(from[c + channel]) + cell.eps).sqrt()) as f32;
                }
            }
            true
        }
        Mode::Train { .. } => false,
    };
    let (mut planes, read) = match nodes {
        Nodes::Write(out) => (pieces(out, cell.nodes * plan.shape.channels, plan.split.node, &plan.split), None),
        Nodes::Read(values) => (Vec::new(), Some(values)),
    };
    pack_inputs(plan, inputs, &mut t);
    for group in 0..cell.nodes {
        let states = if group == 0 { 0..cell.inputs } else { cell.inputs + group - 1..cell.inputs + group };
        let sums = first_phase(plan, &mut t, states.clone());
        if !fixed {
            let places = |s: usize| {
                let edges = plan.leaving(s);
                let of_edges =
                    edges.iter().flat_map(|(e, _)| FIRST[..plan.firsts(s)].iter().map(|i| plan.normed(*e, *i)));
                [2 * s, 2 * s + 1].into_iter().chain(of_edges).collect::<Vec<_>>()
            };
            settle(plan, &mut t, &mut statistics, states.clone().map(places).collect(), sums);
        }
        let sums = second_phase(plan, &mut t, states.clone());
        if !fixed {
            let places = |s: usize| {
                let edges = plan.leaving(s);
                edges.iter().flat_map(|(e, _)| SECOND.map(|i| plan.normed(*e, i))).collect::<Vec<_>>()
            };
            settle(plan, &mut t, &mut statistics, states.map(places).collect(), sums);
        }
        node_phase(plan, inputs, &mut t, group, &mut planes, read);
    }
    (t, statistics)
}

fn pack_inputs(plan: &Plan<'_>, inputs: &[View<'_, f32>], t: &mut Tensors<Vec<f32>>) {
    let (c, split) = (plan.shape.part, &plan.split);
    for (state, view) in inputs[..plan.cell.inputs].iter().enumerate() {
        let plane = split.input;
        let tasks: Vec<_> = t.x[state].chunks_mut(c * plane.chunk()).enumerate().collect();
        tasks.into_par_iter().for_each(|(i, x)| {
            let task = split.task(i);
            for (channel, x) in x.chunks_mut(plane.chunk()).enumerate() {
                let sources: Vec<&[f32]> =
                    (0..task.live).map(|lane| plan.input_piece(view.values, &task, channel, lane)).collect();
                pack(&sources, &mut x[..plane.owned(task.strip)]);
            }
        });
        if !plan.halves() {
            continue;
        }
        let size = plan.passed_size();
        let tasks: Vec<_> = t.passed[state].chunks_mut((plan.shape.channels - c) * LANES * size).enumerate().collect();
        tasks.into_par_iter().for_each(|(i, passed)| {
            let task = split.task(i);
            let own = split.node.own(task.strip).len() * split.node.width;
            for (at, out) in passed.chunks_mut(size).enumerate().filter(|(at, _)| at % LANES < task.live) {
                let piece = plan.input_piece(view.values, &task, c + at / LANES, at % LANES);
                bypass::halve(piece, plane.width, &mut out[..own]);
            }
        });
    }
}

/// Sums of each batch norm's channels, [Σ, Σ²], from the tasks in their order.
type Sums = Vec<Vec<[f64; 2]>>;

/// By state of the group: sums over all tasks.
fn gather(states: std::ops::Range<usize>, found: Vec<(usize, Vec<[f64; 2]>)>) -> Sums {
    let mut sums: Sums = states.clone().map(|_| Vec::new()).collect();
    for (state, task) in found {
        let sum = &mut sums[state - states.start];
        sum.resize(task.len(), [0.0; 2]);
        for (a, b) in sum.iter_mut().zip(task) {
            *a = [a[0] + b[0], a[1] + b[1]];
        }
    }
    sums
}

/// Mean and scale of the batch norms of a group's states from their sums.
fn settle(plan: &Plan<'_>, t: &mut Tensors<Vec<f32>>, statistics: &mut [f32], places: Vec<Vec<usize>>, sums: Sums) {
    let c = plan.shape.part;
    let count = (plan.shape.images * plan.shape.out_height * plan.shape.out_width) as f64;
    for (places, sums) in places.into_iter().zip(sums) {
        for (index, sums) in places.into_iter().zip(sums.chunks(c)) {
            for (channel, [sum, square]) in sums.iter().enumerate() {
                let mean = sum / count;
                let variance = square / count - mean * mean;
                // not `max`, which would make a variance of NaN 0
                let variance = if variance < 0.0 { 0.0 } else { variance };
                let at = 2 * index * c + channel;
                statistics[at] = mean as f32;
                statistics[at + c] = (variance * count / (count - 1.0).max(1.0)) as f32;
                t.norms[at] = mean as f32;
                t.norms[at + c] = (1.0 / (variance + plan.cell.eps).sqrt()) as f32;
            }
        }
    }
}

/// Pools, and the first convolutions of all edges that leave the states.
fn first_phase(plan: &Plan<'_>, t: &mut Tensors<Vec<f32>>, states: std::ops::Range<usize>) -> Sums {
    let (c, split, node) = (plan.shape.part, &plan.split, plan.split.node);
    let mut items = Vec::new();
    let arrays = t.first[states.clone()].iter_mut().zip(&mut t.pools[states.clone()]);
    for (state, (first, pools)) in states.clone().zip(arrays) {
        let size = plan.leaving(state).len() * plan.firsts(state) * c * node.chunk();
        for (i, (out, pools)) in first.chunks_mut(size).zip(pools.chunks_mut(2 * c * node.chunk())).enumerate() {
            items.push(Item { state, task: split.task(i), out, pools });
        }
    }
    let x = &t.x;
    let found: Vec<_> =
        items.into_par_iter().map(|item| (item.state, first_task(plan, &x[item.state], item))).collect();
    gather(states, found)
}

fn first_task(plan: &Plan<'_>, x: &[f32], item: Item<'_>) -> Vec<[f64; 2]> {
    let (c, node, task) = (plan.shape.part, plan.split.node, &item.task);
    let plane = plan.plane(item.state);
    let field = plan.field(x, c, plane);
    let edges = plan.leaving(item.state);
    let firsts = plan.firsts(item.state);
    let mut moments = vec![Moment::default(); (2 + edges.len() * firsts) * c];
    let chunk = node.chunk();
    let (maxima, means) = item.pools.split_at_mut(c * chunk);
    let (step_y, step_x) = plan.steps(item.state);
    let mut line = spare::any(2 * plane.width * LANES);
    let rows = plane.around(task.strip, 1);
    for channel in 0..c {
        let input: Vec<&[f32]> = rows.clone().map(|y| field.row(task.block, channel, y)).collect();
        dispatch(Pools {
            input: &input,
            first: rows.start,
            height: plane.height,
            width: plane.width,
            step_y,
            step_x,
            rows: node.own(task.strip),
            maxima: &mut maxima[channel * chunk..][..chunk],
            means: &mut means[channel * chunk..][..chunk],
            line: &mut line,
        });
    }
    for (values, moments) in [&*maxima, &*means].into_iter().zip(moments.chunks_mut(c)) {
        let (length, live, mask) = (node.owned(task.strip), task.live, &task.mask);
        dispatch(AddMoments { values, step: chunk, length, live, mask, moments });
    }
    let mut rectified = Rectified::new(c, plane);
    let source = rectified.fill(&field, 0, c, PAD, task, |_| (0.0, 1.0));
    let mut space = Workspace::new(c, node, false);
    let places = item.out.chunks_mut(c * chunk).zip(moments[2 * c..].chunks_mut(c)).enumerate();
    for (i, (out, moments)) in places {
        for convolution in plan.convolution(edges[i / firsts].0, FIRST[i % firsts]) {
            convolution.forward(source, task, node, out, moments, &mut space);
        }
    }
    moments.iter().map(|m| m.raw(task.live)).collect()
}

/// Second convolutions of the separable primitives.
fn second_phase(plan: &Plan<'_>, t: &mut Tensors<Vec<f32>>, states: std::ops::Range<usize>) -> Sums {
    let (c, split, node) = (plan.shape.part, &plan.split, plan.split.node);
    let mut second: Vec<Vec<f32>> = t.second[states.clone()].iter_mut().map(std::mem::take).collect();
    let mut items = Vec::new();
    for (state, second) in states.clone().zip(&mut second) {
        let size = plan.leaving(state).len() * 2 * c * node.chunk();
        for (i, out) in second.chunks_mut(size).enumerate() {
            items.push(Item { state, task: split.task(i), out, pools: &mut [] });
        }
    }
    let tensors = &*t;
    let found: Vec<_> = items.into_par_iter().map(|item| (item.state, second_task(plan, tensors, item))).collect();
    for (to, from) in t.second[states.clone()].iter_mut().zip(second) {
        *to = from;
    }
    gather(states, found)
}

fn second_task(plan: &Plan<'_>, t: &Tensors<Vec<f32>>, item: Item<'_>) -> Vec<[f64; 2]> {
    let (c, node, task) = (plan.shape.part, plan.split.node, &item.task);
    let (edges, firsts) = (plan.leaving(item.state), plan.firsts(item.state));
    let field = plan.field(&t.first[item.state], edges.len() * firsts * c, node);
    let mut moments = vec![Moment::default(); edges.len() * 2 * c];
    let (mut rectified, mut space) = (Rectified::new(c, node), Workspace::new(c, node, false));
    let places = item.out.chunks_mut(c * node.chunk()).zip(moments.chunks_mut(c)).enumerate();
    for (i, (out, moments)) in places {
        let (e, j) = (edges[i / 2].0, i % 2);
        let norm = plan.normed(e, FIRST[j]);
        let first = (i / 2 * firsts + j) * c;
        let source = rectified.fill(&field, first, c, PAD / 2, task, |channel| plan.norm(t, norm, channel));
        for convolution in plan.convolution(e, SECOND[j]) {
            convolution.forward(source, task, node, out, moments, &mut space);
        }
    }
    moments.iter().map(|m| m.raw(task.live)).collect()
}

/// The node's value, and its first channels packed where edges leave it.
fn node_phase(
    plan: &Plan<'_>,
    inputs: &[View<'_, f32>],
    t: &mut Tensors<Vec<f32>>,
    node: usize,
    planes: &mut Vec<Vec<&mut [f32]>>,
    read: Option<&[f32]>,
) {
    let (c, split, plane) = (plan.shape.part, &plan.split, plan.split.node);
    let state = plan.cell.inputs + node;
    let last = node + 1 == plan.cell.nodes;
    if last && read.is_some() {
        return;
    }
    let mut x = if last { Vec::new() } else { std::mem::take(&mut t.x[state]) };
    let mut chunks = x.chunks_mut(c * plane.chunk());
    let tensors = &*t;
    let items: Vec<_> = match read {
        Some(_) => (0..split.tasks()).map(|i| (i, None, chunks.next())).collect(),
        None => planes.iter_mut().enumerate().map(|(i, p)| (i, Some(p), chunks.next())).collect(),
    };
    items.into_par_iter().for_each(|(i, planes, x)| {
        let task = split.task(i);
        let own: Vec<&[f32]> = match (planes, read) {
            (Some(planes), _) => {
                node_task(plan, inputs, tensors, node, &task, planes);
                let start = node * plan.shape.channels * task.live;
                planes[start..start + c * task.live].iter().map(|p| &**p).collect()
            }
            (None, Some(values)) => {
                (0..c * task.live).map(|i| plan.node_piece(values, node, &task, i / task.live, i % task.live)).collect()
            }
            (None, None) => unreachable!("nodes are written or read"),
        };
        for (sources, x) in own.chunks(task.live).zip(x.into_iter().flat_map(|x| x.chunks_mut(plane.chunk()))) {
            pack(sources, &mut x[..plane.owned(task.strip)]);
        }
    });
    if !last {
        t.x[state] = x;
    }
}

/// Writes one task's part of a node.
fn node_task(
    plan: &Plan<'_>,
    inputs: &[View<'_, f32>],
    t: &Tensors<Vec<f32>>,
    node: usize,
    task: &Task,
    planes: &mut [&mut [f32]],
) {
    let (cell, c, live) = (plan.cell, plan.shape.part, task.live);
    let (before, own) = planes.split_at_mut(node * plan.shape.channels * live);
    let entering = plan.entering(node);
    let mut line = spare::any(plan.split.node.owned(task.strip));
    for j in 0..c {
        let mut constant = 0.0;
        let mut sources = Vec::new();
        for (e, _) in entering {
            for primitive in 1..8 {
                let (field, first, norm) = plan.result(t, *e, primitive);
                let weight = plan.alpha[8 * e + primitive] * plan.beta[*e];
                let (mean, scale) = norm.map_or((0.0, 1.0), |n| plan.norm(t, n, j));
                constant -= f64::from(mean) * f64::from(weight * scale);
                sources.push((field.own(task, first + j), weight * scale));
            }
        }
        let constant = constant as f32;
        dispatch(Blend { sources: &sources, constant, out: &mut line, add: false, mask: &task.mask });
        unpack(&line, &mut own[plan.processed(j) * live..][..live], false);
    }
    let mut sources: Vec<(&[f32], f32)> = Vec::new();
    for (from, to) in plan.bypassed() {
        sources.clear();
        for lane in 0..live {
            for (e, edge) in entering {
                let s = edge.from;
                let source: &[f32] = if s >= cell.inputs {
                    &*before[((s - cell.inputs) * plan.shape.channels + from) * live + lane]
                } else if plan.halves() {
                    passed(plan, t, s, task, from, lane)
                } else {
                    plan.input_piece(inputs[s].values, task, from, lane)
                };
                sources.push((source, plan.beta[*e]));
            }
        }
        dispatch(Blends { sources: &sources, outs: &mut own[to * live..][..live], add: false });
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
