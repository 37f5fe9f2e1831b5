//! Gradient of the weights of a dense convolution by direct sums over positions. Knows not Winograd's way.
//!
//! It goes in rounds of as many blocks as fit a fixed amount of memory: first panels of input and gradient are laid out, then
//! every task adds the products of its own pairs of channels, block by block. So each sum has one order, whatever the number
//! of threads, and there are no partial sums to keep.

use crate::ops::conv::axes::{Axes, Channels, Order, Piece, blocks};
use crate::ops::conv::memory::{Aligned, Places};
use crate::ops::conv::panels::gather;
use crate::ops::conv::products::{GROUP, Pairs};
use crate::ops::operator::Sink;
use crate::ops::simd::{LANES, dispatch};
use rayon::prelude::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator, ParallelSliceMut};

/// Positions of a block: the gradients of a group of panels (24 KiB) stay in the first-level cache.
const POSITIONS: usize = 192;
/// Values of one round (4 MiB).
const ROUND: usize = 1 << 20;
/// Rows (pairs of source and kernel position) of one task: some times as many as the inner loop takes at once.
const ROWS: usize = 72;

#[derive(Debug)]
pub struct WeightGradient {
    pub images: usize,
    pub source: Channels,
    pub target: Channels,
    /// As for the output.
    pub axes: Axes,
    pub order: Order,
}

impl WeightGradient {
    /// The sums over images and positions of x·g.
    pub fn run(&self, x: &[f32], g: &[f32], sink: &mut Sink<'_, f32>) {
        let class = self.axes.classes().remove(0); // without a period there is one
        let (sources, targets) = (self.source.panels(), self.target.panels());
        let count = self.source.count * class.taps.len();
        // [group of panels of targets][panel of sources, tap, source: a row][panel of the group][target]
        let mut sums = Aligned::new(targets * count * LANES);
        let pieces = self.axes.pieces(std::slice::from_ref(&class), &blocks(self.target.plane, POSITIONS));
        let x_panel = pieces.iter().map(|p| p.window.rows * p.window.columns * LANES).max().unwrap_or(0);
        let g_panel = pieces.iter().map(|p| p.block[0].len() * p.block[1].len() * LANES).max().unwrap_or(0);
        let rows: Vec<Vec<usize>> = pieces.iter().map(|p| self.rows(&p.offsets[0].taps, x_panel)).collect();
        let (per_block, all_blocks) = (sources * x_panel + targets * g_panel, self.images * pieces.len());
        let per_round = (ROUND / per_block.max(1)).clamp(1, all_blocks.max(1));
        let mut memory = Aligned::new(per_round * per_block);
        for first in (0..all_blocks).step_by(per_round) {
            let many = per_round.min(all_blocks - first);
            memory.get_mut().par_chunks_mut(per_block).take(many).enumerate().for_each(|(i, memory)| {
                let (image, piece) = ((first + i) / pieces.len(), &pieces[(first + i) % pieces.len()]);
                let (x_memory, g_memory) = memory.split_at_mut(sources * x_panel);
                for (p, panel) in x_memory.chunks_exact_mut(x_panel).enumerate() {
                    let from = &x[self.source.at(image, p)..];
                    gather(from, self.source.plane, self.source.of_panel(p), piece.window, panel);
                }
                for (q, panel) in g_memory.chunks_exact_mut(g_panel).enumerate() {
                    let from = &g[self.target.at(image, q)..];
                    gather(from, self.target.plane, self.target.of_panel(q), Axes::itself(&piece.block), panel);
                }
            });
            let (memory, all) = (memory.get(), Places::new(sums.get_mut()));
            let shares = count.div_ceil(ROWS);
            (0..targets.div_ceil(GROUP) * shares).into_par_iter().for_each(|task| {
                let (q, share) = (task / shares * GROUP, task % shares);
                let (panels, share) = ((targets - q).min(GROUP), share * ROWS..count.min((share + 1) * ROWS));
                let at = (q * count + share.start * panels) * LANES;
                // SAFETY: no other task has these targets and these rows.
                let sums = unsafe { all.slice(at..at + share.len() * panels * LANES) };
                for i in 0..many {
                    let at = (first + i) % pieces.len();
                    let Piece { block, window, .. } = &pieces[at];
                    let memory = &memory[i * per_block..(i + 1) * per_block];
                    let steps = self.axes.steps();
                    dispatch(Pairs {
                        x: &memory[..sources * x_panel],
                        rows: &rows[at][share.clone()],
                        x_line: steps[0] * window.columns * LANES,
                        x_step: steps[1] * LANES,
                        lines: block[0].len(),
                        columns: block[1].len(),
                        g: &memory[sources * x_panel + q * g_panel..],
                        g_line: block[1].len() * LANES,
                        g_panel,
                        panels,
                        sums,
                        add: first + i > 0,
                    });
                }
            });
        }
        self.put(&class.taps, sums.get(), sink);
    }

    /// Where each row begins to read: panel of sources, then tap, then source.
    fn rows(&self, taps: &[usize], x_panel: usize) -> Vec<usize> {
        let panels = 0..self.source.panels();
        let of = |p: usize| {
            taps.iter().flat_map(move |tap| (0..self.source.of_panel(p)).map(move |c| p * x_panel + tap + c))
        };
        panels.flat_map(of).collect()
    }

    fn put(&self, taps: &[usize], sums: &[f32], sink: &mut Sink<'_, f32>) {
        let count = self.source.count * taps.len();
        for o in 0..self.target.count {
            let first = o / LANES / GROUP * GROUP;
            let panels = (self.target.panels() - first).min(GROUP);
            let from = &sums[first * count * LANES + o - first * LANES..];
            for p in 0..self.source.panels() {
                let many = self.source.of_panel(p);
                for (t, tap) in taps.iter().enumerate() {
                    for c in 0..many {
                        let row = p * LANES * taps.len() + t * many + c;
                        sink.put(self.order.at(o, p * LANES + c) + tap, from[row * panels * LANES]);
                    }
                }
            }
        }
    }
}
