//! Depthwise kernels over eight images at once: correlation of planes with small kernels, and the gradient of the kernels.
//! A tap of any offset, stride or dilation is a whole vector. Knows no layer; callers provide zeros beside the rows.
#![allow(clippy::absurd_extreme_comparisons, clippy::manual_is_multiple_of)] // constants of each instance, some of them 0

use crate::ops::simd::{LANES, Routine, Vector};
use std::ops::Range;

/// Rows `rows` of planes of vectors; `values[channel·channel_step + (y − rows.start)·row_step + x·8]`.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    pub values: &'a [f32],
    pub first: usize,
    pub end: usize,
    pub row_step: usize,
    pub channel_step: usize,
}

/// Where the taps of a kernel fall: output position q reads `q·step + first + i·gap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taps {
    pub count: usize,
    pub step: usize,
    pub first: isize,
    pub gap: usize,
}

/// Where the outputs stand: `start + channel·channel_step + (q − first row)·row_step + (q − first column)·column_step`.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub start: usize,
    pub channel_step: usize,
    pub row_step: usize,
    pub column_step: usize,
}

/// Correlates `channels` planes, each with its kernel. Kernel rows outside the rows at hand count as zeros.
#[derive(Debug)]
pub struct Correlate<'a> {
    pub source: Rows<'a>,
    pub channels: usize,
    /// [channel][down.count][across.count].
    pub kernel: &'a [f32],
    pub down: Taps,
    pub across: Taps,
    pub rows: Range<usize>,
    pub columns: Range<usize>,
    pub out: &'a mut [f32],
    pub target: Target,
    pub add: bool,
}

/// Kernel rows are at most five.
const HIGHEST: usize = 5;

impl Taps {
    /// Taps of output q that fall into `first..end`: a range of them.
    #[inline(always)]
    fn inside(&self, q: usize, first: usize, end: usize) -> (usize, usize) {
        let place = |i: usize| (q * self.step) as isize + self.first + (i * self.gap) as isize;
        let mut low = 0;
        while low < self.count && place(low) < first as isize {
            low += 1;
        }
        let mut high = self.count;
        while high > low && place(high - 1) >= end as isize {
            high -= 1;
        }
        (low, high)
    }

    /// Last position that outputs up to `end` (not included) read.
    fn last(&self, end: usize) -> isize {
        ((end - 1) * self.step) as isize + self.first + ((self.count - 1) * self.gap) as isize
    }
}

impl Rows<'_> {
    /// Panics unless outputs `columns` read inside the rows.
    fn check(&self, channels: usize, across: &Taps, columns: &Range<usize>) {
        let rows = self.end - self.first;
        let first = (columns.start * across.step) as isize + across.first;
        let last = across.last(columns.end);
        assert!(first >= 0 && (last as usize + 1) * LANES <= self.row_step, "taps stay inside a padded row");
        assert!(rows * self.row_step <= self.channel_step, "rows stay inside their channel");
        assert!((channels - 1) * self.channel_step + rows * self.row_step <= self.values.len(), "the planes are whole");
    }
}

impl Routine for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        if self.rows.is_empty() || self.columns.is_empty() || self.channels == 0 {
            return;
        }
        self.source.check(self.channels, &self.across, &self.columns);
        let t = &self.target;
        let last = t.start
            + (self.channels - 1) * t.channel_step
            + (self.rows.len() - 1) * t.row_step
            + (self.columns.len() - 1) * t.column_step
            + LANES;
        assert!(last <= self.out.len(), "the output is large enough");
        assert!(self.kernel.len() >= self.channels * self.down.count * self.across.count, "a kernel per channel");
        assert!(self.down.count <= HIGHEST, "up to five kernel rows");
        // SAFETY: all reads and writes lie inside the slices, as asserted above; `dispatch` chose `V`.
        unsafe {
            match (self.across.count, self.across.step, self.across.gap) {
                (1, 1, _) => self.planes::<V, 1, 1, 1>(),
                (2, 1, 1) => self.planes::<V, 2, 1, 1>(),
                (3, 1, 1) => self.planes::<V, 3, 1, 1>(),
                (5, 1, 1) => self.planes::<V, 5, 1, 1>(),
                (3, 1, 2) => self.planes::<V, 3, 1, 2>(),
                (5, 1, 2) => self.planes::<V, 5, 1, 2>(),
                (1, 2, _) => self.planes::<V, 1, 2, 1>(),
                (3, 2, 1) => self.planes::<V, 3, 2, 1>(),
                (5, 2, 1) => self.planes::<V, 5, 2, 1>(),
                (3, 2, 2) => self.planes::<V, 3, 2, 2>(),
                (5, 2, 2) => self.planes::<V, 5, 2, 2>(),
                other => unreachable!("no primitive has taps {other:?}"),
            }
        }
    }
}

impl Correlate<'_> {
    #[inline(always)]
    unsafe fn planes<V: Vector, const T: usize, const STEP: usize, const GAP: usize>(self) {
        let (source, t) = (self.source, self.target);
        let step = t.column_step;
        let left = (self.columns.start * STEP) as isize + self.across.first;
        unsafe {
            for channel in 0..self.channels {
                let plane = source.values.as_ptr().add(channel * source.channel_step).offset(left * LANES as isize);
                let kernel = self.kernel.as_ptr().add(channel * self.down.count * T);
                for y in self.rows.clone() {
                    let (low, high) = self.down.inside(y, source.first, source.end);
                    let mut taps = [(plane, kernel); HIGHEST];
                    for i in low..high {
                        let row = (y * self.down.step + i * self.down.gap) as isize + self.down.first;
                        let row = row as usize - source.first;
                        taps[i - low] = (plane.add(row * source.row_step), kernel.add(i * T));
                    }
                    let taps = &taps[..high - low];
                    let start = t.start + channel * t.channel_step + (y - self.rows.start) * t.row_step;
                    let out = self.out.as_mut_ptr().add(start);
                    let width = self.columns.len();
                    let mut x = 0;
                    while x + 8 <= width {
                        group::<V, 8, T, STEP, GAP>(taps, x, out.add(x * step), step, self.add);
                        x += 8;
                    }
                    if x + 4 <= width {
                        group::<V, 4, T, STEP, GAP>(taps, x, out.add(x * step), step, self.add);
                        x += 4;
                    }
                    while x < width {
                        group::<V, 1, T, STEP, GAP>(taps, x, out.add(x * step), step, self.add);
                        x += 1;
                    }
                }
            }
        }
    }
}

/// Runs the body for each input position of a group, as far as the largest group reaches: the compiler must see them one by
/// one to keep the sums in registers.
macro_rules! each_input {
    ($o:ident, $body:block) => {
        each_input!(@ $o, $body; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22)
    };
    (@ $o:ident, $body:block; $($n:literal)*) => { $( { let $o: usize = $n; $body } )* };
}

/// Which of `count` outputs reads input `o` through a tap at `offset`.
#[inline(always)]
fn reached(o: usize, offset: usize, step: usize, count: usize) -> Option<usize> {
    let at = o.checked_sub(offset)?;
    (at.is_multiple_of(step) && at / step < count).then_some(at / step)
}

/// Any of `taps` taps, `gap` apart, lets one of `count` outputs read input `o`.
#[inline(always)]
fn used(o: usize, taps: usize, gap: usize, step: usize, count: usize) -> bool {
    (0..taps).any(|t| reached(o, t * gap, step, count).is_some())
}

/// X outputs side by side. Every input vector is loaded once and goes to all outputs that it reaches; a tap's sum runs over
/// kernel rows, then over inputs from the left.
#[inline(always)]
unsafe fn group<V: Vector, const X: usize, const T: usize, const STEP: usize, const GAP: usize>(
    taps: &[(*const f32, *const f32)],
    x: usize,
    out: *mut f32,
    step: usize,
    add: bool,
) {
    unsafe {
        let mut sums = [V::splat(0.0); X];
        for (row, kernel) in taps {
            let row = row.add(x * STEP * LANES);
            let mut w = [V::splat(0.0); T];
            for t in 0..T {
                w[t] = V::splat(*kernel.add(t));
            }
            each_input!(o, {
                if used(o, T, GAP, STEP, X) {
                    let v = V::load(row.add(o * LANES));
                    for t in 0..T {
                        if let Some(at) = reached(o, t * GAP, STEP, X) {
                            sums[at] = v.fma(w[t], sums[at]);
                        }
                    }
                }
            });
        }
        for i in 0..X {
            let out = out.add(i * step);
            if add {
                sums[i].add(V::load(out)).store(out);
            } else {
                sums[i].store(out);
            }
        }
    }
}

/// Gradient of kernels: sums[channel][i][t] += Σ over rows and columns of gradient(q) · source(tap of q), lanes apart.
#[derive(Debug)]
pub struct TapGradient<'a> {
    pub source: Rows<'a>,
    pub gradient: Rows<'a>,
    /// Column 0 of the gradient's rows.
    pub left: usize,
    pub channels: usize,
    pub down: Taps,
    pub across: Taps,
    pub rows: Range<usize>,
    pub width: usize,
    /// [channel][down.count][across.count][8].
    pub sums: &'a mut [f32],
}

impl Routine for TapGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        if self.rows.is_empty() {
            return;
        }
        self.source.check(self.channels, &self.across, &(0..self.width));
        let plain = Taps { count: 1, step: 1, first: self.left as isize, gap: 1 };
        self.gradient.check(self.channels, &plain, &(0..self.width));
        assert!(self.gradient.first <= self.rows.start && self.rows.end <= self.gradient.end, "rows of the gradient");
        let sums = self.channels * self.down.count * self.across.count * LANES;
        assert!(self.sums.len() >= sums, "a sum per tap");
        // SAFETY: all reads and writes lie inside the slices, as asserted above; `dispatch` chose `V`.
        unsafe {
            match (self.across.count, self.across.step, self.across.gap) {
                (3, 1, 1) => self.planes::<V, 3, 1, 1, 3>(),
                (5, 1, 1) => self.planes::<V, 5, 1, 1, 2>(),
                (3, 1, 2) => self.planes::<V, 3, 1, 2, 3>(),
                (5, 1, 2) => self.planes::<V, 5, 1, 2, 2>(),
                (3, 2, 1) => self.planes::<V, 3, 2, 1, 3>(),
                (5, 2, 1) => self.planes::<V, 5, 2, 1, 2>(),
                (3, 2, 2) => self.planes::<V, 3, 2, 2, 3>(),
                (5, 2, 2) => self.planes::<V, 5, 2, 2, 2>(),
                other => unreachable!("no primitive has taps {other:?}"),
            }
        }
    }
}

impl TapGradient<'_> {
    /// R kernel rows at a time.
    #[inline(always)]
    unsafe fn planes<V: Vector, const T: usize, const STEP: usize, const GAP: usize, const R: usize>(self) {
        let (source, gradient) = (self.source, self.gradient);
        unsafe {
            for channel in 0..self.channels {
                let plane = source.values.as_ptr().add(channel * source.channel_step);
                let plane = plane.offset(self.across.first * LANES as isize);
                let g = gradient.values.as_ptr().add(channel * gradient.channel_step + self.left * LANES);
                let sums = self.sums.as_mut_ptr().add(channel * self.down.count * T * LANES);
                for y in self.rows.clone() {
                    let g = g.add((y - gradient.first) * gradient.row_step);
                    let (low, high) = self.down.inside(y, source.first, source.end);
                    let row = |i: usize| {
                        let row = (y * self.down.step + i * self.down.gap) as isize + self.down.first;
                        plane.add((row as usize - source.first) * source.row_step)
                    };
                    let gap = self.down.gap * source.row_step;
                    let mut i = low;
                    while i + R <= high {
                        products::<V, T, STEP, GAP, R>(row(i), gap, g, self.width, sums.add(i * T * LANES));
                        i += R;
                    }
                    while i < high {
                        products::<V, T, STEP, GAP, 1>(row(i), gap, g, self.width, sums.add(i * T * LANES));
                        i += 1;
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn products<V: Vector, const T: usize, const STEP: usize, const GAP: usize, const R: usize>(
    row: *const f32,
    gap: usize,
    g: *const f32,
    width: usize,
    to: *mut f32,
) {
    const X: usize = 4;
    unsafe {
        let mut sums = [[V::splat(0.0); T]; R];
        let mut x = 0;
        while x + X <= width {
            let mut four = [V::splat(0.0); X];
            for i in 0..X {
                four[i] = V::load(g.add((x + i) * LANES));
            }
            for r in 0..R {
                let row = row.add(r * gap + x * STEP * LANES);
                each_input!(o, {
                    if used(o, T, GAP, STEP, X) {
                        let v = V::load(row.add(o * LANES));
                        for t in 0..T {
                            if let Some(at) = reached(o, t * GAP, STEP, X) {
                                sums[r][t] = v.fma(four[at], sums[r][t]);
                            }
                        }
                    }
                });
            }
            x += X;
        }
        while x < width {
            let one = V::load(g.add(x * LANES));
            for r in 0..R {
                for t in 0..T {
                    sums[r][t] = V::load(row.add(r * gap + (x * STEP + t * GAP) * LANES)).fma(one, sums[r][t]);
                }
            }
            x += 1;
        }
        for r in 0..R {
            for t in 0..T {
                let to = to.add((r * T + t) * LANES);
                V::load(to).add(sums[r][t]).store(to);
            }
        }
    }
}
