//! Output, or gradient of the input, by tiles of 4×4. Knows not which of the two: the latter is the same with turned weights.

use crate::ops::conv::axes::{Channels, Order};
use crate::ops::conv::memory::{Aligned, Places, with_scratch};
use crate::ops::conv::panels::{Onto, Window, gather, scatter};
use crate::ops::conv::products::{BLOCK, Sums};
use crate::ops::conv::winograd::transform::{IN, Input, Kernel, OUT, Output, PARTS, Parts, distance};
use crate::ops::simd::{LANES, dispatch};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};
use std::ops::Range;

/// Tiles of one task.
const TILES: usize = 48;

#[derive(Debug)]
pub struct Convolution<'a> {
    pub images: usize,
    pub source: Channels,
    pub target: Channels,
    /// Zeros above and left of the source; negative where it begins inside.
    pub before: [isize; 2],
    pub weights: &'a [f32],
    pub order: Order,
    /// Read the kernel from its end.
    pub turned: bool,
    pub bias: Option<&'a [f32]>,
}

/// Part of a row of tiles.
#[derive(Clone, Debug)]
pub struct Strip {
    pub image: usize,
    pub row: usize,
    pub tiles: Range<usize>,
}

/// The tiles of all images in strips of at most `longest`.
pub fn strips(images: usize, plane: [usize; 2], longest: usize) -> Vec<Strip> {
    let [rows, columns] = plane.map(|n| n.div_ceil(OUT));
    let parts = columns.div_ceil(longest).max(1);
    let tiles = |i: usize| i * columns / parts..(i + 1) * columns / parts;
    let of_row = move |image, row| (0..parts).map(move |i| Strip { image, row, tiles: tiles(i) });
    (0..images).flat_map(move |image| (0..rows).flat_map(move |row| of_row(image, row))).collect()
}

impl Strip {
    /// The outputs of the strip as a window of their plane, or what it reads `more` values on for and `before` values back.
    pub fn window(&self, more: usize, before: [isize; 2]) -> Window {
        let start = [self.row * OUT, self.tiles.start * OUT];
        let [row, column] = [0, 1].map(|a| start[a] as isize - before[a]);
        Window { row, column, rows: OUT + more, columns: self.tiles.len() * OUT + more }
    }
}

impl Convolution<'_> {
    pub fn run(&self, x: &[f32], out: &mut [f32], onto: Onto<'_>) {
        let weights = self.transformed();
        let mut start = vec![0.0; self.target.panels() * LANES];
        if let Some(bias) = self.bias {
            start[..bias.len()].copy_from_slice(bias);
        }
        let strips = strips(self.images, self.target.plane, TILES);
        let longest = strips.iter().map(|s| s.tiles.len()).max().unwrap_or(1);
        let out = Places::new(out);
        strips.par_chunks((TILES / longest).max(1)).for_each(|strips| {
            self.block(strips, weights.get(), &start, x, out, onto);
        });
    }

    /// Weights as [panel of targets][part][panel of sources][source][target].
    fn transformed(&self) -> Aligned {
        let sources = self.source.panels();
        let mut weights = Aligned::zeros(self.target.panels() * PARTS * sources * BLOCK);
        weights.get_mut().par_chunks_mut(PARTS * sources * BLOCK).enumerate().for_each(|(q, to)| {
            for c in 0..self.source.count {
                let mut taps = [0.0; 9 * LANES];
                for o in 0..self.target.of_panel(q) {
                    let at = self.order.at(q * LANES + o, c);
                    for (tap, weight) in self.weights[at..at + 9].iter().enumerate() {
                        taps[if self.turned { 8 - tap } else { tap } * LANES + o] = *weight;
                    }
                }
                dispatch(Kernel { taps: &taps, to: &mut to[c * LANES..], part: sources * BLOCK });
            }
        });
        weights
    }

    fn block(&self, strips: &[Strip], weights: &[f32], start: &[f32], x: &[f32], out: Places<'_>, onto: Onto<'_>) {
        let (source, target) = (&self.source, &self.target);
        let tiles: usize = strips.iter().map(|s| s.tiles.len()).sum();
        let longest = strips.iter().map(|s| s.tiles.len()).max().unwrap_or(0);
        let (sources, targets) = (source.panels(), target.panels());
        let panel = tiles * LANES;
        let (v_part, m_part) = (distance(sources * panel), distance(targets * panel));
        let window = IN * (longest * OUT + IN - OUT) * LANES;
        with_scratch([PARTS * v_part, PARTS * m_part, window], |[v, m, values]| {
            let (mut first, to) = (0, Places::new(v));
            for strip in strips {
                let window = strip.window(IN - OUT, self.before);
                for p in 0..sources {
                    gather(&x[source.at(strip.image, p)..], source.plane, source.of_panel(p), window, values);
                    let parts = Parts { to, at: p * panel + first * LANES, part: v_part, tiles: strip.tiles.len() };
                    dispatch(Input { values, parts });
                }
                first += strip.tiles.len();
            }
            let zeros = vec![0.0; start.len()];
            let at: Vec<usize> = (0..tiles).map(|tile| tile * LANES).collect();
            let reads: Vec<usize> = (0..sources).map(|p| p * panel).collect();
            for part in 0..PARTS {
                dispatch(Sums {
                    x: &v[part * v_part..],
                    x_at: &at,
                    reads: &reads,
                    sources: LANES,
                    weights: &weights[part * sources * BLOCK..],
                    weights_panel: PARTS * sources * BLOCK,
                    panels: targets,
                    y: &mut m[part * m_part..],
                    y_at: &at,
                    y_panel: panel,
                    start: Some(&zeros),
                });
            }
            first = 0;
            for strip in strips {
                let Range { start: from, end } = strip.tiles;
                let len = (end * OUT).min(target.plane[1]) - from * OUT;
                for q in 0..targets {
                    let m = &m[q * panel + first * LANES..];
                    dispatch(Output { m, part: m_part, tiles: end - from, start: &start[q * LANES..], values });
                    let line = (end - from) * OUT * LANES;
                    for (i, values) in values.chunks_exact(line).take(OUT).enumerate() {
                        let row = strip.row * OUT + i;
                        if row < target.plane[0] {
                            let at = target.at(strip.image, q) + row * target.plane[1] + from * OUT;
                            // SAFETY: no other task writes to this part of these planes.
                            unsafe { scatter(values, len, target.of_panel(q), out, at, target.area(), onto) };
                        }
                    }
                }
                first += end - from;
            }
        });
    }
}
