//! Gradient of the weights by tiles of 4×4 outputs. Knows no other kernel than 3×3.
//!
//! In rounds, as the direct way: first the tiles of input and gradient are laid out in parts, then every task multiplies one
//! part for its own pairs of channels. So each sum has one order, whatever the number of threads.

use crate::ops::conv::axes::{Channels, Order};
use crate::ops::conv::memory::{Aligned, Places, with_scratch};
use crate::ops::conv::panels::gather;
use crate::ops::conv::products::{GROUP, Pairs};
use crate::ops::conv::winograd::planes::{Strip, strips};
use crate::ops::conv::winograd::transform::{Gradient, IN, Input, KernelGradient, OUT, PARTS, Parts, distance};
use crate::ops::operator::Sink;
use crate::ops::simd::{LANES, dispatch};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

/// Values of one round (8 MiB).
const ROUND: usize = 1 << 21;
/// Tiles of one round, at least: below, reading and writing the sums costs as much as the products.
const TILES: usize = 96;

#[derive(Debug)]
pub struct WeightGradient {
    pub images: usize,
    pub source: Channels,
    pub target: Channels,
    /// Zeros above and left of the source; negative where it begins inside.
    pub before: [isize; 2],
    pub order: Order,
}

impl WeightGradient {
    /// The sums over images and positions of x·g.
    pub fn run(&self, x: &[f32], g: &[f32], sink: &mut Sink<'_, f32>) {
        let (sources, targets) = (self.source.panels(), self.target.panels());
        let most = (ROUND / (PARTS * (sources + targets) * LANES)).max(TILES);
        let strips = strips(self.images, self.target.plane, most);
        let longest = strips.iter().map(|s| s.tiles.len()).max().unwrap_or(1);
        let many = (most / longest).max(1);
        let (x_part, g_part) = (distance(sources * many * longest * LANES), distance(targets * many * longest * LANES));
        let mut memory = Aligned::new(PARTS * (x_part + g_part));
        // [part][group of panels of targets][source][panel of the group][target]
        let slab = targets * sources * LANES * LANES;
        let mut sums = Aligned::new(PARTS * slab);
        for (round, strips) in strips.chunks(many).enumerate() {
            let tiles: usize = strips.iter().map(|s| s.tiles.len()).sum();
            let panel = tiles * LANES;
            let (x_memory, g_memory) = memory.get_mut().split_at_mut(PARTS * x_part);
            let (x_places, g_places) = (Places::new(x_memory), Places::new(g_memory));
            (0..strips.len() * (sources + targets)).into_par_iter().for_each(|task| {
                let (strip, p) = (task / (sources + targets), task % (sources + targets));
                let first: usize = strips[..strip].iter().map(|s| s.tiles.len()).sum();
                let tiles = strips[strip].tiles.len();
                if p < sources {
                    let parts = Parts { to: x_places, at: p * panel + first * LANES, part: x_part, tiles };
                    self.input(&strips[strip], p, x, parts);
                } else {
                    let q = p - sources;
                    let parts = Parts { to: g_places, at: q * panel + first * LANES, part: g_part, tiles };
                    self.gradient(&strips[strip], q, g, parts);
                }
            });
            let rows: Vec<usize> = (0..sources * LANES).map(|c| c / LANES * panel + c % LANES).collect();
            let groups = targets.div_ceil(GROUP);
            let (x_memory, g_memory) = memory.get().split_at(PARTS * x_part);
            let all = Places::new(sums.get_mut());
            (0..PARTS * groups).into_par_iter().for_each(|task| {
                let (part, q) = (task / groups, task % groups * GROUP);
                let panels = (targets - q).min(GROUP);
                let at = part * slab + q * sources * LANES * LANES;
                dispatch(Pairs {
                    x: &x_memory[part * x_part..],
                    rows: &rows,
                    x_line: 0,
                    x_step: LANES,
                    lines: 1,
                    columns: tiles,
                    g: &g_memory[part * g_part + q * panel..],
                    g_line: 0,
                    g_panel: panel,
                    panels,
                    add: round > 0,
                    // SAFETY: no other task has this part and these targets.
                    sums: unsafe { all.slice(at..at + panels * sources * LANES * LANES) },
                });
            });
        }
        self.put(sums.get(), slab, sink);
    }

    fn input(&self, strip: &Strip, p: usize, x: &[f32], parts: Parts<'_>) {
        let window = strip.window(IN - OUT, self.before);
        with_scratch([window.rows * window.columns * LANES], |[values]| {
            gather(&x[self.source.at(strip.image, p)..], self.source.plane, self.source.of_panel(p), window, values);
            dispatch(Input { values, parts });
        });
    }

    fn gradient(&self, strip: &Strip, q: usize, g: &[f32], parts: Parts<'_>) {
        let window = strip.window(0, [0; 2]);
        with_scratch([IN * window.columns * LANES], |[values]| {
            gather(&g[self.target.at(strip.image, q)..], self.target.plane, self.target.of_panel(q), window, values);
            dispatch(Gradient { values, parts });
        });
    }

    fn put(&self, sums: &[f32], slab: usize, sink: &mut Sink<'_, f32>) {
        let (sources, targets, add) = (self.source.panels() * LANES, self.target.panels(), sink.add);
        let to = Places::new(sink.values);
        (0..targets).into_par_iter().for_each(|q| {
            let first = q / GROUP * GROUP;
            let panels = (targets - first).min(GROUP);
            for c in 0..self.source.count {
                let mut taps = [0.0; 9 * LANES];
                let parts = &sums[(first * sources + c * panels + q - first) * LANES..];
                dispatch(KernelGradient { parts, part: slab, taps: &mut taps });
                for o in 0..self.target.of_panel(q) {
                    let at = self.order.at(q * LANES + o, c);
                    // SAFETY: no other task has these weights.
                    let to = unsafe { to.slice(at..at + 9) };
                    for (tap, to) in to.iter_mut().enumerate() {
                        let value = taps[tap * LANES + o];
                        *to = if add { *to + value } else { value };
                    }
                }
            }
        });
    }
}
