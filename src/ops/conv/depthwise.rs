//! Convolution of every channel by itself (as many groups as inputs and outputs). A vector holds one pixel of eight channels,
//! so that strides and dilations cost nothing. Knows no other groups.

use crate::ops::conv::axes::{Axes, Channels, Class, Piece, blocks};
use crate::ops::conv::memory::{Places, with_scratch};
use crate::ops::conv::panels::{Onto, gather, scatter};
use crate::ops::conv::products::groups;
use crate::ops::operator::Sink;
use crate::ops::simd::{LANES, Routine, Vector, dispatch};
use rayon::prelude::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator, ParallelSliceMut};
use std::ops::Range;

/// Positions of a block: its targets take 16 KiB.
const POSITIONS: usize = 512;
/// Partial sums of the gradient of the weights. Fixed, so that the order of the sums is.
const PARTS: usize = 8;

#[derive(Debug)]
pub struct Depthwise {
    pub images: usize,
    pub source: Channels,
    pub target: Channels,
    pub axes: Axes,
    pub taps: usize,
}

impl Depthwise {
    /// Computes all targets from weights (C,1,h,w).
    pub fn run(&self, x: &[f32], weights: &[f32], bias: Option<&[f32]>, out: &mut [f32], onto: Onto<'_>) {
        let (classes, blocks, panels) =
            (self.axes.classes(), blocks(self.target.plane, POSITIONS), self.target.panels());
        let (per_panel, packed) = (per_panel(self.taps), packed(self.target, self.taps, weights, bias));
        let (out, pieces) = (Places::new(out), self.axes.pieces(&classes, &blocks));
        (0..self.images * panels * blocks.len()).into_par_iter().for_each(|task| {
            let (block, p, image) = (task % blocks.len(), task / blocks.len() % panels, task / blocks.len() / panels);
            let packed = &packed[p * per_panel..(p + 1) * per_panel];
            self.block(image, p, &pieces[block], &classes, packed, x, out, onto);
        });
    }

    #[allow(clippy::too_many_arguments)] // which block, and what all blocks share
    fn block(
        &self,
        image: usize,
        p: usize,
        piece: &Piece,
        classes: &[Class],
        weights: &[f32],
        x: &[f32],
        out: Places<'_>,
        onto: Onto<'_>,
    ) {
        let (source, target) = (&self.source, &self.target);
        let Piece { block, window, offsets } = piece;
        let positions = block[0].len() * block[1].len();
        with_scratch([window.rows * window.columns * LANES, positions * LANES], |[values, y]| {
            gather(&x[source.at(image, p)..], source.plane, source.of_panel(p), *window, values);
            for (class, at) in classes.iter().zip(offsets) {
                let reads: Vec<(usize, usize)> = at.taps.iter().copied().zip(class.taps.iter().copied()).collect();
                dispatch(Sums { x: values, x_at: &at.x_at, reads: &reads, weights, y, y_at: &at.y_at });
            }
            let lines = if block[1].len() == target.plane[1] { 1 } else { block[0].len() };
            let len = positions / lines;
            for (line, y) in y.chunks_exact(len * LANES).take(lines).enumerate() {
                let at = target.at(image, p) + (block[0].start + line) * target.plane[1] + block[1].start;
                // SAFETY: no other task writes to this part of these planes.
                unsafe { scatter(y, len, target.of_panel(p), out, at, target.area(), onto) };
            }
        });
    }

    /// The sums over images and positions of x·g, for weights (C,1,h,w); the axes are those of the output.
    pub fn weight_gradient(&self, x: &[f32], g: &[f32], sink: &mut Sink<'_, f32>) {
        let class = self.axes.classes().remove(0); // without a period there is one
        let (blocks, panels, len) = (blocks(self.target.plane, POSITIONS), self.target.panels(), self.taps * LANES);
        let pieces = self.axes.pieces(std::slice::from_ref(&class), &blocks);
        let parts = PARTS.min(self.images.max(1));
        let mut sums = vec![0.0; parts * panels * len];
        sums.par_chunks_mut(len).enumerate().for_each(|(task, sums)| {
            let (part, p) = (task / panels, task % panels);
            for image in part * self.images / parts..(part + 1) * self.images / parts {
                for piece in &pieces {
                    self.pairs(image, p, piece, x, g, sums);
                }
            }
        });
        for c in 0..self.target.count {
            for (t, tap) in class.taps.iter().enumerate() {
                let at = c / LANES * len + t * LANES + c % LANES;
                sink.put(c * self.taps + tap, (0..parts).map(|part| sums[part * panels * len + at]).sum());
            }
        }
    }

    fn pairs(&self, image: usize, p: usize, piece: &Piece, x: &[f32], g: &[f32], sums: &mut [f32]) {
        let (source, target) = (&self.source, &self.target);
        let (window, own) = (piece.window, Axes::itself(&piece.block));
        let lengths = [&window, &own].map(|w| w.rows * w.columns * LANES);
        with_scratch(lengths, |[x_values, g_values]| {
            gather(&x[source.at(image, p)..], source.plane, source.of_panel(p), window, x_values);
            gather(&g[target.at(image, p)..], target.plane, target.of_panel(p), own, g_values);
            let steps = self.axes.steps();
            dispatch(Pairs {
                x: x_values,
                reads: &piece.offsets[0].taps,
                x_line: steps[0] * window.columns * LANES,
                x_step: steps[1] * LANES,
                lines: own.rows,
                columns: own.columns,
                g: g_values,
                g_line: own.columns * LANES,
                sums,
            });
        });
    }
}

/// Values that `packed` gives for a panel.
pub fn per_panel(taps: usize) -> usize {
    (1 + taps) * LANES
}

/// For each panel of `channels`: eight biases (0 where there are none), then eight weights for each tap; from weights (C,1,h,w).
pub fn packed(channels: Channels, taps: usize, weights: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let mut packed = vec![0.0; channels.panels() * per_panel(taps)];
    for c in 0..channels.count {
        let to = &mut packed[c / LANES * per_panel(taps) + c % LANES..];
        to[0] = bias.map_or(0.0, |b| b[c]);
        for tap in 0..taps {
            to[(1 + tap) * LANES] = weights[c * taps + tap];
        }
    }
    packed
}

/// For every position p and lane l: `y[y_at[p] + l] = weights[l] + Σ over (read, tap) of x[x_at[p] + read + l] · weights[8·(1 + tap) + l]`
pub struct Sums<'a> {
    pub x: &'a [f32],
    pub x_at: &'a [usize],
    /// Offset into the source, index of the tap.
    pub reads: &'a [(usize, usize)],
    pub weights: &'a [f32],
    pub y: &'a mut [f32],
    pub y_at: &'a [usize],
}

impl Sums<'_> {
    #[inline(always)]
    unsafe fn tile<V: Vector, const R: usize>(&mut self, first: usize) {
        // SAFETY: `run` compared every place with the lengths; the caller gives positions that exist.
        unsafe {
            let x: [*const f32; R] = std::array::from_fn(|r| self.x.as_ptr().add(self.x_at[first + r]));
            let mut sums = [V::load(self.weights.as_ptr()); R];
            for (read, tap) in self.reads {
                let weight = V::load(self.weights.as_ptr().add((1 + tap) * LANES));
                for r in 0..R {
                    sums[r] = weight.fma(V::load(x[r].add(*read)), sums[r]);
                }
            }
            for (r, sum) in sums.iter().enumerate() {
                sum.store(self.y.as_mut_ptr().add(self.y_at[first + r]));
            }
        }
    }
}

impl Routine for Sums<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(mut self) {
        let most = |at: &[usize]| at.iter().max().copied().unwrap_or(0);
        let reads = |of: fn(&(usize, usize)) -> usize| self.reads.iter().map(of).max().unwrap_or(0);
        assert!(most(self.x_at) + reads(|r| r.0) + LANES <= self.x.len() && most(self.y_at) + LANES <= self.y.len());
        assert!((2 + reads(|r| r.1)) * LANES <= self.weights.len() && self.x_at.len() == self.y_at.len());
        for Range { start, end } in groups(self.x_at.len(), 8) {
            // SAFETY: these positions exist.
            unsafe {
                match end - start {
                    8 => self.tile::<V, 8>(start),
                    7 => self.tile::<V, 7>(start),
                    6 => self.tile::<V, 6>(start),
                    5 => self.tile::<V, 5>(start),
                    4 => self.tile::<V, 4>(start),
                    3 => self.tile::<V, 3>(start),
                    2 => self.tile::<V, 2>(start),
                    _ => self.tile::<V, 1>(start),
                }
            }
        }
    }
}

/// For every tap t and lane l, over positions in lines × columns:
/// `sums[8·t + l] += Σ x[reads[t] + x_line·line + x_step·column + l] · g[g_line·line + 8·column + l]`
pub struct Pairs<'a> {
    pub x: &'a [f32],
    pub reads: &'a [usize],
    pub x_line: usize,
    pub x_step: usize,
    pub lines: usize,
    pub columns: usize,
    pub g: &'a [f32],
    pub g_line: usize,
    pub sums: &'a mut [f32],
}

impl Pairs<'_> {
    #[inline(always)]
    unsafe fn tile<V: Vector, const R: usize>(&mut self, first: usize) {
        // SAFETY: `run` compared every place with the lengths; the caller gives taps that exist.
        unsafe {
            let to = self.sums.as_mut_ptr().add(first * LANES);
            let mut sums = [V::splat(0.0); R];
            for (r, sum) in sums.iter_mut().enumerate() {
                *sum = V::load(to.add(r * LANES));
            }
            for line in 0..self.lines {
                let mut g = self.g.as_ptr().add(line * self.g_line);
                let x: [*const f32; R] =
                    std::array::from_fn(|r| self.x.as_ptr().add(self.reads[first + r] + line * self.x_line));
                for column in 0..self.columns {
                    let value = V::load(g);
                    for r in 0..R {
                        sums[r] = value.fma(V::load(x[r].add(column * self.x_step)), sums[r]);
                    }
                    g = g.wrapping_add(LANES);
                }
            }
            for (r, sum) in sums.iter().enumerate() {
                sum.store(to.add(r * LANES));
            }
        }
    }
}

impl Routine for Pairs<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(mut self) {
        let read = self.reads.iter().max().copied().unwrap_or(0);
        let last = (self.lines - 1) * self.x_line + (self.columns - 1) * self.x_step;
        assert!(
            read + last + LANES <= self.x.len()
                && (self.lines - 1) * self.g_line + self.columns * LANES <= self.g.len()
        );
        assert!(self.reads.len() * LANES <= self.sums.len());
        for Range { start, end } in groups(self.reads.len(), 9) {
            // SAFETY: these taps exist.
            unsafe {
                match end - start {
                    9 => self.tile::<V, 9>(start),
                    8 => self.tile::<V, 8>(start),
                    7 => self.tile::<V, 7>(start),
                    6 => self.tile::<V, 6>(start),
                    5 => self.tile::<V, 5>(start),
                    4 => self.tile::<V, 4>(start),
                    3 => self.tile::<V, 3>(start),
                    2 => self.tile::<V, 2>(start),
                    _ => self.tile::<V, 1>(start),
                }
            }
        }
    }
}
