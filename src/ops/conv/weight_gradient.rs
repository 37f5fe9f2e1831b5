//! Gradient of the weights of a dense convolution by direct sums over positions. Knows not Winograd's way.
//!
//! It goes in rounds of as many blocks as fit a fixed amount of memory: first panels of input and gradient are laid out, then
//! every task adds the products of its own pairs of channels, block by block. So each sum has one order, whatever the number
//! of threads, and there are no partial sums to keep.

use crate::ops::conv::axes::{Axes, Block, Channels, Order, blocks};
use crate::ops::conv::memory::{Aligned, Places};
use crate::ops::conv::panels::{Window, gather};
use crate::ops::conv::products::{BLOCK, Pairs, triples};
use crate::ops::operator::Sink;
use crate::ops::simd::{LANES, dispatch};
use rayon::prelude::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator, ParallelSliceMut};

/// Positions of a block: the gradients of three panels (18 KiB) stay in the first-level cache.
const POSITIONS: usize = 192;
/// Values of one round (4 MiB).
const ROUND: usize = 1 << 20;
/// With fewer tasks than this, kernel positions are shared out too.
const TASKS: usize = 32;

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
        let slab = class.taps.len() * BLOCK;
        // [panel of sources][group of up to three panels of targets][tap][panel of the group][source][target]
        let mut sums = Aligned::zeros(sources * targets * slab);
        let groups = triples(targets);
        let blocks = blocks(self.target.plane, POSITIONS);
        let places: Vec<Vec<usize>> = blocks.iter().map(|block| self.axes.offsets(&class, block).taps).collect();
        let area = |w: &Window| w.rows * w.columns * LANES;
        let windows: Vec<Window> = blocks.iter().map(|block| self.axes.window(block)).collect();
        let x_panel = windows.iter().map(area).max().unwrap_or(0);
        let g_panel = blocks.iter().map(|b| b[0].len() * b[1].len() * LANES).max().unwrap_or(0);
        let (per_block, count) = (sources * x_panel + targets * g_panel, self.images * blocks.len());
        let per_round = (ROUND / per_block.max(1)).clamp(1, count.max(1));
        let mut memory = Aligned::zeros(per_round * per_block);
        for first in (0..count).step_by(per_round) {
            let many = per_round.min(count - first);
            memory.get_mut().par_chunks_mut(per_block).take(many).enumerate().for_each(|(i, memory)| {
                let (image, block) = ((first + i) / blocks.len(), (first + i) % blocks.len());
                let (x_memory, g_memory) = memory.split_at_mut(sources * x_panel);
                for (p, panel) in x_memory.chunks_exact_mut(x_panel).enumerate() {
                    let from = &x[self.source.at(image, p)..];
                    gather(from, self.source.plane, self.source.of_panel(p), windows[block], panel);
                }
                for (q, panel) in g_memory.chunks_exact_mut(g_panel).enumerate() {
                    let from = &g[self.target.at(image, q)..];
                    gather(from, self.target.plane, self.target.of_panel(q), itself(&blocks[block]), panel);
                }
            });
            let (memory, all) = (memory.get(), Places::new(sums.get_mut()));
            let shares = if sources * groups.len() < TASKS { class.taps.len() } else { 1 };
            (0..sources * groups.len() * shares).into_par_iter().for_each(|task| {
                let (share, group, p) = (task % shares, task / shares % groups.len(), task / shares / groups.len());
                let (group, taps) = (&groups[group], class.taps.len() / shares);
                let at = (p * targets + group.start) * slab + share * group.len() * BLOCK;
                // SAFETY: no other task has this panel of sources, this group and these taps.
                let sums = unsafe { all.slice(at..at + taps * group.len() * BLOCK) };
                for i in 0..many {
                    let block = (first + i) % blocks.len();
                    let memory = &memory[i * per_block..(i + 1) * per_block];
                    let steps = self.axes.steps();
                    dispatch(Pairs {
                        x: &memory[p * x_panel..(p + 1) * x_panel],
                        x_row: steps[0] * windows[block].columns * LANES,
                        x_step: steps[1] * LANES,
                        reads: &places[block][share * taps..(share + 1) * taps],
                        sources: self.source.of_panel(p),
                        rows: blocks[block][0].len(),
                        columns: blocks[block][1].len(),
                        g: &memory[sources * x_panel + group.start * g_panel..],
                        g_panel,
                        panels: group.len(),
                        sums,
                    });
                }
            });
        }
        let sums = sums.get();
        for group in &groups {
            for (p, q) in (0..sources).flat_map(|p| group.clone().map(move |q| (p, q))) {
                let from = &sums[(p * targets + group.start) * slab + (q - group.start) * BLOCK..];
                for (o, c) in
                    (0..self.target.of_panel(q)).flat_map(|o| (0..self.source.of_panel(p)).map(move |c| (o, c)))
                {
                    let at = self.order.at(q * LANES + o, p * LANES + c);
                    for (t, tap) in class.taps.iter().enumerate() {
                        sink.put(at + tap, from[t * group.len() * BLOCK + c * LANES + o]);
                    }
                }
            }
        }
    }
}

/// A block as a window of its own plane.
fn itself(block: &Block) -> Window {
    let [row, column] = [0, 1].map(|a| block[a].start as isize);
    Window { row, column, rows: block[0].len(), columns: block[1].len() }
}
