//! What connects what in a cell, and where each weight and each statistic stands in the flat arrays. Knows no arithmetic.

use crate::ops::mixed_cell::MixedCell;
use std::ops::Range;

/// The primitives in the order of an α row (`quark0/darts`, `cnn/genotypes.py`).
pub const PRIMITIVES: [&str; 8] = [
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
];

/// Positions in an α row.
pub const MAX_POOL: usize = 1;
pub const AVG_POOL: usize = 2;
pub const SKIP: usize = 3;
pub const SEP_3: usize = 4;
pub const SEP_5: usize = 5;
pub const DIL_3: usize = 6;
pub const DIL_5: usize = 7;

/// The sizes of one call.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub images: usize,
    pub channels: usize,
    /// Channels that the primitives see.
    pub part: usize,
    pub height: usize,
    pub width: usize,
    pub out_height: usize,
    pub out_width: usize,
    pub one_d: bool,
}

/// From a state (inputs first, then nodes) to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    pub stride: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub shape: Vec<usize>,
    /// Of its first value in θ.
    pub offset: usize,
}

/// Node by node, and for each node state by state.
pub fn edges(cell: &MixedCell) -> Vec<Edge> {
    let stride = |from| if cell.reduction && from < cell.inputs { 2 } else { 1 };
    let to = |to: usize| (0..cell.inputs + to).map(move |from| Edge { from, to, stride: stride(from) });
    (0..cell.nodes).flat_map(to).collect()
}

/// Position of an edge in `edges`.
pub fn edge_index(cell: &MixedCell, from: usize, to: usize) -> usize {
    to * cell.inputs + to * to.saturating_sub(1) / 2 + from
}

/// States with outgoing edges: all but the last node.
pub fn sources(cell: &MixedCell) -> usize {
    cell.inputs + cell.nodes - 1
}

/// First node that a state feeds.
pub fn first_node(cell: &MixedCell, from: usize) -> usize {
    (from + 1).saturating_sub(cell.inputs)
}

/// Convolutions of an edge, in the order of their weights.
pub const SEP_3_FIRST: usize = 0;
pub const SEP_3_SECOND: usize = 1;
pub const SEP_5_FIRST: usize = 2;
pub const SEP_5_SECOND: usize = 3;
pub const DILATED_3: usize = 4;
pub const DILATED_5: usize = 5;
/// FactorizedReduce; only where the stride is 2.
pub const REDUCE: usize = 6;

/// Kernel width and dilation of the depthwise convolutions, by the positions above.
const DEPTHWISE: [(usize, usize); 6] = [(3, 1), (3, 1), (5, 1), (5, 1), (3, 2), (5, 2)];

/// Kernel width and dilation of a depthwise convolution.
pub fn depthwise(convolution: usize) -> (usize, usize) {
    DEPTHWISE[convolution]
}

/// Values of one depthwise kernel.
pub fn taps(width: usize, one_d: bool) -> usize {
    if one_d { width } else { width * width }
}

/// Weights of an edge, relative to the edge: depthwise, then 1×1, of one convolution. The two 1×1 of FactorizedReduce follow
/// each other, (⌊c/2⌋, c) and (c − ⌊c/2⌋, c), and are one matrix (c, c).
pub fn convolution(index: usize, part: usize, one_d: bool) -> (Range<usize>, Range<usize>) {
    let length = |i: usize| DEPTHWISE.get(i).map_or(0, |(k, _)| part * taps(*k, one_d));
    let start: usize = (0..index).map(|i| length(i) + part * part).sum();
    let middle = start + length(index);
    (start..middle, middle..middle + part * part)
}

/// Weights of one edge.
pub fn edge_weights(stride: usize, part: usize, one_d: bool) -> usize {
    convolution(if stride == 2 { REDUCE } else { DILATED_5 }, part, one_d).1.end
}

/// Weights of all edges.
pub fn weights(cell: &MixedCell, part: usize, one_d: bool) -> usize {
    edges(cell).iter().map(|e| edge_weights(e.stride, part, one_d)).sum()
}

/// Where each edge's weights begin.
pub fn offsets(cell: &MixedCell, part: usize, one_d: bool) -> Vec<usize> {
    let place = |at: &mut usize, e: &Edge| {
        let start = *at;
        *at += edge_weights(e.stride, part, one_d);
        Some(start)
    };
    edges(cell).iter().scan(0, place).collect()
}

/// How many batch norms a cell has (pools of a state counted once).
pub fn normed(cell: &MixedCell) -> usize {
    2 * sources(cell) + edges(cell).iter().map(|e| 5 + e.stride).sum::<usize>()
}

/// Position among the batch norms of an edge's first one.
pub fn normed_edge(cell: &MixedCell, edge: usize) -> usize {
    2 * sources(cell) + edges(cell)[..edge].iter().map(|e| 5 + e.stride).sum::<usize>()
}

pub fn parameters(cell: &MixedCell, part: usize, one_d: bool) -> Vec<Parameter> {
    // places in upstream's nn.Sequential of a separable (relu 0, conv 1, 2, norm 3, relu 4, conv 5, 6) and a dilated block
    const PLACES: [(usize, usize, usize); 6] =
        [(SEP_3, 1, 2), (SEP_3, 5, 6), (SEP_5, 1, 2), (SEP_5, 5, 6), (DIL_3, 1, 2), (DIL_5, 1, 2)];
    let one_by_one = |outs: usize| if one_d { vec![outs, part, 1] } else { vec![outs, part, 1, 1] };
    let mut all = Vec::new();
    for (e, (edge, start)) in edges(cell).iter().zip(offsets(cell, part, one_d)).enumerate() {
        let mut put = |name: String, shape: Vec<usize>, offset: usize| {
            all.push(Parameter { name: format!("_ops.{e}._ops.{name}.weight"), shape, offset: start + offset });
        };
        for (i, (primitive, deep, point)) in PLACES.into_iter().enumerate() {
            let (kernel, mix) = convolution(i, part, one_d);
            let width = depthwise(i).0;
            let shape = if one_d { vec![part, 1, width] } else { vec![part, 1, width, width] };
            put(format!("{primitive}.op.{deep}"), shape, kernel.start);
            put(format!("{primitive}.op.{point}"), one_by_one(part), mix.start);
        }
        if edge.stride == 2 {
            let mix = convolution(REDUCE, part, one_d).1;
            put(format!("{SKIP}.conv_1"), one_by_one(part / 2), mix.start);
            put(format!("{SKIP}.conv_2"), one_by_one(part - part / 2), mix.start + part / 2 * part);
        }
    }
    all
}
