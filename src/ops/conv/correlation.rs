//! Dense convolution by direct sums, for the output and for the gradient of the input alike. Knows neither which of the two
//! it does nor Winograd's way.

use crate::ops::conv::axes::{Axes, Channels, Offsets, Order, Piece, blocks};
use crate::ops::conv::memory::{Aligned, Places, with_scratch};
use crate::ops::conv::panels::{Onto, gather, scatter};
use crate::ops::conv::products::{BLOCK, Sums};
use crate::ops::simd::{LANES, dispatch};
use rayon::prelude::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator, ParallelSliceMut};
use std::ops::Range;

/// Positions of a block: sums of two panels (12 KiB) and the weights of one pass stay in the first-level cache.
const POSITIONS: usize = 192;
/// Sources × kernel positions of one pass over a block: weights of two panels take 16 KiB.
const DEPTH: usize = 256;

#[derive(Debug)]
pub struct Correlation<'a> {
    pub images: usize,
    pub source: Channels,
    pub target: Channels,
    pub axes: Axes,
    pub weights: &'a [f32],
    pub order: Order,
    pub bias: Option<&'a [f32]>,
}

impl Correlation<'_> {
    /// Weights as [panel of targets][panel of sources][tap][source][target].
    pub fn packed(&self, taps: &[usize]) -> Aligned {
        let sources = self.source.panels();
        let mut packed = Aligned::new(self.target.panels() * sources * taps.len() * BLOCK);
        if taps.is_empty() {
            return packed;
        }
        packed.get_mut().par_chunks_mut(sources * taps.len() * BLOCK).enumerate().for_each(|(q, panel)| {
            for (i, block) in panel.chunks_exact_mut(BLOCK).enumerate() {
                let (p, tap) = (i / taps.len(), taps[i % taps.len()]);
                let (sources, targets) = (self.source.of_panel(p), self.target.of_panel(q));
                if sources * targets < BLOCK {
                    block.fill(0.0);
                }
                for c in 0..sources {
                    for o in 0..targets {
                        block[c * LANES + o] = self.weights[self.order.at(q * LANES + o, p * LANES + c) + tap];
                    }
                }
            }
        });
        packed
    }

    /// Computes all targets.
    pub fn run(&self, x: &[f32], out: &mut [f32], onto: Onto<'_>) {
        let classes = self.axes.classes();
        let weights: Vec<Aligned> = classes.iter().map(|class| self.packed(&class.taps)).collect();
        let mut start = vec![0.0; self.target.panels() * LANES];
        if let Some(bias) = self.bias {
            start[..bias.len()].copy_from_slice(bias);
        }
        let pieces = self.axes.pieces(&classes, &blocks(self.target.plane, POSITIONS));
        let out = Places::new(out);
        (0..self.images * pieces.len()).into_par_iter().for_each(|task| {
            let (image, piece) = (task / pieces.len(), &pieces[task % pieces.len()]);
            self.block(image, piece, &weights, &start, x, out, onto);
        });
    }

    #[allow(clippy::too_many_arguments)] // which block, and what all blocks share
    fn block(
        &self,
        image: usize,
        piece: &Piece,
        weights: &[Aligned],
        start: &[f32],
        x: &[f32],
        out: Places<'_>,
        onto: Onto<'_>,
    ) {
        let (source, target) = (&self.source, &self.target);
        let Piece { block, window, offsets } = piece;
        let positions = block[0].len() * block[1].len();
        let (x_panel, y_panel) = (window.rows * window.columns * LANES, positions * LANES);
        with_scratch([source.panels() * x_panel, target.panels() * y_panel], |[panels, y]| {
            for (p, panel) in panels.chunks_exact_mut(x_panel).take(source.panels()).enumerate() {
                gather(&x[source.at(image, p)..], source.plane, source.of_panel(p), *window, panel);
            }
            for (weights, at) in weights.iter().zip(offsets) {
                self.sums(weights.get(), at, x_panel, panels, y, y_panel, start);
            }
            // whole rows follow each other in the plane
            let lines = if block[1].len() == target.plane[1] { 1 } else { block[0].len() };
            let len = positions / lines;
            for (q, y) in y.chunks_exact(y_panel).take(target.panels()).enumerate() {
                for (line, y) in y.chunks_exact(len * LANES).enumerate() {
                    let at = target.at(image, q) + (block[0].start + line) * target.plane[1] + block[1].start;
                    // SAFETY: no other task writes to this part of these planes.
                    unsafe { scatter(y, len, target.of_panel(q), out, at, target.area(), onto) };
                }
            }
        });
    }

    /// The sums of one class of targets, over all sources in a fixed order: panels by passes, taps within a panel. `x` holds panels of
    /// `x_panel` values, `y` of `y_panel`; `start` eight values per panel of targets.
    #[allow(clippy::too_many_arguments)]
    pub fn sums(
        &self,
        weights: &[f32],
        at: &Offsets,
        x_panel: usize,
        x: &[f32],
        y: &mut [f32],
        y_panel: usize,
        start: &[f32],
    ) {
        let (panels, taps) = (self.source.panels(), at.taps.len());
        let reads: Vec<usize> = (0..panels).flat_map(|p| at.taps.iter().map(move |tap| p * x_panel + tap)).collect();
        let (full, many) = (self.source.count / LANES, (DEPTH / LANES / taps.max(1)).max(1));
        let mut passes: Vec<(Range<usize>, usize)> =
            (0..full).step_by(many).map(|p| (p..(p + many).min(full), LANES)).collect();
        if full < panels {
            passes.push((full..panels, self.source.count % LANES));
        }
        for (i, (pass, sources)) in passes.into_iter().enumerate() {
            dispatch(Sums {
                x,
                x_at: &at.x_at,
                reads: &reads[pass.start * taps..pass.end * taps],
                sources,
                weights: &weights[pass.start * taps * BLOCK..],
                weights_panel: panels * taps * BLOCK,
                panels: self.target.panels(),
                y,
                y_at: &at.y_at,
                y_panel,
                start: (i == 0).then_some(start),
            });
        }
    }
}
