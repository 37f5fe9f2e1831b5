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
    unsafe fn run<V: Vector>(self) {
        // SAFETY: passed on.
        unsafe { blend::<V>(self.sources, self.constant, self.out, self.add, self.mask) }
    }
}

/// The same for several outputs, each with its share of the sources: many short arrays at one go.
#[derive(Debug)]
pub struct Blends<'a, 'o> {
    /// Those of the first output, then those of the second, and so on.
    pub sources: &'a [(&'a [f32], f32)],
    pub outs: &'a mut [&'o mut [f32]],
    pub add: bool,
}

impl Routine for Blends<'_, '_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let share = self.sources.len() / self.outs.len().max(1);
        for (i, out) in self.outs.iter_mut().enumerate() {
            // SAFETY: passed on.
            unsafe { blend::<V>(&self.sources[i * share..(i + 1) * share], 0.0, out, self.add, &WHOLE) };
        }
    }
}

#[inline(always)]
unsafe fn blend<V: Vector>(sources: &[(&[f32], f32)], constant: f32, out: &mut [f32], add: bool, mask: &[f32; LANES]) {
    let length = out.len();
    assert!(sources.iter().all(|s| s.0.len() == length), "sources as long as the output");
    let whole = length / LANES * LANES;
    // SAFETY: vectors lie below `whole`, inside all slices of the asserted length, and inside `sums`; `dispatch` chose `V`.
    unsafe {
        let mask = V::load(mask.as_ptr());
        if sources.len() <= 4 {
            for at in (0..whole).step_by(LANES) {
                let sum = weighted::<V>(sources, at, V::splat(constant)).and(mask);
                let out = out.as_mut_ptr().add(at);
                if add { sum.add(V::load(out)).store(out) } else { sum.store(out) }
            }
        } else {
            // Many arrays at once are too many streams for the prefetcher, and they tend to share the same cache sets: a
            // stretch of a few arrays at a time, sums wait in the first-level cache.
            let mut sums = [0f32; STRETCH];
            for from in (0..whole).step_by(STRETCH) {
                let size = STRETCH.min(whole - from);
                for (i, few) in sources.chunks(4).enumerate() {
                    for at in (0..size).step_by(LANES) {
                        let sum = sums.as_mut_ptr().add(at);
                        let start = if i == 0 { V::splat(constant) } else { V::load(sum) };
                        weighted::<V>(few, from + at, start).store(sum);
                    }
                }
                for at in (0..size).step_by(LANES) {
                    let (sum, out) = (V::load(sums.as_ptr().add(at)).and(mask), out.as_mut_ptr().add(from + at));
                    if add { sum.add(V::load(out)).store(out) } else { sum.store(out) }
                }
            }
        }
    }
    for at in whole..length {
        let mut sum = constant;
        for (source, factor) in sources {
            sum = source[at].mul_add(*factor, sum);
        }
        out[at] = if add { out[at] + sum } else { sum };
    }
}

/// Values of one array at a time where there are many.
const STRETCH: usize = 1024;

#[inline(always)]
unsafe fn weighted<V: Vector>(sources: &[(&[f32], f32)], at: usize, start: V) -> V {
    let mut sum = start;
    for (source, factor) in sources {
        // SAFETY: the caller stays inside the sources.
        sum = unsafe { V::load(source.as_ptr().add(at)).fma(V::splat(*factor), sum) };
    }
    sum
}

/// `out[channel] = a·g + b·z + c` of each channel, 0 outside `mask`.
#[derive(Debug)]
pub struct Linear<'a> {
    /// g, z and [a, b, c] by channel.
    pub channels: &'a [(&'a [f32], &'a [f32], [f32; 3])],
    /// Channel after channel.
    pub out: &'a mut [f32],
    pub mask: &'a [f32; LANES],
}

impl Routine for Linear<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let length = self.channels.first().map_or(0, |c| c.0.len());
        assert!(
            length.is_multiple_of(LANES) && length * self.channels.len() <= self.out.len(),
            "space for all channels"
        );
        assert!(self.channels.iter().all(|c| c.0.len() == length && c.1.len() == length), "arrays of one length");
        // SAFETY: all reads and writes lie inside the slices, as asserted above; `dispatch` chose `V`.
        unsafe {
            let mask = V::load(self.mask.as_ptr());
            for (i, (g, z, factors)) in self.channels.iter().enumerate() {
                let out = self.out.as_mut_ptr().add(i * length);
                let [a, b, c] = [V::splat(factors[0]), V::splat(factors[1]), V::splat(factors[2])];
                for at in (0..length).step_by(LANES) {
                    let sum = V::load(g.as_ptr().add(at)).fma(a, V::load(z.as_ptr().add(at)).fma(b, c));
                    sum.and(mask).store(out.add(at));
                }
            }
        }
    }
}

/// Rows of `max((x − mean) · scale, 0)`, 0 outside `mask`, from consecutive rows into rows `row_step` apart, with `pad` zeros
/// on both sides. NaN stays NaN.
#[derive(Debug)]
pub struct Rectify<'a> {
    pub input: &'a [f32],
    pub width: usize,
    pub mean: f32,
    pub scale: f32,
    pub out: &'a mut [f32],
    pub row_step: usize,
    pub pad: usize,
    pub mask: &'a [f32; LANES],
}

impl Routine for Rectify<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let row = self.width * LANES;
        let rows = self.input.len() / row;
        assert!(rows * row == self.input.len() && rows > 0, "whole rows");
        let end = (rows - 1) * self.row_step + row + 2 * self.pad * LANES;
        assert!(end <= self.out.len(), "the output is large enough");
        // SAFETY: all reads and writes lie inside the slices, as asserted above; `dispatch` chose `V`.
        unsafe {
            let (mean, scale, zero) = (V::splat(self.mean), V::splat(self.scale), V::splat(0.0));
            let mask = V::load(self.mask.as_ptr());
            for y in 0..rows {
                let (input, out) = (self.input.as_ptr().add(y * row), self.out.as_mut_ptr().add(y * self.row_step));
                for x in 0..self.pad {
                    zero.store(out.add(x * LANES));
                    zero.store(out.add((self.pad + self.width + x) * LANES));
                }
                let out = out.add(self.pad * LANES);
                for x in 0..self.width {
                    let v = V::load(input.add(x * LANES)).sub(mean).mul(scale);
                    zero.max(v).and(mask).store(out.add(x * LANES));
                }
            }
        }
    }
}
