//! Sums of a node's gradient against all that enters it: what the batch norms before it need, and the gradients of α and β.

use crate::ops::mixed_cell::interleave::pack;
use crate::ops::mixed_cell::pass::{Node, Pass, Theta};
use crate::ops::mixed_cell::spare::{self, Spare};
use crate::ops::mixed_cell::split::Task;
use crate::ops::mixed_cell::sums::{Dots, PieceDots};
use crate::ops::simd::dispatch;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

pub fn last_node(pass: &Pass<'_>, theta: &mut Theta) -> Node {
    let (plan, node) = (&pass.plan, pass.plan.cell.nodes - 1);
    let (c, plane) = (plan.shape.part, plan.split.node);
    let mut packed = spare::any(plan.split.length(c, plane));
    let items: Vec<_> = packed.chunks_mut(c * plane.chunk()).enumerate().collect();
    let sums = items.into_par_iter().map(|(i, packed)| {
        let task = plan.split.task(i);
        let piece = |channel: usize, lane: usize| plan.node_piece(pass.gradient, node, &task, channel, lane);
        node_sums(pass, node, &task, packed, piece)
    });
    let sums = sums.collect();
    settle(pass, node, sums, packed, spare::any(0), theta)
}

/// Packs a node's processed channels, and returns the sums of its gradient against all that enters it: for each channel
/// Σ g and, edge by edge, primitive by primitive, Σ g·(z − mean); then for each edge the bypass against the state's.
pub fn node_sums<'p>(
    pass: &Pass<'_>,
    node: usize,
    task: &Task,
    packed: &mut [f32],
    piece: impl Fn(usize, usize) -> &'p [f32],
) -> Vec<f64> {
    let (plan, c, plane) = (&pass.plan, pass.plan.shape.part, pass.plan.split.node);
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
                let (field, first, norm) = plan.result(&pass.t, e, primitive);
                (field.own(task, first + j), norm.map_or(0.0, |n| plan.norm(&pass.t, n, j).0))
            })
            .collect();
        dispatch(Dots { g, others: &others, sums });
    }
    if pass.architecture {
        let (mut g, mut others) = (Vec::new(), Vec::new());
        for (from, to) in plan.bypassed() {
            g.clear();
            others.clear();
            for lane in 0..task.live {
                g.push(piece(to, lane));
                others.extend(entering.iter().map(|(_, edge)| pass.state_piece(edge.from, task, from, lane)));
            }
            dispatch(PieceDots { g: &g, others: &others, sums: &mut *bypassed });
        }
    }
    sums
}

/// Sums of all tasks to factors and to the gradients of α and β.
pub fn settle(
    pass: &Pass<'_>,
    node: usize,
    tasks: Vec<Vec<f64>>,
    packed: Spare,
    whole: Spare,
    theta: &mut Theta,
) -> Node {
    let (plan, c) = (&pass.plan, pass.plan.shape.part);
    let entering = plan.entering(node);
    let mut sums = vec![0.0; tasks[0].len()];
    for task in tasks {
        sums.iter_mut().zip(task).for_each(|(a, b)| *a += b);
    }
    let width = 1 + 7 * entering.len();
    let (processed, bypassed) = sums.split_at(c * width);
    let count = pass.count();
    let mut factors = vec![[0.0; 3]; entering.len() * 8 * c];
    for (i, (e, _)) in entering.iter().enumerate() {
        theta.beta[*e] += bypassed[i];
        for primitive in 1..8 {
            let norm = plan.result(&pass.t, *e, primitive).2;
            let (alpha, beta) = (f64::from(plan.alpha[8 * e + primitive]), f64::from(plan.beta[*e]));
            for j in 0..c {
                let (total, product) = (processed[j * width], processed[j * width + i * 7 + primitive]);
                let (factor, hat) = match norm {
                    None => ([alpha * beta, 0.0, 0.0], product),
                    Some(norm) => {
                        let norm = plan.norm(&pass.t, norm, j);
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

/// The gradient before a batch norm as a·g + b·z + c, from `total` = Σ g and `product` = Σ g·(z − mean): `weight`·scale ·
/// (g − mean of g − ẑ · mean of g·ẑ), ẑ = (z − mean)·scale.
pub fn before_norm(weight: f64, (mean, scale): (f32, f32), total: f64, product: f64, count: f64) -> [f64; 3] {
    let (mean, scale) = (f64::from(mean), f64::from(scale));
    let a = weight * scale;
    let b = -a * scale * scale * product / count;
    [a, b, -a * total / count - b * mean]
}
