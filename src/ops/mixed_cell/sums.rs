//! Sums over positions and images: f32 in the lanes for a stretch, f64 beyond, always in the same order. Knows no shape.

use crate::ops::simd::{LANES, Routine, Vector};

/// Vectors that are summed in f32 before the sum goes on in f64.
const STRETCH: usize = 256;

/// Running sums of one channel about a pivot, which the first values choose: so the variance loses nothing to a large mean.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    pivot: f32,
    sum: [f32; LANES],
    square: [f32; LANES],
    vectors: usize,
}

impl Moment {
    /// Σ x and Σ x² over the lanes of `live` images.
    pub fn raw(&self, live: usize) -> [f64; 2] {
        let total = |v: &[f32; LANES]| v.iter().map(|v| f64::from(*v)).sum::<f64>();
        let (n, p) = ((self.vectors * live) as f64, f64::from(self.pivot));
        let (sum, square) = (total(&self.sum), total(&self.square));
        [n * p + sum, square + 2.0 * p * sum + n * p * p]
    }
}

/// Adds vectors to moments, `moments[i]` taking `length` values from `values[i·step]` on.
#[derive(Debug)]
pub struct AddMoments<'a> {
    pub values: &'a [f32],
    pub step: usize,
    pub length: usize,
    pub live: usize,
    pub mask: &'a [f32; LANES],
    pub moments: &'a mut [Moment],
}

impl Routine for AddMoments<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let vectors = self.length / LANES;
        if vectors == 0 || self.moments.is_empty() {
            return;
        }
        assert!((self.moments.len() - 1) * self.step + self.length <= self.values.len(), "values of every channel");
        // SAFETY: all reads and writes lie inside the slices, as asserted above; `dispatch` chose `V`.
        unsafe {
            let mask = V::load(self.mask.as_ptr());
            for (i, moment) in self.moments.iter_mut().enumerate() {
                let values = self.values.as_ptr().add(i * self.step);
                if moment.vectors == 0 {
                    let mut sum = V::splat(0.0);
                    for at in 0..vectors {
                        sum = sum.add(V::load(values.add(at * LANES)));
                    }
                    moment.pivot = sum.sum() / (vectors * self.live) as f32;
                }
                let pivot = V::splat(moment.pivot);
                let mut sums = [V::load(moment.sum.as_ptr()), V::splat(0.0)];
                let mut squares = [V::load(moment.square.as_ptr()), V::splat(0.0)];
                let mut at = 0;
                while at + 2 <= vectors {
                    for j in 0..2 {
                        let d = V::load(values.add((at + j) * LANES)).sub(pivot).and(mask);
                        sums[j] = sums[j].add(d);
                        squares[j] = d.fma(d, squares[j]);
                    }
                    at += 2;
                }
                if at < vectors {
                    let d = V::load(values.add(at * LANES)).sub(pivot).and(mask);
                    sums[0] = sums[0].add(d);
                    squares[0] = d.fma(d, squares[0]);
                }
                sums[0].add(sums[1]).store(moment.sum.as_mut_ptr());
                squares[0].add(squares[1]).store(moment.square.as_mut_ptr());
                moment.vectors += vectors;
            }
        }
    }
}

/// `sums[0] += Σ g`, `sums[1 + i] += Σ g · (other − mean)`.
#[derive(Debug)]
pub struct Dots<'a> {
    pub g: &'a [f32],
    pub others: &'a [(&'a [f32], f32)],
    pub sums: &'a mut [f64],
}

impl Routine for Dots<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let length = self.g.len();
        assert!(self.others.iter().all(|o| o.0.len() == length), "arrays of one length");
        assert_eq!(self.sums.len(), 1 + self.others.len(), "a sum per array");
        let (total, sums) = self.sums.split_at_mut(1);
        // SAFETY: the arrays are of one length; `dispatch` chose `V`.
        unsafe {
            for from in (0..length).step_by(STRETCH * LANES) {
                let size = (length - from).min(STRETCH * LANES);
                let g = &self.g[from..from + size];
                total[0] += stretch::<V>(g, g, 0.0)[0];
                for (sum, (other, mean)) in sums.iter_mut().zip(self.others) {
                    *sum += stretch::<V>(g, &other[from..from + size], *mean)[1];
                }
            }
        }
    }
}

/// Σ over pieces of g · other, for several others: many short arrays at one go.
#[derive(Debug)]
pub struct PieceDots<'a> {
    pub g: &'a [&'a [f32]],
    /// Those of the first piece, then those of the second, and so on.
    pub others: &'a [&'a [f32]],
    /// One per other of a piece; added to.
    pub sums: &'a mut [f64],
}

impl Routine for PieceDots<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let share = self.sums.len();
        assert_eq!(self.others.len(), self.g.len() * share, "a sum per array");
        for (g, others) in self.g.iter().zip(self.others.chunks(share)) {
            for (sum, other) in self.sums.iter_mut().zip(others) {
                assert_eq!(g.len(), other.len(), "arrays of one length");
                for (g, other) in g.chunks(STRETCH * LANES).zip(other.chunks(STRETCH * LANES)) {
                    // SAFETY: the arrays are of one length; `dispatch` chose `V`.
                    *sum += unsafe { stretch::<V>(g, other, 0.0)[1] };
                }
            }
        }
    }
}

/// Σ g and Σ g · (other − mean) of arrays of one length, summed in f32.
#[inline(always)]
unsafe fn stretch<V: Vector>(g: &[f32], other: &[f32], mean: f32) -> [f64; 2] {
    let whole = g.len() / LANES;
    let (g_at, other_at) = (g.as_ptr(), other.as_ptr());
    // SAFETY: vectors lie below `whole`, inside both slices.
    let mut found = unsafe {
        let mean = V::splat(mean);
        let (mut sums, mut products) = ([V::splat(0.0); 4], [V::splat(0.0); 4]);
        let mut at = 0;
        while at + 4 <= whole {
            for j in 0..4 {
                let g = V::load(g_at.add((at + j) * LANES));
                sums[j] = sums[j].add(g);
                products[j] = g.fma(V::load(other_at.add((at + j) * LANES)).sub(mean), products[j]);
            }
            at += 4;
        }
        while at < whole {
            let g = V::load(g_at.add(at * LANES));
            sums[0] = sums[0].add(g);
            products[0] = g.fma(V::load(other_at.add(at * LANES)).sub(mean), products[0]);
            at += 1;
        }
        [sums, products].map(|v| f64::from(v[0].add(v[1]).add(v[2].add(v[3])).sum()))
    };
    for (g, other) in g.iter().zip(other).skip(whole * LANES) {
        found[0] += f64::from(*g);
        found[1] += f64::from(g * (other - mean));
    }
    found
}

/// Sets `gradient` to 0 where `z ≤ mean` (or either is NaN), and returns `Σ gradient` and `Σ gradient · (z − mean)` of what is left: ReLU
/// after a batch norm, on the way back.
#[derive(Debug)]
pub struct Gate<'a> {
    pub gradient: &'a mut [f32],
    pub z: &'a [f32],
    pub mean: f32,
}

impl Routine for Gate<'_> {
    type Output = [f64; 2];

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> [f64; 2] {
        let length = self.gradient.len();
        assert!(self.z.len() == length && length.is_multiple_of(LANES), "whole vectors of one length");
        let mut totals = [0.0; 2];
        // SAFETY: all reads and writes lie inside the slices, as asserted above; `dispatch` chose `V`.
        unsafe {
            let (mean, zero) = (V::splat(self.mean), V::splat(0.0));
            let mut from = 0;
            while from < length {
                let end = length.min(from + STRETCH * LANES);
                let (mut sum, mut product) = ([zero; 2], [zero; 2]);
                for at in (from..end).step_by(LANES) {
                    let g = self.gradient.as_mut_ptr().add(at);
                    let d = V::load(self.z.as_ptr().add(at)).sub(mean);
                    let kept = V::load(g).and(d.gt(zero));
                    kept.store(g);
                    let j = at / LANES % 2;
                    sum[j] = sum[j].add(kept);
                    product[j] = kept.fma(d, product[j]);
                }
                totals[0] += f64::from(sum[0].add(sum[1]).sum());
                totals[1] += f64::from(product[0].add(product[1]).sum());
                from = end;
            }
        }
        totals
    }
}
