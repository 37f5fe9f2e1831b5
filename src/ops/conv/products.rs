//! The two inner loops of dense convolution over panels of eight channels: sums over sources for many positions (output,
//! gradient of the input), and sums over positions for many pairs of channels (gradient of the weights). Knows neither kernels
//! nor planes: where to read is given by lists of offsets.
//!
//! Twelve accumulators of eight lanes stay in registers, as many as hide the latency of two fused multiply-adds a cycle and
//! fit into sixteen registers; where there are 32 of sixteen lanes, up to sixteen.

use crate::ops::lanes::{Lanes, One};
use crate::ops::simd::{LANES, Routine, Vector};
use std::ops::Range;

/// Values of a block of weights: eight sources × eight targets.
pub const BLOCK: usize = LANES * LANES;
/// Panels of targets that `Pairs` takes at most.
pub const GROUP: usize = 4;

/// Groups of at most `most` and of nearly equal size: of 7 by sixes 4 + 3, since few accumulators do not hide the latency.
#[inline(always)]
pub fn groups(n: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let groups = n.div_ceil(most);
    (0..groups).map(move |group| group * n / groups..(group + 1) * n / groups)
}

/// For every position p, panel of targets q and target t of it:
/// `y[q·y_panel + y_at[p] + t] = start + Σ over r, c of x[x_at[p] + reads[r] + c] · weights[q·weights_panel + 64·r + 8·c + t]`
pub struct Sums<'a> {
    pub x: &'a [f32],
    pub x_at: &'a [usize],
    /// One offset per panel of sources and kernel position.
    pub reads: &'a [usize],
    /// Sources in each panel that is read: 1 to 8.
    pub sources: usize,
    pub weights: &'a [f32],
    pub weights_panel: usize,
    pub panels: usize,
    pub y: &'a mut [f32],
    pub y_at: &'a [usize],
    pub y_panel: usize,
    /// Eight values per panel to start from; without, what `y` holds.
    pub start: Option<&'a [f32]>,
}

impl Sums<'_> {
    fn check(&self) {
        assert!(self.sources >= 1 && self.sources <= LANES && self.x_at.len() == self.y_at.len());
        let most = |at: &[usize]| at.iter().max().copied();
        if let (Some(x), Some(read)) = (most(self.x_at), most(self.reads)) {
            assert!(x + read + self.sources <= self.x.len());
        }
        if self.panels > 0 {
            let last = self.panels - 1;
            assert!(self.weights.len() >= last * self.weights_panel + self.reads.len() * BLOCK);
            assert!(most(self.y_at).is_none_or(|y| last * self.y_panel + y + LANES <= self.y.len()));
            assert!(self.start.is_none_or(|s| s.len() >= self.panels * LANES));
        }
    }

    /// R positions of P lanes, which begin at this panel.
    #[inline(always)]
    unsafe fn tile<L: Lanes, const R: usize, const P: usize>(&mut self, first: usize, panel: usize) {
        // SAFETY: `check` compared every place with the lengths; the caller gives positions and panels that exist.
        unsafe {
            let x: [*const f32; R] = std::array::from_fn(|r| self.x.as_ptr().add(self.x_at[first + r]));
            let y: [*mut f32; R] =
                std::array::from_fn(|r| self.y.as_mut_ptr().add(panel * self.y_panel + self.y_at[first + r]));
            let step = L::VECTORS * self.y_panel;
            let mut sums: [[L; P]; R] = match self.start {
                Some(start) => {
                    let start = start.as_ptr().add(panel * LANES);
                    [std::array::from_fn(|p| L::load(start.add(p * L::VECTORS * LANES), LANES)); R]
                }
                None => std::array::from_fn(|r| std::array::from_fn(|p| L::load(y[r].add(p * step), self.y_panel))),
            };
            let mut weights = self.weights.as_ptr().add(panel * self.weights_panel);
            for read in self.reads {
                let x: [*const f32; R] = std::array::from_fn(|r| x[r].add(*read));
                if self.sources == LANES {
                    for c in 0..LANES {
                        products(&mut sums, &x, c, weights.add(c * LANES), self.weights_panel);
                    }
                } else {
                    for c in 0..self.sources {
                        products(&mut sums, &x, c, weights.add(c * LANES), self.weights_panel);
                    }
                }
                weights = weights.add(BLOCK);
            }
            for r in 0..R {
                for p in 0..P {
                    sums[r][p].store(y[r].add(p * step), self.y_panel);
                }
            }
        }
    }

    /// All positions, of P lanes.
    #[inline(always)]
    unsafe fn lanes<L: Lanes, const P: usize>(&mut self, most: usize, panel: usize) {
        for Range { start, end } in groups(self.x_at.len(), most) {
            // SAFETY: the positions exist.
            unsafe {
                match end - start {
                    8 => self.tile::<L, 8, P>(start, panel),
                    7 => self.tile::<L, 7, P>(start, panel),
                    6 => self.tile::<L, 6, P>(start, panel),
                    5 => self.tile::<L, 5, P>(start, panel),
                    4 => self.tile::<L, 4, P>(start, panel),
                    3 => self.tile::<L, 3, P>(start, panel),
                    2 => self.tile::<L, 2, P>(start, panel),
                    _ => self.tile::<L, 1, P>(start, panel),
                }
            }
        }
    }
}

/// Of R values x, `pitch` apart those of the panels of weights.
#[inline(always)]
unsafe fn products<L: Lanes, const R: usize, const P: usize>(
    sums: &mut [[L; P]; R],
    x: &[*const f32; R],
    at: usize,
    weights: *const f32,
    pitch: usize,
) {
    // SAFETY: as in the tiles, which alone call this.
    unsafe {
        let weights: [L; P] = std::array::from_fn(|p| L::load(weights.add(p * L::VECTORS * pitch), pitch));
        for r in 0..R {
            let x = L::splat(*x[r].add(at));
            for p in 0..P {
                sums[r][p] = x.fma(weights[p], sums[r][p]);
            }
        }
    }
}

impl Routine for Sums<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(mut self) {
        self.check();
        let mut panel = 0;
        // SAFETY: the panels exist.
        unsafe {
            if V::WIDE {
                while panel + 4 <= self.panels {
                    self.lanes::<V::Twin, 2>(8, panel);
                    panel += 4;
                }
            }
            let most = if V::WIDE { 8 } else { 6 };
            while panel + 2 <= self.panels {
                self.lanes::<V::Twin, 1>(most, panel);
                panel += 2;
            }
            if panel < self.panels {
                self.lanes::<One<V>, 1>(most, panel);
            }
        }
    }
}

/// For every row r, panel of targets q and target o of it, over positions in lines × columns:
/// `sums[8·(panels·r + q) + o] = Σ x[rows[r] + x_line·line + x_step·column] · g[q·g_panel + g_line·line + 8·column + o]`,
/// added to what is there if `add`.
pub struct Pairs<'a> {
    pub x: &'a [f32],
    /// One offset per pair of source and kernel position.
    pub rows: &'a [usize],
    pub x_line: usize,
    pub x_step: usize,
    pub lines: usize,
    pub columns: usize,
    pub g: &'a [f32],
    pub g_line: usize,
    pub g_panel: usize,
    /// 1 to `GROUP`.
    pub panels: usize,
    pub sums: &'a mut [f32],
    pub add: bool,
}

impl Pairs<'_> {
    fn check(&self) {
        let row = self.rows.iter().max().copied().unwrap_or(0);
        assert!(row + (self.lines - 1) * self.x_line + (self.columns - 1) * self.x_step < self.x.len());
        let last = (self.panels - 1) * self.g_panel + (self.lines - 1) * self.g_line;
        assert!(last + self.columns * LANES <= self.g.len());
        assert!(self.panels * self.rows.len() * LANES <= self.sums.len());
    }

    /// R rows of P lanes, which begin at this panel.
    #[inline(always)]
    unsafe fn tile<L: Lanes, const R: usize, const P: usize>(&mut self, first: usize, panel: usize) {
        // SAFETY: `check` compared every place with the lengths; the caller gives rows and panels that exist.
        unsafe {
            let to = self.sums.as_mut_ptr().add((first * self.panels + panel) * LANES);
            let at = |r: usize, p: usize| (r * self.panels + p * L::VECTORS) * LANES;
            let mut sums = [[L::splat(0.0); P]; R];
            if self.add {
                for r in 0..R {
                    for p in 0..P {
                        sums[r][p] = L::load(to.add(at(r, p)), LANES);
                    }
                }
            }
            for line in 0..self.lines {
                let mut g = self.g.as_ptr().add(panel * self.g_panel + line * self.g_line);
                let x: [*const f32; R] =
                    std::array::from_fn(|r| self.x.as_ptr().add(self.rows[first + r] + line * self.x_line));
                for column in 0..self.columns {
                    products(&mut sums, &x, column * self.x_step, g, self.g_panel);
                    g = g.wrapping_add(LANES);
                }
            }
            for r in 0..R {
                for p in 0..P {
                    sums[r][p].store(to.add(at(r, p)), LANES);
                }
            }
        }
    }

    /// All rows, of P lanes.
    #[inline(always)]
    unsafe fn lanes<L: Lanes, const P: usize>(&mut self, most: usize, panel: usize) {
        for Range { start, end } in groups(self.rows.len(), most) {
            // SAFETY: these exist.
            unsafe {
                match end - start {
                    8 => self.tile::<L, 8, P>(start, panel),
                    7 => self.tile::<L, 7, P>(start, panel),
                    6 => self.tile::<L, 6, P>(start, panel),
                    5 => self.tile::<L, 5, P>(start, panel),
                    4 => self.tile::<L, 4, P>(start, panel),
                    3 => self.tile::<L, 3, P>(start, panel),
                    2 => self.tile::<L, 2, P>(start, panel),
                    _ => self.tile::<L, 1, P>(start, panel),
                }
            }
        }
    }
}

impl Routine for Pairs<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(mut self) {
        if self.lines * self.columns == 0 {
            return;
        }
        self.check();
        // SAFETY: checked.
        unsafe {
            match (self.panels, V::WIDE) {
                (1, wide) => self.lanes::<One<V>, 1>(if wide { 8 } else { 6 }, 0),
                (2, wide) => self.lanes::<V::Twin, 1>(if wide { 8 } else { 6 }, 0),
                (3, true) => {
                    self.lanes::<V::Twin, 1>(8, 0);
                    self.lanes::<One<V>, 1>(8, 2);
                }
                (3, false) => self.lanes::<One<V>, 3>(4, 0),
                (4, true) => self.lanes::<V::Twin, 2>(8, 0),
                (4, false) => {
                    self.lanes::<V::Twin, 1>(6, 0);
                    self.lanes::<V::Twin, 1>(6, 2);
                }
                (n, _) => panic!("{n} panels instead of one to four"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, GROUP, Pairs, Sums};
    use crate::ops::simd::{LANES, Plain, Routine, dispatch};

    fn values(count: usize, seed: u32) -> Vec<f32> {
        (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8) as f32 / 8e6 - 1.0).collect()
    }

    fn run(work: impl Routine<Output = ()>, plain: bool) {
        if plain {
            // SAFETY: plain Rust needs no instructions.
            unsafe { work.run::<Plain>() }
        } else {
            dispatch(work)
        }
    }

    /// What plain Rust writes, and what the best instructions of this CPU write, over the same values.
    fn both(size: usize, work: impl Fn(&mut [f32], bool)) -> [Vec<u32>; 2] {
        [true, false].map(|plain| {
            let mut out = values(size, 9);
            work(&mut out, plain);
            out.into_iter().map(f32::to_bits).collect()
        })
    }

    #[test]
    fn sums_have_the_same_bits_in_every_width() {
        let (positions, most) = (19, 9);
        let x = values(2 * positions * LANES, 1);
        let (weights, start) = (values(most * 2 * BLOCK, 2), values(most * LANES, 3));
        let at: Vec<usize> = (0..positions).map(|p| p * LANES).collect();
        let reads = [0, positions * LANES];
        for (panels, sources) in (1..=most).flat_map(|panels| [(panels, LANES), (panels, 3)]) {
            for start in [None, Some(start.as_slice())] {
                let [plain, best] = both(most * positions * LANES, |y, plain| {
                    let work = Sums {
                        x: &x,
                        x_at: &at,
                        reads: &reads,
                        sources,
                        weights: &weights,
                        weights_panel: 2 * BLOCK,
                        panels,
                        y,
                        y_at: &at,
                        y_panel: positions * LANES,
                        start,
                    };
                    run(work, plain);
                });
                assert_eq!(plain, best, "{panels} panels of {sources} sources");
            }
        }
    }

    #[test]
    fn pairs_have_the_same_bits_in_every_width() {
        let (lines, columns) = (3, 5);
        let (x, g) = (values(lines * columns * 4 * LANES, 4), values(GROUP * lines * columns * LANES, 5));
        let rows: Vec<usize> = (0..13).collect();
        for (panels, add) in (1..=GROUP).flat_map(|panels| [(panels, false), (panels, true)]) {
            let [plain, best] = both(GROUP * rows.len() * LANES, |sums, plain| {
                let work = Pairs {
                    x: &x,
                    rows: &rows,
                    x_line: columns * 2 * LANES,
                    x_step: LANES,
                    lines,
                    columns,
                    g: &g,
                    g_line: columns * LANES,
                    g_panel: lines * columns * LANES,
                    panels,
                    sums,
                    add,
                };
                run(work, plain);
            });
            assert_eq!(plain, best, "{panels} panels");
        }
    }
}
