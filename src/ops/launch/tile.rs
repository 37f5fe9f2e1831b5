//! Shapes of launches that several operators share: tiles of products, chunks of sums. Constants of kernels/tile.cuh. Knows no
//! operator.

use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::{Planner, THREADS};
use crate::ops::launch::twin::Target;

/// Rows and columns of a tile, threads of its block, and words of shared memory.
const ROWS: usize = 32;
const COLUMNS: usize = 64;
pub const TILE_THREADS: usize = 128;
pub const TILE_WORDS: usize = 16 * (ROWS + 1) + 16 * COLUMNS;
/// Words of shared memory of a sum over a block: one per warp.
pub const SUM_WORDS: usize = 32;

/// Blocks of a product of `rows`×`columns`, `layers` of them.
pub fn tiles(rows: usize, columns: usize, layers: usize) -> [usize; 3] {
    [columns.div_ceil(COLUMNS), rows.div_ceil(ROWS), layers]
}

/// Parts of a long sum, so that more blocks than one work on it: length of a part, number of parts. Both depend on shapes only, so
/// the order of a sum does too. At least `least` terms a part, at most 64 parts.
pub fn chunks(terms: usize, least: usize) -> (usize, usize) {
    let length = terms.div_ceil(64).max(least).min(terms.max(1));
    (length, terms.div_ceil(length).max(1))
}

/// A gradient that is summed in `chunks` parts: `launch` writes them, one after the other, then they are added in order. A single
/// part goes where it belongs at once.
pub fn in_parts(planner: &mut Planner, sink: Target, chunks: usize, launch: impl FnOnce(&mut Planner, Span, bool)) {
    if chunks == 1 {
        return launch(planner, sink.span, sink.add);
    }
    let size = sink.span.length;
    let partials = planner.take("partial sums", chunks * size);
    launch(planner, partials, false);
    let call = planner.each("sum_partials_f32", size).read(partials).sink(sink.span, sink.add);
    call.ints([chunks, size]).run();
    planner.give(partials);
}

/// The sum of each channel of (images,channels,plane).
pub fn sum_channels(planner: &mut Planner, gradient: Span, sink: Target, [images, channels, plane]: [usize; 3]) {
    let call = planner.call("sum_channel_f32", [channels, 1, 1], THREADS).read(gradient).sink(sink.span, sink.add);
    call.ints([images, channels, plane]).shared(SUM_WORDS).run();
}
