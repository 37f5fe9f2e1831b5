//! The 1×1 results of one block after the other: its rectified input, then depthwise sums, stay in the cache.

use crate::ops::conv::axes::{Axes, Axis, Piece, blocks};
use crate::ops::conv::depthwise;
use crate::ops::conv::memory::{Places, with_scratch};
use crate::ops::conv::panels::Onto;
use crate::ops::separable::Parts;
use crate::ops::separable::plan::{Plan, put, rectified, side_by_side};
use crate::ops::simd::{LANES, dispatch};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

/// Values of a block's depthwise results (128 KiB): within the second-level cache.
const VALUES: usize = 1 << 15;

/// Writes `z` (N,O,H',W').
pub fn run(plan: &Plan, parts: &Parts<'_, f32>, z: &mut [f32]) {
    let positions = (VALUES / (plan.middle.panels() * LANES)).clamp(64, 1024);
    let axes: Axes = plan.axes(Axis::forward);
    let classes = axes.classes();
    let pieces = axes.pieces(&classes, &blocks(plan.output.plane, positions));
    let mix = plan.mix(parts.pointwise.values, false);
    let (weights, start) = (mix.packed(&[0]), vec![0.0; plan.output.panels() * LANES]);
    let taps = plan.sizes.taps();
    let kernels = parts.depthwise.map(|w| depthwise::packed(plan.middle, taps, w.values, None));
    let z = Places::new(z);
    (0..plan.sizes.images * pieces.len()).into_par_iter().for_each(|task| {
        let (image, piece) = (task / pieces.len(), &pieces[task % pieces.len()]);
        let Piece { block, window, offsets } = piece;
        let (size, at) = (block[0].len() * block[1].len() * LANES, &offsets[0]);
        let reads: Vec<(usize, usize)> = at.taps.iter().copied().zip(classes[0].taps.iter().copied()).collect();
        let lengths = [window.rows * window.columns * LANES, plan.middle.panels() * size, plan.output.panels() * size];
        with_scratch(lengths, |[x, d, y]| {
            for (p, d) in d.chunks_exact_mut(size).take(plan.middle.panels()).enumerate() {
                let Some(kernels) = &kernels else {
                    rectified(&plan.input, parts.x.values, image, p, *window, d);
                    continue;
                };
                rectified(&plan.input, parts.x.values, image, p, *window, x);
                let weights = &kernels[p * depthwise::per_panel(taps)..][..depthwise::per_panel(taps)];
                dispatch(depthwise::Sums { x, x_at: &at.x_at, reads: &reads, weights, y: d, y_at: &at.y_at });
            }
            mix.sums(weights.get(), &side_by_side(size / LANES), size, d, y, size, &start);
            for (q, y) in y.chunks_exact(size).take(plan.output.panels()).enumerate() {
                // SAFETY: blocks of one image do not overlap.
                unsafe { put(&plan.output, image, q, block, y, z, Onto::Replace) };
            }
        });
    });
}
