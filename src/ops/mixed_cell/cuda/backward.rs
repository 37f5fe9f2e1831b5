//! The launches of a cell's backward pass: from the last node to the first state.

use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::{Planner, THREADS};
use crate::ops::launch::tile::{SUM_WORDS, chunks};
use crate::ops::launch::twin::{Kept, Target, parameters};
use crate::ops::mixed_cell::cuda::Cell;
use crate::ops::mixed_cell::cuda::layout::ROW;

/// Sums of a channel of an edge, and taps that a thread sums at once: constants of kernels/mixed_cell_bwd.cu.
const SLOTS: usize = 8;
const MOST_TAPS: usize = 25;
/// Least values of a part of a channel's sums, and tiles of a part of a weight gradient.
const LEAST: usize = 1024;
const LEAST_TILES: usize = 4;

/// What the launches of one call read and write.
struct Backward<'c, 'a> {
    cell: &'c Cell<'a>,
    z: Span,
    norms: Span,
    places: Span,
    /// The gradient of all nodes, as the output.
    g: Span,
    /// Sums of each edge's channels.
    sums: Span,
    /// Where the gradient of θ goes, already a sum: for weights, for α and β.
    weights: Option<Span>,
    architecture: Option<Span>,
    /// Images of a part of a sum, and parts.
    chunk: (usize, usize),
}

pub fn run(planner: &mut Planner, cell: &Cell<'_>, kept: &Kept, gradient: Span, sinks: &[Option<Target>]) {
    let (layout, op) = (&cell.layout, cell.layout.cell);
    let theta = sinks[op.inputs];
    if sinks.iter().all(Option::is_none) {
        return;
    }
    if let Some(Target { span, add: false }) = theta {
        planner.each("fill_f32", span.length).write(span).float(0.0).int(span.length).run();
    }
    let g = planner.take("gradient of nodes", gradient.length);
    let call = planner.each("add_bwd_f32", g.length).read(gradient).sink(g, false);
    call.sink_if(None).sink_if(None).sink_if(None).int(g.length).run();
    let b = Backward {
        cell,
        z: kept.spans[0],
        norms: kept.spans[1],
        places: kept.spans[2],
        g,
        sums: planner.take("sums", layout.edges.len() * layout.shape.part * SLOTS),
        weights: theta.filter(|_| op.wants.weights()).map(|t| t.span),
        architecture: theta.filter(|_| op.wants.architecture()).map(|t| t.span),
        chunk: chunks(layout.shape.images, LEAST.div_ceil(layout.plane())),
    };
    for node in (0..op.nodes).rev() {
        if node + 1 < op.nodes {
            let own = g.part(node * layout.node_size()..g.length);
            b.round(planner, node + 1, &[Some(Target { span: own, add: true })]);
        }
        b.node(planner, node);
    }
    let sinks = &sinks[..op.inputs];
    if b.weights.is_some() || sinks.iter().any(Option::is_some) {
        b.round(planner, 0, sinks);
    }
    planner.give(b.sums);
    planner.give(g);
}

impl Backward<'_, '_> {
    /// The sums that the norms before a node need, and the gradients of its α and β.
    fn node(&self, planner: &mut Planner, node: usize) {
        let Backward { cell, chunk: (images, parts), .. } = *self;
        let layout = &cell.layout;
        let (table, entering) = (layout.state_table(planner, 0), layout.entering_table(planner, node));
        let (edges, c) = (layout.entering(node).len(), layout.shape.part);
        let partials = planner.take("partial sums", edges * (c + 1) * parts * SLOTS);
        let call = planner.call("cell_node_sums_f32", [c + 1, edges, parts], THREADS).read(self.g);
        let call = call.read(cell.inputs[0]).read_if(cell.inputs.get(1).copied()).read(cell.output).read(self.z);
        let call = call.read(self.norms).read(table).read(entering).write(partials);
        let call = call.ints([layout.cell.inputs, node, images]).shared(SUM_WORDS);
        call.moves(layout.shape.images * layout.node_size() + layout.mixed_from(node), partials.length).run();
        let call = planner.call("cell_node_totals_f32", [edges, 1, 1], THREADS).read(partials).update(self.sums);
        let call = match self.architecture {
            Some(span) => call.update(span),
            None => call.read_if(None),
        };
        let call = call.read(cell.theta).read(table).read(entering).int(parts).shared(SLOTS);
        call.moves(partials.length, edges * (c * SLOTS + SLOTS + 1)).run();
        planner.give(partials);
    }

    /// The gradients of a round's states, and of the weights of all edges that leave them.
    fn round(&self, planner: &mut Planner, round: usize, sinks: &[Option<Target>]) {
        let Backward { cell, chunk: (images, parts), .. } = *self;
        let layout = &cell.layout;
        let (c, block, edges) = (layout.shape.part, layout.block(), layout.leaving(round).len());
        let (table, (rows, words)) = (layout.state_table(planner, round), layout.rows(planner, round));
        let (firsts, seconds) = (edges * layout.firsts(round), 2 * edges);
        let (first_rows, second_rows) = (rows.part(0..firsts * words), rows.part(firsts * words..rows.length));
        let ((x, other), states, all) = (cell.states(round), layout.states(round), firsts + seconds);
        let (tiles_each, tile_parts) = chunks(layout.tiles(), LEAST_TILES);
        let wanted = self.weights.is_some();
        let partials = |planner: &mut Planner, words: usize| wanted.then(|| planner.take("partial gradients", words));
        let (deep, point) = (MOST_TAPS * c * parts, c * c * tile_parts);
        let (ddeep, dpoint) = (partials(planner, all * deep), partials(planner, all * point));
        let of = |span: Option<Span>, each: usize, from: usize, to: usize| span.map(|p| p.part(from * each..to * each));
        let hidden = planner.take("gradients between convolutions", seconds * block);
        let hidden_sums = planner.take("sums", seconds * 2 * c);

        // the edges' nodes differ: a block of g for each
        let (of_nodes, seen) = (edges * block, states.len() * layout.seen_and_passing(states.start).0);
        let mix = |planner: &mut Planner, rows: Span, dlines: Span, between: bool, dpoint: Option<Span>| {
            let results = rows.length / words * block;
            let again = dpoint.map_or(0, |_| if between { seen } else { seconds * block });
            let read = results + of_nodes + if between { hidden.length } else { 0 } + again;
            let blocks = [tile_parts, rows.length / words, 1];
            let call = planner.call("cell_mix_bwd_f32", blocks, THREADS).read(x).read_if(other).read(self.z);
            let call = call.read(cell.theta).read(self.norms).read(self.g).read(self.sums);
            let call = call.read_if(between.then_some(hidden)).read_if(between.then_some(hidden_sums)).write(dlines);
            let call = call.write_if(dpoint).read(table).read(rows).ints([layout.tiles(), tiles_each]);
            let call = call.shared(3 * c * layout.tile() + c * c);
            call.moves(read, dlines.length + dpoint.map_or(0, |p| p.length)).run();
        };
        let deep_sums = |planner: &mut Planner, rows: Span, dlines: Span, ddeep: Option<Span>, sums: Option<Span>| {
            let blocks = [c, rows.length / words, parts];
            let call =
                planner.call("cell_deep_sums_f32", blocks, THREADS).read(dlines).read(x).read_if(other).read(self.z);
            let call = call.read(self.norms).read_if(sums.map(|_| hidden)).write_if(ddeep).write_if(sums);
            // between two convolutions: the gradient there and what it is a gradient of; else the state
            let read = dlines.length + sums.map_or(seen, |_| 2 * seconds * block);
            let written = [ddeep, sums].into_iter().flatten().map(|span| span.length).sum();
            call.read(table).read(rows).int(images).shared(SUM_WORDS).moves(read, written).run();
        };

        let dlines = planner.take("gradients of depthwise results", seconds * block);
        mix(planner, second_rows, dlines, false, of(dpoint, point, firsts, all));
        let call = planner.each("cell_hidden_bwd_f32", seconds * block).read(dlines).read(self.z).read(cell.theta);
        let call = call.read(self.norms).write(hidden).read(table).read(second_rows).int(seconds * block);
        call.moves(2 * seconds * block, seconds * block).run();
        let sums = planner.take("partial sums", seconds * parts * c * 2);
        deep_sums(planner, second_rows, dlines, of(ddeep, deep, firsts, all), Some(sums));
        planner.give(dlines);
        let call = planner.each("cell_hidden_totals_f32", seconds * 2 * c).read(sums).write(hidden_sums);
        call.ints([c, parts, seconds * 2 * c]).run();
        planner.give(sums);

        let dlines = planner.take("gradients of depthwise results", edges * layout.lines(round) * block);
        mix(planner, first_rows, dlines, true, of(dpoint, point, 0, firsts));
        if wanted {
            deep_sums(planner, first_rows, dlines, of(ddeep, deep, 0, firsts), None);
        }
        let mut before = 0; // rows of the states before
        for (s, sink) in states.zip(sinks) {
            let own = layout.leaving_state(s).len() * layout.firsts(round) * words;
            let rows = first_rows.part(before..before + own);
            before += own;
            if let Some(target) = sink {
                self.input(planner, s, table, rows, dlines, *target);
            }
        }
        planner.give(dlines);
        planner.give(hidden);
        planner.give(hidden_sums);
        if let (Some(ddeep), Some(dpoint), Some(weights)) = (ddeep, dpoint, self.weights) {
            let count = all * (MOST_TAPS * c + c * c);
            let call =
                planner.each("cell_weight_totals_f32", count).read(ddeep).read(dpoint).update(weights).read(rows);
            call.ints([c, parts, tile_parts, count]).run();
            planner.give(ddeep);
            planner.give(dpoint);
        }
    }

    /// All that reaches the values of a state.
    fn input(&self, planner: &mut Planner, s: usize, table: Span, rows: Span, dlines: Span, target: Target) {
        let (cell, layout) = (self.cell, &self.cell.layout);
        let (block, edges, shape) = (layout.block(), layout.leaving_state(s).len(), &layout.shape);
        let leaving = layout.leaving_table(planner, s);
        let dpools = planner.take("gradients of pools", 2 * block);
        let call = planner.each("cell_pool_bwd_f32", 2 * block).read(self.g).read(self.z).read(cell.theta);
        let call = call.read(self.norms).read(self.sums).write(dpools).read(table).read(leaving);
        let call = call.ints([edges, layout.pools(s), 2 * s, 2 * block]);
        call.moves((edges + 2) * block, 2 * block).run();
        let outside = s < layout.cell.inputs;
        let area = if outside { shape.height * shape.width } else { layout.plane() };
        let image = if outside { shape.channels * area } else { layout.cell.nodes * layout.node_size() };
        let n = shape.images * shape.channels * area;
        let call = planner.each("cell_input_bwd_f32", n).read(dlines).read(dpools);
        let call = call.read(self.places.part(s * block..(s + 1) * block)).read(self.g).read(cell.state(s));
        let call = call.read(cell.theta).sink_if(parameters(&Some(target))).int(image).read(table).read(rows);
        // g of the nodes, whole but for the primitives' channels where there is no skip
        let of_nodes =
            edges * shape.images * layout.node_size() - if area != layout.plane() { edges * block } else { 0 };
        let own_rows = rows.length / ROW;
        let read = own_rows * block + dpools.length + block + of_nodes + n + if target.add { n } else { 0 };
        call.int(own_rows).read(leaving).ints([edges, n]).moves(read, n).run();
        planner.give(dpools);
    }
}
