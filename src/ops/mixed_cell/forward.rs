//! The forward pass of a cell in f32. States are processed in groups, all inputs first, then node by node: pools and first
//! convolutions of all edges that leave a state; second convolutions of the separable ones; the sum that makes the next
//! node. A batch norm is never carried out: its mean and scale go into whatever reads the tensor before it.

use crate::ops::mixed_cell::blend::{Blend, Blends};
use crate::ops::mixed_cell::bypass;
use crate::ops::mixed_cell::convolution::{PAD, Workspace};
use crate::ops::mixed_cell::interleave::{pack, unpack};
use crate::ops::mixed_cell::plan::{FIRST, Plan, SECOND, Tensors, passed};
use crate::ops::mixed_cell::pools::Pools;
use crate::ops::mixed_cell::rectified::Rectified;
use crate::ops::mixed_cell::spare;
use crate::ops::mixed_cell::split::{Task, pieces};
use crate::ops::mixed_cell::sums::{AddMoments, Moment};
use crate::ops::mixed_cell::wiring::{self, Shape};
use crate::ops::mixed_cell::{Keep, MixedCell};
use crate::ops::operator::{Mode, Saved, View};
use crate::ops::simd::{LANES, dispatch};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

/// Where nodes go, or where they come from when all else is computed again.
pub enum Nodes<'a> {
    Write(&'a mut [f32]),
    Read(&'a [f32]),
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
