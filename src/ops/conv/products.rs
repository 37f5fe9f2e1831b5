//! The two inner loops of dense convolution over panels of eight channels: sums over sources for many positions (output,
//! gradient of the input), and sums over positions for many pairs of channels (gradient of the weights). Knows neither kernels
//! nor planes: where to read is given by lists of offsets.
//!
//! Twelve accumulators of eight lanes stay in registers, as many as hide the latency of two fused multiply-adds a cycle and
//! fit into sixteen registers.

use crate::ops::simd::{LANES, Routine, Vector};
use std::ops::Range;

/// Values of a block of weights: eight sources × eight targets.
pub const BLOCK: usize = LANES * LANES;

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

    #[inline(always)]
    unsafe fn tile<V: Vector, const R: usize, const P: usize>(&mut self, first: usize, panel: usize) {
        // SAFETY: `check` compared every place with the lengths; the caller gives positions and panels that exist.
        unsafe {
            let x: [*const f32; R] = std::array::from_fn(|r| self.x.as_ptr().add(self.x_at[first + r]));
            let y: [*mut f32; R] =
                std::array::from_fn(|r| self.y.as_mut_ptr().add(panel * self.y_panel + self.y_at[first + r]));
            let mut sums: [[V; P]; R] = match self.start {
                Some(start) => [std::array::from_fn(|p| V::load(start.as_ptr().add((panel + p) * LANES))); R],
                None => std::array::from_fn(|r| std::array::from_fn(|p| V::load(y[r].add(p * self.y_panel)))),
            };
            let mut weights = self.weights.as_ptr().add(panel * self.weights_panel);
            for read in self.reads {
                let x: [*const f32; R] = std::array::from_fn(|r| x[r].add(*read));
                if self.sources == LANES {
                    for c in 0..LANES {
                        step(&mut sums, &x, c, weights.add(c * LANES), self.weights_panel);
                    }
                } else {
                    for c in 0..self.sources {
                        step(&mut sums, &x, c, weights.add(c * LANES), self.weights_panel);
                    }
                }
                weights = weights.add(BLOCK);
            }
            for r in 0..R {
                for p in 0..P {
                    sums[r][p].store(y[r].add(p * self.y_panel));
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn panels<V: Vector, const P: usize>(&mut self, panel: usize) {
        for Range { start, end } in groups(self.x_at.len(), 6) {
            // SAFETY: the positions exist.
            unsafe {
                match end - start {
                    6 => self.tile::<V, 6, P>(start, panel),
                    5 => self.tile::<V, 5, P>(start, panel),
                    4 => self.tile::<V, 4, P>(start, panel),
                    3 => self.tile::<V, 3, P>(start, panel),
                    2 => self.tile::<V, 2, P>(start, panel),
                    _ => self.tile::<V, 1, P>(start, panel),
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn step<V: Vector, const R: usize, const P: usize>(
    sums: &mut [[V; P]; R],
    x: &[*const f32; R],
    c: usize,
    weights: *const f32,
    panel: usize,
) {
    // SAFETY: as in `tile`, which alone calls this.
    unsafe {
        let weights: [V; P] = std::array::from_fn(|p| V::load(weights.add(p * panel)));
        for r in 0..R {
            let x = V::splat(*x[r].add(c));
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
        let even = self.panels / 2 * 2;
        // SAFETY: the panels exist.
        unsafe {
            for panel in (0..even).step_by(2) {
                self.panels::<V, 2>(panel);
            }
            if even < self.panels {
                self.panels::<V, 1>(even);
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
    /// 1, 2 or 3.
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

    #[inline(always)]
    unsafe fn tile<V: Vector, const R: usize, const P: usize>(&mut self, first: usize) {
        // SAFETY: `check` compared every place with the lengths; the caller gives rows that exist.
        unsafe {
            let to = self.sums.as_mut_ptr().add(first * P * LANES);
            let mut sums = [[V::splat(0.0); P]; R];
            if self.add {
                for r in 0..R {
                    for p in 0..P {
                        sums[r][p] = V::load(to.add((r * P + p) * LANES));
                    }
                }
            }
            for line in 0..self.lines {
                let mut g = self.g.as_ptr().add(line * self.g_line);
                let x: [*const f32; R] =
                    std::array::from_fn(|r| self.x.as_ptr().add(self.rows[first + r] + line * self.x_line));
                for column in 0..self.columns {
                    let values: [V; P] = std::array::from_fn(|p| V::load(g.add(p * self.g_panel)));
                    for r in 0..R {
                        let x = V::splat(*x[r].add(column * self.x_step));
                        for p in 0..P {
                            sums[r][p] = x.fma(values[p], sums[r][p]);
                        }
                    }
                    g = g.wrapping_add(LANES);
                }
            }
            for r in 0..R {
                for p in 0..P {
                    sums[r][p].store(to.add((r * P + p) * LANES));
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn all<V: Vector, const P: usize>(&mut self) {
        for Range { start, end } in groups(self.rows.len(), if P == 3 { 4 } else { 6 }) {
            // SAFETY: these exist.
            unsafe {
                match end - start {
                    6 => self.tile::<V, 6, P>(start),
                    5 => self.tile::<V, 5, P>(start),
                    4 => self.tile::<V, 4, P>(start),
                    3 => self.tile::<V, 3, P>(start),
                    2 => self.tile::<V, 2, P>(start),
                    _ => self.tile::<V, 1, P>(start),
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
            match self.panels {
                1 => self.all::<V, 1>(),
                2 => self.all::<V, 2>(),
                3 => self.all::<V, 3>(),
                n => panic!("{n} panels instead of one to three"),
            }
        }
    }
}
