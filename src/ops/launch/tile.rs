//! Shapes of launches that several operators share: tiles of products, chunks of sums. Constants of kernels/tile.cuh. Knows no
//! operator.

use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::{Call, Numerics, Planner, THREADS};
use crate::ops::launch::twin::Target;

/// Threads of a tile's block, and terms that it sums at once.
const TILE_THREADS: usize = 128;
const TERMS: usize = 16;
/// Words of shared memory of a sum over a block: one per warp.
pub const SUM_WORDS: usize = 32;

/// The kernel of a product and the shape of its launch: `Plain` or `Tensor` of kernels/tile.cuh, as the plan's numerics want it.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    kernel: &'static str,
    blocks: [usize; 3],
    words: usize,
    /// The last parameter of kernels on tensor cores.
    exact: Option<bool>,
}

impl Product {
    /// A product of `rows`×`columns`, `layers` of them; `kernels` in plain f32, and on tensor cores.
    pub fn new(planner: &Planner, kernels: [&'static str; 2], [rows, columns, layers]: [usize; 3]) -> Product {
        let of = |height: usize, width: usize| [columns.div_ceil(width), rows.div_ceil(height), layers];
        let tensor = |exact| Product {
            kernel: kernels[1],
            blocks: of(64, 64),
            words: 64 * (TERMS + 4) + TERMS * (64 + 8),
            exact: Some(exact),
        };
        match planner.numerics {
            Numerics::F32 => {
                let words = TERMS * (32 + 1) + TERMS * 64;
                Product { kernel: kernels[0], blocks: of(32, 64), words, exact: None }
            }
            Numerics::Tf32x3 => tensor(true),
            Numerics::Tf32 => tensor(false),
        }
    }

    /// The launch, to be given its parameters.
    pub fn call(self, planner: &mut Planner) -> Call<'_> {
        planner.call(self.kernel, self.blocks, TILE_THREADS).shared(self.words)
    }

    /// Appends the launch.
    pub fn run(self, call: Call<'_>) {
        match self.exact {
            Some(exact) => call.int(usize::from(exact)).run(),
            None => call.run(),
        }
    }
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
