//! The launches of a cell's forward pass: rounds of states as they become complete, then the node that was waiting for them.

use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::{Planner, THREADS};
use crate::ops::launch::twin::{Kept, Pass};
use crate::ops::mixed_cell::cuda::Cell;
use crate::ops::mixed_cell::wiring;

/// What the launches of one call write.
struct Tensors {
    z: Span,
    norms: Span,
    /// Of the maxima of each state's pool, one block a state.
    places: Span,
    /// Where batch statistics go; none while evaluating.
    statistics: Option<Span>,
}

pub fn run(planner: &mut Planner, cell: &Cell<'_>, pass: Pass) -> Kept {
    let layout = &cell.layout;
    let (norms, sources) = (wiring::normed(layout.cell), wiring::sources(layout.cell));
    let t = Tensors {
        z: planner.take("tensors before norms", layout.all_blocks() * layout.block()),
        norms: planner.take("norms", 2 * norms * layout.shape.part),
        places: planner.take("places of maxima", sources * layout.block()),
        statistics: match pass {
            Pass::Train { statistics, .. } => Some(statistics),
            Pass::Evaluate { .. } => None,
        },
    };
    if let Pass::Evaluate { running } = pass {
        let channels = norms * layout.shape.part;
        let call = planner.each("cell_running_f32", channels).read(running).write(t.norms);
        call.int(layout.shape.part).float(layout.cell.eps).int(channels).run();
    }
    for n in 0..layout.cell.nodes {
        round(planner, cell, &t, n);
        node(planner, cell, &t, n);
    }
    Kept { spans: vec![t.z, t.norms, t.places], nested: Vec::new() }
}

/// All tensors of the edges that leave the states of a round.
fn round(planner: &mut Planner, cell: &Cell<'_>, t: &Tensors, round: usize) {
    let layout = &cell.layout;
    let (c, tile, tiles, first) = (layout.shape.part, layout.tile(), layout.tiles(), layout.first_block(round));
    let (table, (rows, words)) = (layout.state_table(planner, round), layout.rows(planner, round));
    let (norms_of, states, (x, other)) = (layout.norms_of(planner, round), layout.states(round), cell.states(round));
    let edges = layout.leaving(round).len();
    let (pools, firsts, seconds) = (2 * states.len(), edges * layout.firsts(round), 2 * edges);
    let seen = states.len() * layout.seen_and_passing(states.start).0;
    let places = t.places.part(states.start * layout.block()..states.end * layout.block());
    // two words per block, channel and tile
    let sums = |planner: &mut Planner, blocks: usize| {
        t.statistics.map(|_| planner.take("sums of tiles", 2 * blocks * c * tiles))
    };
    let statistics = |planner: &mut Planner, partials: Option<Span>, from: usize, blocks: usize| {
        let (Some(partials), Some(statistics)) = (partials, t.statistics) else { return };
        let of = norms_of.part(from..from + blocks);
        let call = planner.each("cell_statistics_f32", 32 * blocks * c).read(partials).update(t.norms);
        let call = call.update(statistics).read(of).ints([c, tiles, tile, layout.shape.images * layout.plane()]);
        call.float(layout.cell.eps).int(blocks * c).moves(partials.length, 4 * blocks * c).run();
        planner.give(partials);
    };
    let partials = sums(planner, pools + firsts);
    let of_pools = 2 * pools * c * tiles;
    let call = planner.call("cell_pools_fwd_f32", [tiles, states.len(), 1], THREADS).read(x).read_if(other);
    let call = call.update(t.z).write(places).write_if(partials.map(|p| p.part(0..of_pools)));
    let written = (pools + states.len()) * layout.block() + of_pools;
    call.read(table).int(first).shared(2 * c * tile).moves(seen, written).run();
    let convolutions = |planner: &mut Planner, rows: Span, partials: Option<Span>, first: usize, input: usize| {
        let count = rows.length / words;
        let output = count * layout.block() + partials.map_or(0, |p| p.length);
        let call = planner.call("cell_conv_fwd_f32", [tiles, count, 1], THREADS).read(x).read_if(other);
        let call = call.update(t.z).read(cell.theta);
        let call = call.read(t.norms).write_if(partials).read(table).read(rows).int(first);
        call.shared(3 * c * tile).moves(input + rows.length, output).run();
    };
    let of_firsts = partials.map(|p| p.part(of_pools..p.length));
    convolutions(planner, rows.part(0..firsts * words), of_firsts, first + pools, seen);
    statistics(planner, partials, 0, pools + firsts);
    let partials = sums(planner, seconds);
    let (second_rows, input) = (rows.part(firsts * words..rows.length), seconds * layout.block());
    convolutions(planner, second_rows, partials, first + pools + firsts, input);
    statistics(planner, partials, pools + firsts, seconds);
}

fn node(planner: &mut Planner, cell: &Cell<'_>, t: &Tensors, node: usize) {
    let layout = &cell.layout;
    let (table, entering) = (layout.state_table(planner, 0), layout.entering_table(planner, node));
    let call = planner.each("cell_node_fwd_f32", layout.shape.images * layout.node_size());
    let call = call.read(cell.inputs[0]).read_if(cell.inputs.get(1).copied()).update(cell.output).read(t.z);
    let call = call.read(cell.theta).read(t.norms).read(table).read(entering);
    let call = call.ints([layout.entering(node).len(), layout.cell.inputs, node]);
    call.moves(layout.mixed_from(node), layout.shape.images * layout.node_size()).run();
}
