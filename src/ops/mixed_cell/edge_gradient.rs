//! One task's part of a state's gradient: convolutions, pools and skips of all edges that leave it. Knows no phase.

use crate::ops::mixed_cell::blend::Blend;
use crate::ops::mixed_cell::convolution::{Destination, PAD, Upstream, Workspace};
use crate::ops::mixed_cell::pass::{Node, Pass, known};
use crate::ops::mixed_cell::plan::{FIRST, SECOND};
use crate::ops::mixed_cell::pools::PoolsBackward;
use crate::ops::mixed_cell::rectified::Rectified;
use crate::ops::mixed_cell::spare::{self, Spare};
use crate::ops::mixed_cell::split::{Task, Tile};
use crate::ops::mixed_cell::sums::Gate;
use crate::ops::mixed_cell::wiring::{self, Edge, SKIP};
use crate::ops::simd::{LANES, dispatch};

/// Second convolutions of the separable primitives on all edges that leave a state. Writes the gradient behind the first
/// batch norm to `out`, [edge][2][c] channels; returns gradients of weights and, for each of these channels, Σ gradient and
/// Σ gradient·(z − mean).
pub fn second_task(
    pass: &Pass<'_>,
    nodes: &[Option<Node>],
    state: usize,
    task: &Task,
    mut out: &mut [f32],
) -> (Vec<f64>, Vec<[f64; 2]>) {
    let (plan, c, plane) = (&pass.plan, pass.plan.shape.part, pass.plan.split.node);
    let (edges, firsts) = (plan.leaving(state), plan.firsts(state));
    let first = plan.field(pass.t.first[state], edges.len() * firsts * c, plane);
    let mut weights = pass.weights_of(state);
    let mut sums = Vec::with_capacity(edges.len() * 2 * c);
    let mut space = Workspace::new(c, plane, true);
    let mut rectified = pass.weights.then(|| Rectified::new(c, plane));
    let (owned, chunk) = (plane.owned(task.strip), plane.chunk());
    let mut rest = weights.as_mut_slice();
    for (k, (e, edge)) in edges.iter().enumerate() {
        let (own_weights, after) = std::mem::take(&mut rest).split_at_mut(plan.edge_weights(*e).len());
        rest = after;
        let node = known(nodes, edge);
        let packed = plan.field(&node.packed, c, plane);
        for j in 0..2 {
            let primitive = [wiring::SEP_3, wiring::SEP_5][j];
            let norm = |channel: usize| plan.norm(&pass.t, plan.normed(*e, FIRST[j]), channel);
            let before = (k * firsts + j) * c;
            let source = rectified.as_mut().map(|r| r.fill(&first, before, c, PAD / 2, task, norm));
            let (z, at, _) = plan.result(&pass.t, *e, primitive);
            let factors = pass.factors(node, state, primitive);
            let upstream = Upstream { g: (packed, 0), z: (z, at), factors };
            let (own, after) = std::mem::take(&mut out).split_at_mut(c * chunk);
            out = after;
            for convolution in plan.convolution(*e, SECOND[j]) {
                let into = Destination { out: own, channel_step: chunk, plane, add: false };
                convolution.backward(&upstream, source, task, plane, Some(into), own_weights, &mut space);
            }
            for (channel, own) in own.chunks_mut(chunk).enumerate() {
                let z = first.own(task, before + channel);
                sums.push(dispatch(Gate { gradient: &mut own[..owned], z, mean: norm(channel).0 }));
            }
        }
    }
    (if pass.weights { weights } else { Vec::new() }, sums)
}

/// First convolutions, pools and skips of all edges that leave a state: the gradient of its first channels in `d`,
/// [channel][position of the strip][8], where asked for.
pub fn first_task(
    pass: &Pass<'_>,
    nodes: &[Option<Node>],
    state: usize,
    task: &Task,
    second: &(Spare, Vec<[f32; 3]>),
    mut d: Option<&mut [f32]>,
) -> Vec<f64> {
    let (plan, c, plane) = (&pass.plan, pass.plan.shape.part, pass.plan.split.node);
    let (edges, firsts, own_plane) = (plan.leaving(state), plan.firsts(state), plan.plane(state));
    let x = plan.field(pass.t.x[state], c, own_plane);
    let first = plan.field(pass.t.first[state], edges.len() * firsts * c, plane);
    let behind = plan.field(&second.0, edges.len() * 2 * c, plane);
    let mut weights = pass.weights_of(state);
    let mut space = Workspace::new(c, plane, true);
    let mut rectified = pass.weights.then(|| Rectified::new(c, own_plane));
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
                _ => ((packed, 0), pass.factors(node, state, [wiring::DIL_3, wiring::DIL_5, SKIP][j - 2])),
            };
            let upstream = Upstream { g, z: (first, (k * firsts + j) * c), factors };
            for convolution in plan.convolution(*e, *index) {
                let into = d.as_deref_mut().map(|out| Destination {
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
            linear_task(pass, nodes, state, task, channel, d);
        }
    }
    if pass.weights { weights } else { Vec::new() }
}

/// Adds what comes through pools and skips to one channel's gradient. Both are linear, so that edges are summed first.
pub fn linear_task(pass: &Pass<'_>, nodes: &[Option<Node>], state: usize, task: &Task, channel: usize, d: &mut [f32]) {
    let (plan, c, node) = (&pass.plan, pass.plan.shape.part, pass.plan.split.node);
    let (plane, edges, (step_y, step_x)) = (plan.plane(state), plan.leaving(state), plan.steps(state));
    let packed = |edge: &Edge| plan.field(&known(nodes, edge).packed, c, node);
    let factor = |edge: &Edge, primitive: usize| pass.factors(known(nodes, edge), state, primitive)[channel];
    if plan.stride(state) == 1 {
        let sources: Vec<_> = edges.iter().map(|(_, e)| (packed(e).own(task, channel), factor(e, SKIP)[0])).collect();
        dispatch(Blend { sources: &sources, constant: 0.0, out: &mut *d, add: true, mask: &task.mask });
    }
    let own = plane.own(task.strip);
    // window q covers q·step − 1 to q·step + 1
    let rows = own.start.saturating_sub(1).div_ceil(step_y)..(own.end / step_y + 1).min(node.height);
    if rows.is_empty() {
        return;
    }
    let row = node.width * LANES;
    let (pools, x) = (plan.field(pass.t.pools[state], 2 * c, node), plan.field(pass.t.x[state], c, plane));
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
