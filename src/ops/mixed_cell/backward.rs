//! The backward pass of a cell in f32, from the last node to the inputs. When a state's turn comes, the gradients of all nodes
//! that it feeds are known: second convolutions of its edges, a barrier for their batch norms' sums, first convolutions and
//! pools, then its own gradient, and with it the sums that the batch norms in front of it need. These sums are the gradients
//! of α and β as well.

use crate::ops::mixed_cell::blend::Blends;
use crate::ops::mixed_cell::bypass;
use crate::ops::mixed_cell::edge_gradient::{first_task, second_task};
use crate::ops::mixed_cell::forward::{Nodes, compute};
use crate::ops::mixed_cell::interleave::unpack;
use crate::ops::mixed_cell::node_sums::{before_norm, last_node, node_sums, settle};
use crate::ops::mixed_cell::pass::{Node, Pass, Theta};
use crate::ops::mixed_cell::plan::{FIRST, Plan, Tensors};
use crate::ops::mixed_cell::spare::{self, Spare};
use crate::ops::mixed_cell::split::{Task, pieces};
use crate::ops::mixed_cell::wiring::{Edge, Shape};
use crate::ops::mixed_cell::{Keep, MixedCell};
use crate::ops::operator::{Mode, Saved, Sink, View};
use crate::ops::simd::{LANES, dispatch};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

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
    let found = walk(&pass, states);
    if let Some(sink) = &mut theta[0] {
        let parts = [(&found.weights, weights), (&found.alpha, architecture), (&found.beta, architecture)];
        let values = parts.into_iter().flat_map(|(values, wanted)| values.iter().map(move |v| (*v, wanted)));
        for (at, (value, wanted)) in values.enumerate() {
            sink.put(at, if wanted { value as f32 } else { 0.0 });
        }
    }
    computed.into_iter().for_each(spare::keep);
}

fn walk(pass: &Pass<'_>, sinks: &mut [Option<Sink<'_, f32>>]) -> Theta {
    let (cell, edges) = (pass.plan.cell, pass.plan.edges.len());
    let mut theta =
        Theta { weights: vec![0.0; pass.plan.weights.len()], alpha: vec![0.0; 8 * edges], beta: vec![0.0; edges] };
    let mut nodes: Vec<Option<Node>> = (0..cell.nodes).map(|_| None).collect();
    let last = cell.nodes - 1;
    nodes[last] = Some(last_node(pass, &mut theta));
    for node in (0..last).rev() {
        let state = cell.inputs + node;
        let second = second_phase(pass, &nodes, &[state], &mut theta);
        nodes[node] = Some(node_phase(pass, &nodes, node, &second[0], &mut theta));
    }
    let needed: Vec<usize> = (0..cell.inputs).filter(|s| pass.weights || sinks[*s].is_some()).collect();
    let second = second_phase(pass, &nodes, &needed, &mut theta);
    input_phase(pass, &nodes, &needed, &second, sinks, &mut theta);
    theta
}

/// Second convolutions of the separable primitives on all edges that leave the states. By state: the gradient behind
/// the first batch norm, [edge][2][c] channels, and its factors.
fn second_phase(
    pass: &Pass<'_>,
    nodes: &[Option<Node>],
    states: &[usize],
    theta: &mut Theta,
) -> Vec<(Spare, Vec<[f32; 3]>)> {
    let (plan, c, node) = (&pass.plan, pass.plan.shape.part, pass.plan.split.node);
    let size = |s: usize| plan.leaving(s).len() * 2 * c;
    let mut arrays: Vec<Spare> = states.iter().map(|s| spare::any(plan.split.length(size(*s), node))).collect();
    let mut items = Vec::new();
    for (state, array) in states.iter().copied().zip(&mut arrays) {
        for (i, out) in array.chunks_mut(size(state) * node.chunk()).enumerate() {
            items.push((state, plan.split.task(i), out));
        }
    }
    let found: Vec<_> =
        items.into_par_iter().map(|(state, task, out)| (state, second_task(pass, nodes, state, &task, out))).collect();
    let mut sums: Vec<Vec<[f64; 2]>> = states.iter().map(|s| vec![[0.0; 2]; size(*s)]).collect();
    for (state, (weights, task)) in found {
        add_weights(pass, state, &weights, theta);
        let at = states.iter().position(|s| *s == state).expect("a state of this phase");
        sums[at].iter_mut().zip(task).for_each(|(a, b)| *a = [a[0] + b[0], a[1] + b[1]]);
    }
    let factors = states.iter().zip(sums).map(|(state, sums)| {
        let edges = plan.leaving(*state);
        let factor = |(i, [total, product]): (usize, [f64; 2])| {
            let (e, j, channel) = (edges[i / (2 * c)].0, i / c % 2, i % c);
            let norm = plan.norm(&pass.t, plan.normed(e, FIRST[j]), channel);
            before_norm(1.0, norm, total, product, pass.count()).map(|v| v as f32)
        };
        sums.into_iter().enumerate().map(factor).collect()
    });
    let factors: Vec<_> = factors.collect();
    arrays.into_iter().zip(factors).collect()
}

fn add_weights(pass: &Pass<'_>, state: usize, weights: &[f64], theta: &mut Theta) {
    let mut rest = weights;
    for &(e, _) in pass.plan.leaving(state) {
        let (own, after) = rest.split_at(rest.len().min(pass.plan.edge_weights(e).len()));
        theta.weights[pass.plan.offsets[e]..].iter_mut().zip(own).for_each(|(a, b)| *a += b);
        rest = after;
    }
}

/// A node's own gradient from those of the nodes that it feeds.
fn node_phase(
    pass: &Pass<'_>,
    nodes: &[Option<Node>],
    node: usize,
    second: &(Spare, Vec<[f32; 3]>),
    theta: &mut Theta,
) -> Node {
    let (plan, c, plane) = (&pass.plan, pass.plan.shape.part, pass.plan.split.node);
    let (state, size) = (plan.cell.inputs + node, plan.passed_size());
    let mut packed = spare::any(plan.split.length(c, plane));
    let mut whole = spare::any(plan.split.tasks() * pass.whole_size());
    let chunks = packed.chunks_mut(c * plane.chunk()).zip(whole.chunks_mut(pass.whole_size()));
    let items: Vec<_> = chunks.enumerate().collect();
    let found: Vec<_> = items
        .into_par_iter()
        .map(|(i, (packed, whole))| {
            let task = plan.split.task(i);
            let mut d = spare::any(c * plane.chunk());
            let weights = first_task(pass, nodes, state, &task, second, Some(&mut d));
            let own = plane.own(task.strip).len() * plane.width;
            let bypassed: Vec<(usize, usize)> = plan.bypassed().collect();
            let mut sources = Vec::new();
            for (channel, images) in whole.chunks_mut(LANES * size).enumerate() {
                let mut images: Vec<&mut [f32]> =
                    images.chunks_mut(size).take(task.live).map(|p| &mut p[..own]).collect();
                sources.clear();
                for lane in 0..task.live {
                    sources.push((plan.node_piece(pass.gradient, node, &task, channel, lane), 1.0));
                    if channel >= c {
                        let to = bypassed[channel - c].1;
                        let of =
                            |(e, edge): &(usize, Edge)| (pass.piece(nodes, edge.to, &task, to, lane), plan.beta[*e]);
                        sources.extend(plan.leaving(state).iter().map(of));
                    }
                }
                dispatch(Blends { sources: &sources, outs: &mut images, add: false });
                if channel < c {
                    unpack(&d[channel * plane.chunk()..][..plane.owned(task.strip)], &mut images, true);
                }
            }
            let piece = |channel: usize, lane: usize| pass.whole_piece(whole, &task, channel, lane);
            (weights, node_sums(pass, node, &task, packed, piece))
        })
        .collect();
    let mut sums = Vec::new();
    for (weights, task) in found {
        add_weights(pass, state, &weights, theta);
        sums.push(task);
    }
    settle(pass, node, sums, packed, whole, theta)
}

/// First convolutions of the inputs' edges, and the inputs' own gradients where there are sinks.
fn input_phase(
    pass: &Pass<'_>,
    nodes: &[Option<Node>],
    states: &[usize],
    second: &[(Spare, Vec<[f32; 3]>)],
    sinks: &mut [Option<Sink<'_, f32>>],
    theta: &mut Theta,
) {
    let (plan, c, plane) = (&pass.plan, pass.plan.shape.part, pass.plan.split.input);
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
                return (state, first_task(pass, nodes, state, &task, &second[at], None));
            };
            let mut d = spare::any(c * plane.chunk());
            let weights = first_task(pass, nodes, state, &task, &second[at], Some(&mut d));
            for (d, images) in d.chunks(plane.chunk()).zip(cut.chunks_mut(task.live)) {
                unpack(&d[..plane.owned(task.strip)], images, add);
            }
            input_bypass(pass, nodes, state, &task, &mut cut, add);
            (state, weights)
        })
        .collect();
    for (state, weights) in found {
        add_weights(pass, state, &weights, theta);
    }
}

/// The gradient of an input's channels that go round the primitives.
fn input_bypass(pass: &Pass<'_>, nodes: &[Option<Node>], state: usize, task: &Task, cut: &mut [&mut [f32]], add: bool) {
    let (plan, node) = (&pass.plan, pass.plan.split.node);
    let edges = plan.leaving(state);
    let own = node.own(task.strip).len() * node.width;
    let mut lines = spare::any(if plan.halves() { own * task.live } else { 0 });
    let mut sources = Vec::new();
    for (from, to) in plan.bypassed() {
        sources.clear();
        for lane in 0..task.live {
            let of = |(e, edge): &(usize, Edge)| (pass.piece(nodes, edge.to, task, to, lane), plan.beta[*e]);
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
            let piece = plan.input_piece(pass.inputs[state].values, task, from, lane);
            bypass::halve_backward(piece, plan.split.input.width, half, out);
        }
    }
}
