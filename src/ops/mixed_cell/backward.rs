//! The backward pass of a cell in f32, from the last node to the inputs. When a state's turn comes, the gradients of all nodes
//! that it feeds are known: second convolutions of its edges, a barrier for their batch norms' sums, first convolutions and
//! pools, then its own gradient, and with it the sums that the batch norms in front of it need. These sums are the gradients
//! of α and β as well.

use crate::ops::mixed_cell::blend::{Blend, Blends};
use crate::ops::mixed_cell::bypass;
use crate::ops::mixed_cell::convolution::{Into, PAD, Upstream, Workspace};
use crate::ops::mixed_cell::forward::{FIRST, Nodes, Plan, Rectified, SECOND, Tensors, compute, passed};
use crate::ops::mixed_cell::interleave::{pack, unpack};
use crate::ops::mixed_cell::pools::PoolsBackward;
use crate::ops::mixed_cell::spare::{self, Spare};
use crate::ops::mixed_cell::split::{Task, Tile, pieces};
use crate::ops::mixed_cell::sums::{Dots, Gate, PieceDots};
use crate::ops::mixed_cell::wiring::{self, Edge, SKIP, Shape};
use crate::ops::mixed_cell::{Keep, MixedCell};
use crate::ops::operator::{Mode, Saved, Sink, View};
use crate::ops::simd::{LANES, dispatch};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

/// What the passes share.
struct Pass<'a> {
    plan: Plan<'a>,
    inputs: &'a [View<'a, f32>],
    output: &'a [f32],
    gradient: &'a [f32],
    t: Tensors<&'a [f32]>,
    weights: bool,
    architecture: bool,
}

/// What is known of a node's gradient.
struct Node {
    /// Its processed channels, packed: c channels.
    packed: Spare,
    /// All of it, per task [channel][image][position]; of the last node empty, since it is the upstream gradient itself.
    whole: Spare,
    /// For each edge that enters, by its state, primitive and channel: the gradient before its batch norm is a·g + b·z + c.
    factors: Vec<[f32; 3]>,
}

/// Gradient of θ so far.
struct Theta {
    weights: Vec<f64>,
    alpha: Vec<f64>,
    beta: Vec<f64>,
}

/// One state and one task of a phase.
struct Item<'a> {
    state: usize,
    task: Task,
    out: &'a mut [f32],
}

pub fn run(
    cell: &MixedCell,
    shape: &Shape,
    inputs: &[View<'_, f32>],
    output: &[f32],
    saved: &Saved<f32>,
    gradient: &[f32],
    sinks: &mut [Option<Sink<'_, f32>>],
) {
    let plan = Plan::new(cell, shape, inputs[cell.inputs].values);
    let computed = match cell.keep {
        Keep::Saved => Vec::new(),
        Keep::Recompute => {
            compute(&plan, inputs, Mode::Train { step: 0 }, Nodes::Read(output), Vec::new()).0.into_arrays()
        }
    };
    let mut arrays = if cell.keep == Keep::Saved { saved.arrays.iter() } else { computed.iter() };
    let t = Tensors::from_arrays(&plan, |length| {
        let array = arrays.next().expect("a forward pass in training saved its tensors");
        assert_eq!(array.len(), length, "tensors of these inputs");
        array.as_slice()
    });
    let (states, theta) = sinks.split_at_mut(cell.inputs);
    let asked = theta[0].is_some();
    let (weights, architecture) = (asked && cell.wants.weights(), asked && cell.wants.architecture());
    let pass = Pass { plan, inputs, output, gradient, t, weights, architecture };
    let found = pass.walk(states);
    if let Some(sink) = &mut theta[0] {
        let parts = [(&found.weights, weights), (&found.alpha, architecture), (&found.beta, architecture)];
        let values = parts.into_iter().flat_map(|(values, wanted)| values.iter().map(move |v| (*v, wanted)));
        for (at, (value, wanted)) in values.enumerate() {
            sink.put(at, if wanted { value as f32 } else { 0.0 });
        }
    }
    computed.into_iter().for_each(spare::keep);
}

impl Pass<'_> {
    fn walk(&self, sinks: &mut [Option<Sink<'_, f32>>]) -> Theta {
        let (cell, edges) = (self.plan.cell, self.plan.edges.len());
        let mut theta =
            Theta { weights: vec![0.0; self.plan.weights.len()], alpha: vec![0.0; 8 * edges], beta: vec![0.0; edges] };
        let mut nodes: Vec<Option<Node>> = (0..cell.nodes).map(|_| None).collect();
        let last = cell.nodes - 1;
        nodes[last] = Some(self.last_node(&mut theta));
        for node in (0..last).rev() {
            let state = cell.inputs + node;
            let second = self.second_phase(&nodes, &[state], &mut theta);
            nodes[node] = Some(self.node_phase(&nodes, node, &second[0], &mut theta));
        }
        let needed: Vec<usize> = (0..cell.inputs).filter(|s| self.weights || sinks[*s].is_some()).collect();
        let second = self.second_phase(&nodes, &needed, &mut theta);
        self.input_phase(&nodes, &needed, &second, sinks, &mut theta);
        theta
    }

    /// Length of a node's `whole` per task.
    fn whole_size(&self) -> usize {
        self.plan.shape.channels * LANES * self.plan.passed_size()
    }

    /// A task's piece of a node's gradient.
    fn piece<'p>(
        &'p self,
        nodes: &'p [Option<Node>],
        node: usize,
        task: &Task,
        channel: usize,
        lane: usize,
    ) -> &'p [f32] {
        if node + 1 == self.plan.cell.nodes {
            return self.plan.node_piece(self.gradient, node, task, channel, lane);
        }
        let whole = &nodes[node].as_ref().expect("nodes come from behind").whole;
        let index = task.block * self.plan.split.strips + task.strip;
        self.whole_piece(&whole[index * self.whole_size()..], task, channel, lane)
    }

    fn whole_piece<'p>(&self, whole: &'p [f32], task: &Task, channel: usize, lane: usize) -> &'p [f32] {
        let (plane, size) = (self.plan.split.node, self.plan.passed_size());
        &whole[(channel * LANES + lane) * size..][..plane.own(task.strip).len() * plane.width]
    }

    fn last_node(&self, theta: &mut Theta) -> Node {
        let (plan, node) = (&self.plan, self.plan.cell.nodes - 1);
        let (c, plane) = (plan.shape.part, plan.split.node);
        let mut packed = spare::any(plan.split.length(c, plane));
        let items: Vec<_> = packed.chunks_mut(c * plane.chunk()).enumerate().collect();
        let sums = items.into_par_iter().map(|(i, packed)| {
            let task = plan.split.task(i);
            let piece = |channel: usize, lane: usize| plan.node_piece(self.gradient, node, &task, channel, lane);
            self.node_sums(node, &task, packed, piece)
        });
        let sums = sums.collect();
        self.settle(node, sums, packed, spare::any(0), theta)
    }

    /// Packs a node's processed channels, and returns the sums of its gradient against all that enters it: for each channel
    /// Σ g and, edge by edge, primitive by primitive, Σ g·(z − mean); then for each edge the bypass against the state's.
    fn node_sums<'p>(
        &self,
        node: usize,
        task: &Task,
        packed: &mut [f32],
        piece: impl Fn(usize, usize) -> &'p [f32],
    ) -> Vec<f64> {
        let (plan, c, plane) = (&self.plan, self.plan.shape.part, self.plan.split.node);
        let entering = plan.entering(node);
        let mut sums = vec![0.0; c * (1 + 7 * entering.len()) + entering.len()];
        let (processed, bypassed) = sums.split_at_mut(c * (1 + 7 * entering.len()));
        for (j, sums) in processed.chunks_mut(1 + 7 * entering.len()).enumerate() {
            let g = &mut packed[j * plane.chunk()..][..plane.owned(task.strip)];
            let sources: Vec<&[f32]> = (0..task.live).map(|lane| piece(plan.processed(j), lane)).collect();
            pack(&sources, g);
            let primitives = entering.iter().flat_map(|(e, _)| (1..8).map(move |p| (*e, p)));
            let others: Vec<_> = primitives
                .map(|(e, primitive)| {
                    let (field, first, norm) = plan.result(&self.t, e, primitive);
                    (field.own(task, first + j), norm.map_or(0.0, |n| plan.norm(&self.t, n, j).0))
                })
                .collect();
            dispatch(Dots { g, others: &others, sums });
        }
        if self.architecture {
            let (mut g, mut others) = (Vec::new(), Vec::new());
            for (from, to) in plan.bypassed() {
                g.clear();
                others.clear();
                for lane in 0..task.live {
                    g.push(piece(to, lane));
                    others.extend(entering.iter().map(|(_, edge)| self.state_piece(edge.from, task, from, lane)));
                }
                dispatch(PieceDots { g: &g, others: &others, sums: &mut *bypassed });
            }
        }
        sums
    }

    /// A task's piece of a channel of a state that goes round the primitives, in the node's plane.
    fn state_piece(&self, state: usize, task: &Task, channel: usize, lane: usize) -> &[f32] {
        let (plan, inputs) = (&self.plan, self.plan.cell.inputs);
        if state >= inputs {
            plan.node_piece(self.output, state - inputs, task, channel, lane)
        } else if plan.halves() {
            passed(plan, &self.t, state, task, channel, lane)
        } else {
            plan.input_piece(self.inputs[state].values, task, channel, lane)
        }
    }

    /// Sums of all tasks to factors and to the gradients of α and β.
    fn settle(&self, node: usize, tasks: Vec<Vec<f64>>, packed: Spare, whole: Spare, theta: &mut Theta) -> Node {
        let (plan, c) = (&self.plan, self.plan.shape.part);
        let entering = plan.entering(node);
        let mut sums = vec![0.0; tasks[0].len()];
        for task in tasks {
            sums.iter_mut().zip(task).for_each(|(a, b)| *a += b);
        }
        let width = 1 + 7 * entering.len();
        let (processed, bypassed) = sums.split_at(c * width);
        let count = self.count();
        let mut factors = vec![[0.0; 3]; entering.len() * 8 * c];
        for (i, (e, _)) in entering.iter().enumerate() {
            theta.beta[*e] += bypassed[i];
            for primitive in 1..8 {
                let norm = plan.result(&self.t, *e, primitive).2;
                let (alpha, beta) = (f64::from(plan.alpha[8 * e + primitive]), f64::from(plan.beta[*e]));
                for j in 0..c {
                    let (total, product) = (processed[j * width], processed[j * width + i * 7 + primitive]);
                    let (factor, hat) = match norm {
                        None => ([alpha * beta, 0.0, 0.0], product),
                        Some(norm) => {
                            let norm = plan.norm(&self.t, norm, j);
                            (before_norm(alpha * beta, norm, total, product, count), product * f64::from(norm.1))
                        }
                    };
                    theta.alpha[8 * e + primitive] += beta * hat;
                    theta.beta[*e] += alpha * hat;
                    factors[(i * 8 + primitive) * c + j] = factor.map(|v| v as f32);
                }
            }
        }
        Node { packed, whole, factors }
    }

    /// Values per channel in a batch norm.
    fn count(&self) -> f64 {
        let shape = self.plan.shape;
        (shape.images * shape.out_height * shape.out_width) as f64
    }

    /// Second convolutions of the separable primitives on all edges that leave the states. By state: the gradient behind
    /// the first batch norm, [edge][2][c] channels, and its factors.
    fn second_phase(&self, nodes: &[Option<Node>], states: &[usize], theta: &mut Theta) -> Vec<(Spare, Vec<[f32; 3]>)> {
        let (plan, c, node) = (&self.plan, self.plan.shape.part, self.plan.split.node);
        let size = |s: usize| plan.leaving(s).len() * 2 * c;
        let mut arrays: Vec<Spare> = states.iter().map(|s| spare::any(plan.split.length(size(*s), node))).collect();
        let mut items = Vec::new();
        for (state, array) in states.iter().copied().zip(&mut arrays) {
            for (i, out) in array.chunks_mut(size(state) * node.chunk()).enumerate() {
                items.push(Item { state, task: plan.split.task(i), out });
            }
        }
        let found: Vec<_> = items.into_par_iter().map(|item| (item.state, self.second_task(nodes, item))).collect();
        let mut sums: Vec<Vec<[f64; 2]>> = states.iter().map(|s| vec![[0.0; 2]; size(*s)]).collect();
        for (state, (weights, task)) in found {
            self.add_weights(state, &weights, theta);
            let at = states.iter().position(|s| *s == state).expect("a state of this phase");
            sums[at].iter_mut().zip(task).for_each(|(a, b)| *a = [a[0] + b[0], a[1] + b[1]]);
        }
        let factors = states.iter().zip(sums).map(|(state, sums)| {
            let edges = plan.leaving(*state);
            let factor = |(i, [total, product]): (usize, [f64; 2])| {
                let (e, j, channel) = (edges[i / (2 * c)].0, i / c % 2, i % c);
                let norm = plan.norm(&self.t, plan.normed(e, FIRST[j]), channel);
                before_norm(1.0, norm, total, product, self.count()).map(|v| v as f32)
            };
            sums.into_iter().enumerate().map(factor).collect()
        });
        let factors: Vec<_> = factors.collect();
        arrays.into_iter().zip(factors).collect()
    }

    fn add_weights(&self, state: usize, weights: &[f64], theta: &mut Theta) {
        let mut rest = weights;
        for &(e, _) in self.plan.leaving(state) {
            let (own, after) = rest.split_at(rest.len().min(self.plan.edge_weights(e).len()));
            theta.weights[self.plan.offsets[e]..].iter_mut().zip(own).for_each(|(a, b)| *a += b);
            rest = after;
        }
    }

    /// Room for the gradients of the weights of all edges that leave a state.
    fn weights_of(&self, state: usize) -> Vec<f64> {
        vec![0.0; self.plan.leaving(state).iter().map(|(e, _)| self.plan.edge_weights(*e).len()).sum()]
    }

    fn factors<'n>(&self, node: &'n Node, state: usize, primitive: usize) -> &'n [[f32; 3]] {
        let c = self.plan.shape.part;
        &node.factors[(state * 8 + primitive) * c..][..c]
    }

    fn second_task(&self, nodes: &[Option<Node>], item: Item<'_>) -> (Vec<f64>, Vec<[f64; 2]>) {
        let (plan, c, plane, task) = (&self.plan, self.plan.shape.part, self.plan.split.node, &item.task);
        let (edges, firsts) = (plan.leaving(item.state), plan.firsts(item.state));
        let first = plan.field(self.t.first[item.state], edges.len() * firsts * c, plane);
        let mut weights = self.weights_of(item.state);
        let mut sums = Vec::with_capacity(edges.len() * 2 * c);
        let mut space = Workspace::new(c, plane, true);
        let mut rectified = self.weights.then(|| Rectified::new(c, plane));
        let (owned, chunk) = (plane.owned(task.strip), plane.chunk());
        let mut rest = weights.as_mut_slice();
        let mut out = item.out;
        for (k, (e, edge)) in edges.iter().enumerate() {
            let (own_weights, after) = std::mem::take(&mut rest).split_at_mut(plan.edge_weights(*e).len());
            rest = after;
            let node = known(nodes, edge);
            let packed = plan.field(&node.packed, c, plane);
            for j in 0..2 {
                let primitive = [wiring::SEP_3, wiring::SEP_5][j];
                let norm = |channel: usize| plan.norm(&self.t, plan.normed(*e, FIRST[j]), channel);
                let before = (k * firsts + j) * c;
                let source = rectified.as_mut().map(|r| r.fill(&first, before, c, PAD / 2, task, norm));
                let (z, at, _) = plan.result(&self.t, *e, primitive);
                let factors = self.factors(node, item.state, primitive);
                let upstream = Upstream { g: (packed, 0), z: (z, at), factors };
                let (own, after) = std::mem::take(&mut out).split_at_mut(c * chunk);
                out = after;
                for convolution in plan.convolution(*e, SECOND[j]) {
                    let into = Into { out: own, channel_step: chunk, plane, add: false };
                    convolution.backward(&upstream, source, task, plane, Some(into), own_weights, &mut space);
                }
                for (channel, own) in own.chunks_mut(chunk).enumerate() {
                    let z = first.own(task, before + channel);
                    sums.push(dispatch(Gate { gradient: &mut own[..owned], z, mean: norm(channel).0 }));
                }
            }
        }
        (if self.weights { weights } else { Vec::new() }, sums)
    }

    /// First convolutions, pools and skips of all edges that leave a state: the gradient of its first channels in `d`,
    /// [channel][position of the strip][8], where asked for.
    fn first_task(
        &self,
        nodes: &[Option<Node>],
        state: usize,
        task: &Task,
        second: &(Spare, Vec<[f32; 3]>),
        mut d: Option<&mut [f32]>,
    ) -> Vec<f64> {
        let (plan, c, plane) = (&self.plan, self.plan.shape.part, self.plan.split.node);
        let (edges, firsts, own_plane) = (plan.leaving(state), plan.firsts(state), plan.plane(state));
        let x = plan.field(self.t.x[state], c, own_plane);
        let first = plan.field(self.t.first[state], edges.len() * firsts * c, plane);
        let behind = plan.field(&second.0, edges.len() * 2 * c, plane);
        let mut weights = self.weights_of(state);
        let mut space = Workspace::new(c, plane, true);
        let mut rectified = self.weights.then(|| Rectified::new(c, own_plane));
        let source = rectified.as_mut().map(|r| r.fill(&x, 0, c, PAD, task, |_| (0.0, 1.0)));
        if let Some(d) = &mut d {
            d.fill(0.0);
        }
        let mut rest = weights.as_mut_slice();
        for (k, (e, edge)) in edges.iter().enumerate() {
            let (own_weights, after) = std::mem::take(&mut rest).split_at_mut(plan.edge_weights(*e).len());
            rest = after;
            let node = known(nodes, edge);
            let packed = plan.field(&node.packed, c, plane);
            for (j, index) in FIRST[..firsts].iter().enumerate() {
                let (g, factors) = match j {
                    0 | 1 => ((behind, (k * 2 + j) * c), &second.1[(k * 2 + j) * c..][..c]),
                    _ => ((packed, 0), self.factors(node, state, [wiring::DIL_3, wiring::DIL_5, SKIP][j - 2])),
                };
                let upstream = Upstream { g, z: (first, (k * firsts + j) * c), factors };
                for convolution in plan.convolution(*e, *index) {
                    let into = d.as_deref_mut().map(|out| Into {
                        out,
                        channel_step: own_plane.chunk(),
                        plane: own_plane,
                        add: true,
                    });
                    convolution.backward(&upstream, source, task, plane, into, own_weights, &mut space);
                }
            }
        }
        if let Some(d) = d {
            for (channel, d) in d.chunks_mut(own_plane.chunk()).enumerate() {
                let d = &mut d[..own_plane.owned(task.strip)];
                dispatch(Gate { gradient: d, z: x.own(task, channel), mean: 0.0 });
                self.linear_task(nodes, state, task, channel, d);
            }
        }
        if self.weights { weights } else { Vec::new() }
    }

    /// Adds what comes through pools and skips to one channel's gradient. Both are linear, so that edges are summed first.
    fn linear_task(&self, nodes: &[Option<Node>], state: usize, task: &Task, channel: usize, d: &mut [f32]) {
        let (plan, c, node) = (&self.plan, self.plan.shape.part, self.plan.split.node);
        let (plane, edges, (step_y, step_x)) = (plan.plane(state), plan.leaving(state), plan.steps(state));
        let packed = |edge: &Edge| plan.field(&known(nodes, edge).packed, c, node);
        let factor = |edge: &Edge, primitive: usize| self.factors(known(nodes, edge), state, primitive)[channel];
        if plan.stride(state) == 1 {
            let sources: Vec<_> =
                edges.iter().map(|(_, e)| (packed(e).own(task, channel), factor(e, SKIP)[0])).collect();
            dispatch(Blend { sources: &sources, constant: 0.0, out: &mut *d, add: true, mask: &task.mask });
        }
        let own = plane.own(task.strip);
        // window q covers q·step − 1 to q·step + 1
        let rows = own.start.saturating_sub(1).div_ceil(step_y)..(own.end / step_y + 1).min(node.height);
        if rows.is_empty() {
            return;
        }
        let row = node.width * LANES;
        let (pools, x) = (plan.field(self.t.pools[state], 2 * c, node), plan.field(self.t.x[state], c, plane));
        let mut before = [wiring::MAX_POOL, wiring::AVG_POOL].map(|primitive| {
            let mut out = spare::any(rows.len() * row);
            let at = if primitive == wiring::MAX_POOL { channel } else { c + channel };
            let constants = edges.iter().map(|(_, e)| factor(e, primitive));
            let [b, constant] = constants.fold([0.0; 2], |sum, [_, b, c]| [sum[0] + b, sum[1] + c]);
            let mut y = rows.start;
            while y < rows.end {
                let next = ((y / node.rows + 1) * node.rows).min(rows.end);
                let tile = Tile { rows: y..next, columns: 0..node.width };
                let of = |e: &Edge| (packed(e).tile(task.block, channel, &tile), factor(e, primitive)[0]);
                let mut sources: Vec<_> = edges.iter().map(|(_, e)| of(e)).collect();
                sources.push((pools.tile(task.block, at, &tile), b));
                let out = &mut out[(y - rows.start) * row..(next - rows.start) * row];
                dispatch(Blend { sources: &sources, constant, out, add: false, mask: &task.mask });
                y = next;
            }
            out
        });
        let seen = (rows.start * step_y).saturating_sub(1)..((rows.end - 1) * step_y + 2).min(plane.height);
        let input: Vec<_> = seen.clone().map(|y| x.row(task.block, channel, y)).collect();
        let maxima: Vec<_> = rows.clone().map(|y| pools.row(task.block, channel, y)).collect();
        let mut line = spare::any(plane.width * LANES);
        let [to_maxima, to_means] = &mut before;
        dispatch(PoolsBackward {
            input: &input,
            first: seen.start,
            height: plane.height,
            width: plane.width,
            step_y,
            step_x,
            rows,
            maxima: &maxima,
            to_maxima,
            to_means,
            own,
            out: d,
            line: &mut line,
        });
    }

    /// A node's own gradient from those of the nodes that it feeds.
    fn node_phase(
        &self,
        nodes: &[Option<Node>],
        node: usize,
        second: &(Spare, Vec<[f32; 3]>),
        theta: &mut Theta,
    ) -> Node {
        let (plan, c, plane) = (&self.plan, self.plan.shape.part, self.plan.split.node);
        let (state, size) = (plan.cell.inputs + node, plan.passed_size());
        let mut packed = spare::any(plan.split.length(c, plane));
        let mut whole = spare::any(plan.split.tasks() * self.whole_size());
        let chunks = packed.chunks_mut(c * plane.chunk()).zip(whole.chunks_mut(self.whole_size()));
        let items: Vec<_> = chunks.enumerate().collect();
        let found: Vec<_> = items
            .into_par_iter()
            .map(|(i, (packed, whole))| {
                let task = plan.split.task(i);
                let mut d = spare::any(c * plane.chunk());
                let weights = self.first_task(nodes, state, &task, second, Some(&mut d));
                let own = plane.own(task.strip).len() * plane.width;
                let bypassed: Vec<(usize, usize)> = plan.bypassed().collect();
                let mut sources = Vec::new();
                for (channel, images) in whole.chunks_mut(LANES * size).enumerate() {
                    let mut images: Vec<&mut [f32]> =
                        images.chunks_mut(size).take(task.live).map(|p| &mut p[..own]).collect();
                    sources.clear();
                    for lane in 0..task.live {
                        sources.push((plan.node_piece(self.gradient, node, &task, channel, lane), 1.0));
                        if channel >= c {
                            let to = bypassed[channel - c].1;
                            let of = |(e, edge): &(usize, Edge)| {
                                (self.piece(nodes, edge.to, &task, to, lane), plan.beta[*e])
                            };
                            sources.extend(plan.leaving(state).iter().map(of));
                        }
                    }
                    dispatch(Blends { sources: &sources, outs: &mut images, add: false });
                    if channel < c {
                        unpack(&d[channel * plane.chunk()..][..plane.owned(task.strip)], &mut images, true);
                    }
                }
                let piece = |channel: usize, lane: usize| self.whole_piece(whole, &task, channel, lane);
                (weights, self.node_sums(node, &task, packed, piece))
            })
            .collect();
        let mut sums = Vec::new();
        for (weights, task) in found {
            self.add_weights(state, &weights, theta);
            sums.push(task);
        }
        self.settle(node, sums, packed, whole, theta)
    }

    /// First convolutions of the inputs' edges, and the inputs' own gradients where there are sinks.
    fn input_phase(
        &self,
        nodes: &[Option<Node>],
        states: &[usize],
        second: &[(Spare, Vec<[f32; 3]>)],
        sinks: &mut [Option<Sink<'_, f32>>],
        theta: &mut Theta,
    ) {
        let (plan, c, plane) = (&self.plan, self.plan.shape.part, self.plan.split.input);
        let mut items = Vec::new();
        for (state, sink) in sinks.iter_mut().enumerate().filter(|(s, _)| states.contains(s)) {
            let mut cut = match sink {
                Some(Sink { values, add }) => {
                    let cut = pieces(values, plan.shape.channels, plane, &plan.split);
                    cut.into_iter().map(|p| Some((p, *add))).collect()
                }
                None => Vec::new(),
            };
            cut.resize_with(plan.split.tasks(), || None);
            items.extend(cut.into_iter().enumerate().map(|(i, cut)| (state, plan.split.task(i), cut)));
        }
        let found: Vec<_> = items
            .into_par_iter()
            .map(|(state, task, cut)| {
                let at = states.iter().position(|s| *s == state).expect("a state of this phase");
                let Some((mut cut, add)) = cut else {
                    return (state, self.first_task(nodes, state, &task, &second[at], None));
                };
                let mut d = spare::any(c * plane.chunk());
                let weights = self.first_task(nodes, state, &task, &second[at], Some(&mut d));
                for (d, images) in d.chunks(plane.chunk()).zip(cut.chunks_mut(task.live)) {
                    unpack(&d[..plane.owned(task.strip)], images, add);
                }
                self.input_bypass(nodes, state, &task, &mut cut, add);
                (state, weights)
            })
            .collect();
        for (state, weights) in found {
            self.add_weights(state, &weights, theta);
        }
    }

    /// The gradient of an input's channels that go round the primitives.
    fn input_bypass(&self, nodes: &[Option<Node>], state: usize, task: &Task, cut: &mut [&mut [f32]], add: bool) {
        let (plan, node) = (&self.plan, self.plan.split.node);
        let edges = plan.leaving(state);
        let own = node.own(task.strip).len() * node.width;
        let mut lines = spare::any(if plan.halves() { own * task.live } else { 0 });
        let mut sources = Vec::new();
        for (from, to) in plan.bypassed() {
            sources.clear();
            for lane in 0..task.live {
                let of = |(e, edge): &(usize, Edge)| (self.piece(nodes, edge.to, task, to, lane), plan.beta[*e]);
                sources.extend(edges.iter().map(of));
            }
            let outs = &mut cut[from * task.live..][..task.live];
            if !plan.halves() {
                dispatch(Blends { sources: &sources, outs, add });
                continue;
            }
            let mut halves: Vec<&mut [f32]> = lines.chunks_mut(own).collect();
            dispatch(Blends { sources: &sources, outs: &mut halves, add: false });
            for (lane, (out, half)) in outs.iter_mut().zip(halves).enumerate() {
                if !add {
                    out.fill(0.0);
                }
                let piece = plan.input_piece(self.inputs[state].values, task, from, lane);
                bypass::halve_backward(piece, plan.split.input.width, half, out);
            }
        }
    }
}

fn known<'n>(nodes: &'n [Option<Node>], edge: &Edge) -> &'n Node {
    nodes[edge.to].as_ref().expect("nodes come from behind")
}

/// The gradient before a batch norm as a·g + b·z + c, from `total` = Σ g and `product` = Σ g·(z − mean): `weight`·scale ·
/// (g − mean of g − ẑ · mean of g·ẑ), ẑ = (z − mean)·scale.
fn before_norm(weight: f64, (mean, scale): (f32, f32), total: f64, product: f64, count: f64) -> [f64; 3] {
    let (mean, scale) = (f64::from(mean), f64::from(scale));
    let a = weight * scale;
    let b = -a * scale * scale * product / count;
    [a, b, -a * total / count - b * mean]
}
