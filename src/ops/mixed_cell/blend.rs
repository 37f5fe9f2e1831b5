//! Weighted sums of arrays, and a batch norm followed by ReLU, element by element. Knows no shape.

use crate::ops::simd::{LANES, Routine, Vector};

/// All bits set: no lane is cut.
pub const WHOLE: [f32; LANES] = [f32::from_bits(u32::MAX); LANES];

/// `out = constant + Σ factor · source`, summed in the order given; or that added to what is there. Lanes outside `mask`
/// become 0, so with a mask other than `WHOLE` arrays must be whole vectors.
#[derive(Debug)]
pub struct Blend<'a> {
    pub sources: &'a [(&'a [f32], f32)],
    pub constant: f32,
    pub out: &'a mut [f32],
    pub add: bool,
    pub mask: &'a [f32; LANES],
}

impl Routine for Blend<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(mut self) {
        let length = self.out.len();
        assert!(self.sources.iter().all(|s| s.0.len() == length), "sources as long as the output");
        let whole = length / LANES * LANES;
        // SAFETY: vectors lie below `whole`, inside all slices of the asserted length; `dispatch` chose `V`.
        unsafe {
            let mut at = 0;
            while at + 8 * LANES <= whole {
                self.vectors::<V, 8>(at);
                at += 8 * LANES;
            }
            while at < whole {
                self.vectors::<V, 1>(at);
                at += LANES;
            }
        }
        for at in whole..length {
            let mut sum = self.constant;
            for (source, factor) in self.sources {
                sum = source[at].mul_add(*factor, sum);
            }
            self.out[at] = if self.add { self.out[at] + sum } else { sum };
        }
    }
}

impl Blend<'_> {
    #[inline(always)]
    unsafe fn vectors<V: Vector, const X: usize>(&mut self, at: usize) {
        unsafe {
            let mut sums = [V::splat(self.constant); X];
            for (source, factor) in self.sources {
                let (source, factor) = (source.as_ptr().add(at), V::splat(*factor));
                for i in 0..X {
                    sums[i] = V::load(source.add(i * LANES)).fma(factor, sums[i]);
                }
            }
            let mask = V::load(self.mask.as_ptr());
            for i in 0..X {
                let out = self.out.as_mut_ptr().add(at + i * LANES);
                let sum = sums[i].and(mask);
                if self.add { sum.add(V::load(out)).store(out) } else { sum.store(out) }
            }
        }
    }
}

/// Rows of `max((x − mean) · scale, 0)`, 0 outside `mask`, from consecutive rows into rows `row_step` apart. NaN stays NaN.
#[derive(Debug)]
pub struct Rectify<'a> {
    pub input: &'a [f32],
    pub width: usize,
    pub mean: f32,
    pub scale: f32,
    pub out: &'a mut [f32],
    pub row_step: usize,
    pub mask: &'a [f32; LANES],
}

impl Routine for Rectify<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let row = self.width * LANES;
        let rows = self.input.len() / row;
        assert!(rows * row == self.input.len() && rows > 0, "whole rows");
        assert!((rows - 1) * self.row_step + row <= self.out.len(), "the output is large enough");
        // SAFETY: all reads and writes lie inside the slices, as asserted above; `dispatch` chose `V`.
        unsafe {
            let (mean, scale, zero) = (V::splat(self.mean), V::splat(self.scale), V::splat(0.0));
            let mask = V::load(self.mask.as_ptr());
            for y in 0..rows {
                let (input, out) = (self.input.as_ptr().add(y * row), self.out.as_mut_ptr().add(y * self.row_step));
                for x in 0..self.width {
                    let v = V::load(input.add(x * LANES)).sub(mean).mul(scale);
                    zero.max(v).and(mask).store(out.add(x * LANES));
                }
            }
        }
    }
}
