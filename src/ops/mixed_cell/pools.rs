//! The 3×3 max and average pools of a plane, padding left out of both, over eight images at once. A series is a plane of one
//! row. Knows no layer.

use crate::ops::simd::{LANES, Routine, Vector};
use std::ops::Range;

/// Positions out of `size` that the window of output `q` sees.
#[inline(always)]
fn window(q: usize, step: usize, size: usize) -> Range<usize> {
    (q * step).saturating_sub(1)..(q * step + 2).min(size)
}

/// NaN if either is.
#[inline(always)]
unsafe fn larger<V: Vector>(a: V, b: V) -> V {
    unsafe { a.select(a.max(b), a.nan()) }
}

/// Both pools of output rows `rows`.
#[derive(Debug)]
pub struct Pools<'a> {
    /// Rows of the input from row `first` on; all that the windows see.
    pub input: &'a [&'a [f32]],
    pub first: usize,
    pub height: usize,
    pub width: usize,
    pub step_y: usize,
    pub step_x: usize,
    pub rows: Range<usize>,
    pub maxima: &'a mut [f32],
    pub means: &'a mut [f32],
    /// Working space of two input rows.
    pub line: &'a mut [f32],
}

impl Routine for Pools<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (wide, out_width) = (self.width * LANES, self.width.div_ceil(self.step_x));
        let out = self.rows.len() * out_width * LANES;
        assert!(self.input.iter().all(|r| r.len() == wide), "rows of the plane's width");
        assert!(
            self.maxima.len() >= out && self.means.len() >= out && self.line.len() >= 2 * wide,
            "space for the results"
        );
        let (high, low) = self.line.split_at_mut(wide);
        for (i, q) in self.rows.clone().enumerate() {
            let rows = window(q, self.step_y, self.height);
            let rows = &self.input[rows.start - self.first..rows.end - self.first];
            // SAFETY: columns lie inside rows, results inside their slices, as asserted above; `dispatch` chose `V`.
            unsafe {
                for x in (0..wide).step_by(LANES) {
                    let v = V::load(rows[0].as_ptr().add(x));
                    let (mut most, mut sum) = (v, v);
                    for row in &rows[1..] {
                        let v = V::load(row.as_ptr().add(x));
                        most = larger(most, v);
                        sum = sum.add(v);
                    }
                    most.store(high.as_mut_ptr().add(x));
                    sum.store(low.as_mut_ptr().add(x));
                }
                for x in 0..out_width {
                    let columns = window(x, self.step_x, self.width);
                    let part = V::splat(1.0 / (rows.len() * columns.len()) as f32);
                    let first = columns.start * LANES;
                    let (mut most, mut sum) = (V::load(high.as_ptr().add(first)), V::load(low.as_ptr().add(first)));
                    for column in columns.start + 1..columns.end {
                        most = larger(most, V::load(high.as_ptr().add(column * LANES)));
                        sum = sum.add(V::load(low.as_ptr().add(column * LANES)));
                    }
                    let at = (i * out_width + x) * LANES;
                    most.store(self.maxima.as_mut_ptr().add(at));
                    sum.mul(part).store(self.means.as_mut_ptr().add(at));
                }
            }
        }
    }
}

/// Adds the pools' gradients to input rows `own`. The maximum's goes to the first that equals it in row order, as in PyTorch.
#[derive(Debug)]
pub struct PoolsBackward<'a> {
    /// Rows of the input from row `first` on; all that the windows see.
    pub input: &'a [&'a [f32]],
    pub first: usize,
    pub height: usize,
    pub width: usize,
    pub step_y: usize,
    pub step_x: usize,
    /// Output rows whose windows touch `own`.
    pub rows: Range<usize>,
    /// One row of maxima per output row.
    pub maxima: &'a [&'a [f32]],
    /// Gradients of the maxima and of the means, row after row.
    pub to_maxima: &'a [f32],
    pub to_means: &'a [f32],
    pub own: Range<usize>,
    pub out: &'a mut [f32],
    /// Working space of one input row.
    pub line: &'a mut [f32],
}

impl Routine for PoolsBackward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (wide, out_width) = (self.width * LANES, self.width.div_ceil(self.step_x));
        let out_wide = out_width * LANES;
        assert!(self.input.iter().all(|r| r.len() == wide), "rows of the plane's width");
        assert!(self.maxima.len() == self.rows.len() && self.maxima.iter().all(|r| r.len() == out_wide), "maxima");
        let size = self.rows.len() * out_wide;
        assert!(self.to_maxima.len() >= size && self.to_means.len() >= size, "gradients of all output rows");
        assert!(self.out.len() >= self.own.len() * wide && self.line.len() >= wide, "space for the results");
        for (i, q) in self.rows.clone().enumerate() {
            let rows = window(q, self.step_y, self.height);
            let line = self.line.as_mut_ptr();
            // SAFETY: columns lie inside rows, results inside their slices, as asserted above; `dispatch` chose `V`.
            unsafe {
                for x in (0..wide).step_by(LANES) {
                    V::splat(0.0).store(line.add(x));
                }
                for x in 0..out_width {
                    let columns = window(x, self.step_x, self.width);
                    let at = i * out_wide + x * LANES;
                    let part = V::splat(1.0 / (rows.len() * columns.len()) as f32);
                    let mean = V::load(self.to_means.as_ptr().add(at)).mul(part);
                    for column in columns.clone() {
                        let to = line.add(column * LANES);
                        V::load(to).add(mean).store(to);
                    }
                    let most = V::load(self.maxima[i].as_ptr().add(x * LANES));
                    let mut left = V::load(self.to_maxima.as_ptr().add(at));
                    for y in rows.clone() {
                        let input = self.input[y - self.first].as_ptr();
                        let own = self.own.contains(&y);
                        for column in columns.clone() {
                            let found = V::load(input.add(column * LANES)).eq(most);
                            if own {
                                let to = self.out.as_mut_ptr().add((y - self.own.start) * wide + column * LANES);
                                V::load(to).add(left.and(found)).store(to);
                            }
                            left = left.and_not(found);
                        }
                    }
                }
                for y in rows.clone().filter(|y| self.own.contains(y)) {
                    let to = self.out.as_mut_ptr().add((y - self.own.start) * wide);
                    for x in (0..wide).step_by(LANES) {
                        V::load(to.add(x)).add(V::load(line.add(x))).store(to.add(x));
                    }
                }
            }
        }
    }
}
