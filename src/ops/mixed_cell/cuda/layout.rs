//! Where the tensors of a cell stand on a device, and the tables that kernels read: `State` and `Row` of kernels/mixed_cell.cuh.

use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::Planner;
use crate::ops::mixed_cell::MixedCell;
use crate::ops::mixed_cell::wiring::{self, AVG_POOL, Edge, MAX_POOL, SKIP, Shape};
use std::ops::Range;

/// First convolutions of an edge; FactorizedReduce where the stride is 2. With the primitive that each one's result is, if any.
const FIRST: [(usize, Option<usize>); 5] = [
    (wiring::SEP_3_FIRST, None),
    (wiring::SEP_5_FIRST, None),
    (wiring::DILATED_3, Some(wiring::DIL_3)),
    (wiring::DILATED_5, Some(wiring::DIL_5)),
    (wiring::REDUCE, Some(SKIP)),
];
/// Second convolutions; the one at i reads the first one at i.
const SECOND: [(usize, usize); 2] = [(wiring::SEP_3_SECOND, wiring::SEP_3), (wiring::SEP_5_SECOND, wiring::SEP_5)];

/// A table's entry for "none".
const NONE: u32 = u32::MAX;
/// Where a row's rest says which block a convolution reads: −1 and −2, `NONE` and the one below, for the states of a round themselves.
const INPUT: usize = 2;
/// Words of a row.
pub const ROW: usize = 17;

/// States are worked on in rounds: those from outside, then each node that has outgoing edges. Tensors before a norm are blocks
/// (N,c,H',W') of one array, round by round: max and average pool of each state, first convolutions edge by edge, second ones edge by
/// edge, edges in the order of their states.
pub struct Layout<'a> {
    pub cell: &'a MixedCell,
    pub shape: Shape,
    pub edges: Vec<Edge>,
    offsets: Vec<usize>,
    /// First block of each round, and the number of all.
    blocks: Vec<usize>,
}

impl<'a> Layout<'a> {
    pub fn new(cell: &'a MixedCell, shape: Shape) -> Layout<'a> {
        let (edges, offsets) = (wiring::edges(cell), wiring::offsets(cell, shape.part, shape.one_d));
        let mut layout = Layout { cell, shape, edges, offsets, blocks: vec![0] };
        for round in 0..layout.rounds() {
            let blocks = 2 * layout.states(round).len() + layout.leaving(round).len() * (layout.firsts(round) + 2);
            layout.blocks.push(layout.blocks[round] + blocks);
        }
        layout
    }

    pub fn rounds(&self) -> usize {
        wiring::sources(self.cell) - self.cell.inputs + 1
    }

    /// The states of a round.
    pub fn states(&self, round: usize) -> Range<usize> {
        let inputs = self.cell.inputs;
        if round == 0 { 0..inputs } else { inputs + round - 1..inputs + round }
    }

    /// The round of a state.
    fn round(&self, s: usize) -> usize {
        (s + 1).saturating_sub(self.cell.inputs)
    }

    /// Positions of a plane of a node.
    pub fn plane(&self) -> usize {
        self.shape.out_height * self.shape.out_width
    }

    /// Words of an image of a node.
    pub fn node_size(&self) -> usize {
        self.shape.channels * self.plane()
    }

    /// Words of a block.
    pub fn block(&self) -> usize {
        self.shape.images * self.shape.part * self.plane()
    }

    /// Blocks of all rounds.
    pub fn all_blocks(&self) -> usize {
        self.blocks[self.blocks.len() - 1]
    }

    pub fn first_block(&self, round: usize) -> usize {
        self.blocks[round]
    }

    /// The block of a state's max pool; that of its average pool follows.
    pub fn pools(&self, s: usize) -> usize {
        let round = self.round(s);
        self.blocks[round] + 2 * (s - self.states(round).start)
    }

    /// Of all edges of a round.
    pub fn stride(&self, round: usize) -> usize {
        if self.cell.reduction && round == 0 { 2 } else { 1 }
    }

    /// First convolutions of an edge.
    pub fn firsts(&self, round: usize) -> usize {
        3 + self.stride(round)
    }

    /// Edges that leave a state, with their places.
    pub fn leaving_state(&self, s: usize) -> Vec<(usize, Edge)> {
        self.edges.iter().copied().enumerate().filter(|(_, e)| e.from == s).collect()
    }

    /// Edges that leave a round, state by state.
    pub fn leaving(&self, round: usize) -> Vec<(usize, Edge)> {
        self.states(round).flat_map(|s| self.leaving_state(s)).collect()
    }

    pub fn entering(&self, node: usize) -> Vec<(usize, Edge)> {
        self.edges.iter().copied().enumerate().filter(|(_, e)| e.to == node).collect()
    }

    /// Positions of a tile: as many as leave room for all channels in shared memory.
    pub fn tile(&self) -> usize {
        if self.shape.part <= 32 { 64 } else { 32 }
    }

    pub fn tiles(&self) -> usize {
        (self.shape.images * self.plane()).div_ceil(self.tile())
    }

    /// Blocks of the gradient of depthwise lines of an edge's first convolutions.
    pub fn lines(&self, round: usize) -> usize {
        self.firsts(round) + usize::from(self.stride(round) == 2)
    }

    /// Words of the channels of a state that primitives see, and of those that pass by.
    pub fn seen_and_passing(&self, s: usize) -> (usize, usize) {
        let Shape { images, channels, part, height, width, .. } = self.shape;
        let area = if s < self.cell.inputs { height * width } else { self.plane() };
        (images * part * area, images * (channels - part) * area)
    }

    /// Words of the state channels and tensors that a node is mixed from.
    pub fn mixed_from(&self, node: usize) -> usize {
        let of = |(_, edge): (usize, Edge)| {
            let (seen, passing) = self.seen_and_passing(edge.from);
            // a skip of stride 1 is the state itself
            passing + if edge.stride == 1 { seen + 6 * self.block() } else { 7 * self.block() }
        };
        self.entering(node).into_iter().map(of).sum()
    }

    fn first(&self, round: usize, local: usize, i: usize) -> usize {
        self.blocks[round] + 2 * self.states(round).len() + local * self.firsts(round) + i
    }

    fn second(&self, round: usize, local: usize, i: usize) -> usize {
        self.first(round, self.leaving(round).len(), 0) + 2 * local + i
    }

    fn norm(&self, edge: usize, convolution: usize) -> usize {
        wiring::normed_edge(self.cell, edge) + convolution
    }

    /// `State` for the states of a round, which are alike.
    pub fn state_table(&self, planner: &mut Planner, round: usize) -> Span {
        let (shape, outside) = (&self.shape, round == 0);
        let (h, w) = if outside { (shape.height, shape.width) } else { (shape.out_height, shape.out_width) };
        let stride = self.stride(round);
        let image = if outside { shape.channels * h * w } else { self.cell.nodes * self.node_size() };
        let values = [
            [shape.images, shape.channels, shape.part, self.cell.factor],
            [h, w, shape.out_height, shape.out_width],
            [if shape.one_d { 1 } else { stride }, stride, image, self.edges.len()],
            [
                wiring::weights(self.cell, shape.part, shape.one_d),
                self.tile(),
                usize::from(shape.one_d),
                self.cell.nodes,
            ],
        ];
        planner.table(values.as_flattened().iter().map(|v| *v as u32).collect())
    }

    /// `Row` of a convolution: what is said of its weights and geometry, then the rest.
    fn row(&self, edge: usize, convolution: usize, rest: [u32; 9]) -> Vec<u32> {
        let Shape { part, one_d, .. } = self.shape;
        let (deep, point) = wiring::convolution(convolution, part, one_d);
        let start = self.offsets[edge];
        let (deep, width, dilation) = match convolution {
            wiring::REDUCE => (NONE, 1, 1),
            _ => {
                let (width, dilation) = wiring::depthwise(convolution);
                ((start + deep.start) as u32, width, dilation)
            }
        };
        let height = if one_d { 1 } else { width };
        let geometry = [height, width, dilation, dilation, height / 2 * dilation, width / 2 * dilation];
        let mut row = vec![deep, (start + point.start) as u32];
        row.extend(geometry.map(|v| v as u32));
        row.extend(rest);
        row
    }

    /// `Row`s of all convolutions of edges that leave a round: the first ones, then the second ones. The span and the words of a row.
    pub fn rows(&self, planner: &mut Planner, round: usize) -> (Span, usize) {
        let (leaving, mut rows) = (self.leaving(round), Vec::new());
        let word = |value: Option<usize>| value.map_or(NONE, |v| v as u32);
        for (local, (e, edge)) in leaving.iter().enumerate() {
            for (i, (convolution, primitive)) in FIRST.into_iter().enumerate().take(self.firsts(round)) {
                let hidden = primitive.is_none().then_some(2 * local + i);
                let lines = local * self.lines(round) + i;
                let norm = self.norm(*e, convolution);
                let rest =
                    [Some(norm), None, None, Some(self.first(round, local, i)), Some(*e), primitive, Some(edge.to)];
                let rest = [&rest[..], &[hidden, Some(lines)]].concat();
                let mut rest: Vec<u32> = rest.into_iter().map(word).collect();
                rest[INPUT] = NONE - (edge.from - self.states(round).start) as u32;
                rows.push(self.row(*e, convolution, rest.try_into().expect("nine words")));
            }
        }
        for (local, (e, edge)) in leaving.iter().enumerate() {
            for (i, (convolution, primitive)) in SECOND.into_iter().enumerate() {
                let (norm, input_norm) = (self.norm(*e, convolution), self.norm(*e, FIRST[i].0));
                let (input, output) = (self.first(round, local, i), self.second(round, local, i));
                let rest = [norm, input_norm, input, output, *e, primitive, edge.to, 2 * local + i, 2 * local + i];
                rows.push(self.row(*e, convolution, rest.map(|v| v as u32)));
            }
        }
        (planner.table(rows.concat()), ROW)
    }

    /// The norms of a round's blocks, in order.
    pub fn norms_of(&self, planner: &mut Planner, round: usize) -> Span {
        let leaving = self.leaving(round);
        let mut norms: Vec<usize> = self.states(round).flat_map(|s| [2 * s, 2 * s + 1]).collect();
        for (e, _) in &leaving {
            norms.extend(FIRST.iter().take(self.firsts(round)).map(|(convolution, _)| self.norm(*e, *convolution)));
        }
        norms.extend(leaving.iter().flat_map(|(e, _)| SECOND.map(|(convolution, _)| self.norm(*e, convolution))));
        planner.table(norms.into_iter().map(|v| v as u32).collect())
    }

    /// Per edge that enters a node: edge, state, then the block of each primitive's result and its norm.
    pub fn entering_table(&self, planner: &mut Planner, node: usize) -> Span {
        let mut table = Vec::new();
        for (e, Edge { from, stride, .. }) in self.entering(node) {
            let round = self.round(from);
            let local = self.leaving(round).iter().position(|(at, _)| *at == e).expect("the edge leaves this round");
            let result = |primitive: usize| -> (u32, u32) {
                let of = |block: usize, norm: usize| (block as u32, norm as u32);
                let first = |i: usize| of(self.first(round, local, i), self.norm(e, FIRST[i].0));
                match primitive {
                    MAX_POOL => of(self.pools(from), 2 * from),
                    AVG_POOL => of(self.pools(from) + 1, 2 * from + 1),
                    SKIP if stride == 1 => (NONE, NONE),
                    SKIP => first(4),
                    wiring::SEP_3 | wiring::SEP_5 => {
                        let i = primitive - wiring::SEP_3;
                        of(self.second(round, local, i), self.norm(e, SECOND[i].0))
                    }
                    wiring::DIL_3 => first(2),
                    _ => first(3),
                }
            };
            let results: Vec<(u32, u32)> = (1..8).map(result).collect();
            table.extend([e as u32, from as u32]);
            table.extend(results.iter().map(|(block, _)| *block));
            table.extend(results.iter().map(|(_, norm)| *norm));
        }
        planner.table(table)
    }

    /// Edge and node of each edge that leaves a state.
    pub fn leaving_table(&self, planner: &mut Planner, s: usize) -> Span {
        planner.table(self.leaving_state(s).into_iter().flat_map(|(e, edge)| [e as u32, edge.to as u32]).collect())
    }
}
