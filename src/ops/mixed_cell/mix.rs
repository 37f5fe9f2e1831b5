//! 1×1 convolutions over eight images at once: small matrix products at every position. Knows no layer.

use crate::ops::simd::{LANES, Routine, Vector};

/// Where vectors stand: `start + channel·channel_step + row·row_step + column·8`.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub start: usize,
    pub channel_step: usize,
    pub row_step: usize,
}

impl Place {
    fn end(&self, channels: usize, rows: usize, width: usize) -> usize {
        self.start + (channels - 1) * self.channel_step + (rows - 1) * self.row_step + width * LANES
    }
}

/// `out[o] = Σ over i of weights[o·out_step + i·in_step] · input[i]`, summed from the first input on.
#[derive(Debug)]
pub struct Mix<'a> {
    pub weights: &'a [f32],
    pub out_step: usize,
    pub in_step: usize,
    pub ins: usize,
    pub outs: usize,
    pub rows: usize,
    pub width: usize,
    pub input: &'a [f32],
    pub from: Place,
    pub out: &'a mut [f32],
    pub to: Place,
    /// Add to what is there.
    pub add: bool,
}

impl Routine for Mix<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        if self.ins == 0 || self.outs == 0 || self.rows == 0 || self.width == 0 {
            return;
        }
        assert!(self.from.end(self.ins, self.rows, self.width) <= self.input.len(), "the input is whole");
        assert!(self.to.end(self.outs, self.rows, self.width) <= self.out.len(), "the output is large enough");
        let last = (self.outs - 1) * self.out_step + (self.ins - 1) * self.in_step;
        assert!(last < self.weights.len(), "a weight per pair");
        // SAFETY: all reads and writes lie inside the slices, as asserted above; `dispatch` chose `V`.
        unsafe {
            for row in 0..self.rows {
                let input = self.input.as_ptr().add(self.from.start + row * self.from.row_step);
                let out = self.out.as_mut_ptr().add(self.to.start + row * self.to.row_step);
                let mut x = 0;
                while x + 2 <= self.width {
                    self.column::<V, 2>(input.add(x * LANES), out.add(x * LANES));
                    x += 2;
                }
                if x < self.width {
                    self.column::<V, 1>(input.add(x * LANES), out.add(x * LANES));
                }
            }
        }
    }
}

impl Mix<'_> {
    #[inline(always)]
    unsafe fn column<V: Vector, const P: usize>(&self, input: *const f32, out: *mut f32) {
        let mut o = 0;
        unsafe {
            while o + 4 <= self.outs {
                self.block::<V, 4, P>(o, input, out);
                o += 4;
            }
            while o < self.outs {
                self.block::<V, 1, P>(o, input, out);
                o += 1;
            }
        }
    }

    #[inline(always)]
    unsafe fn block<V: Vector, const O: usize, const P: usize>(&self, o: usize, input: *const f32, out: *mut f32) {
        unsafe {
            let mut sums = [[V::splat(0.0); P]; O];
            for i in 0..self.ins {
                let input = input.add(i * self.from.channel_step);
                let w = self.weights.as_ptr().add(o * self.out_step + i * self.in_step);
                let mut v = [V::splat(0.0); P];
                for p in 0..P {
                    v[p] = V::load(input.add(p * LANES));
                }
                for q in 0..O {
                    let w = V::splat(*w.add(q * self.out_step));
                    for p in 0..P {
                        sums[q][p] = v[p].fma(w, sums[q][p]);
                    }
                }
            }
            for q in 0..O {
                for p in 0..P {
                    let out = out.add((o + q) * self.to.channel_step + p * LANES);
                    if self.add {
                        sums[q][p].add(V::load(out)).store(out);
                    } else {
                        sums[q][p].store(out);
                    }
                }
            }
        }
    }
}

/// `sums[o][i] += Σ over positions of gradient[o] · input[i]`, lanes apart; both arrays are [channel][positions][8].
#[derive(Debug)]
pub struct MixGradient<'a> {
    pub gradient: &'a [f32],
    pub outs: usize,
    pub input: &'a [f32],
    pub ins: usize,
    pub positions: usize,
    /// [outs][ins][8].
    pub sums: &'a mut [f32],
}

impl Routine for MixGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(mut self) {
        let plane = self.positions * LANES;
        assert!(self.gradient.len() >= self.outs * plane && self.input.len() >= self.ins * plane, "whole channels");
        assert!(self.sums.len() >= self.outs * self.ins * LANES, "a sum per pair");
        // SAFETY: all reads and writes lie inside the slices, as asserted above; `dispatch` chose `V`.
        unsafe {
            let mut o = 0;
            while o + 4 <= self.outs {
                self.rows::<V, 4>(o);
                o += 4;
            }
            while o < self.outs {
                self.rows::<V, 1>(o);
                o += 1;
            }
        }
    }
}

impl MixGradient<'_> {
    #[inline(always)]
    unsafe fn rows<V: Vector, const O: usize>(&mut self, o: usize) {
        let mut i = 0;
        unsafe {
            while i + 2 <= self.ins {
                self.block::<V, O, 2>(o, i);
                i += 2;
            }
            if i < self.ins {
                self.block::<V, O, 1>(o, i);
            }
        }
    }

    #[inline(always)]
    unsafe fn block<V: Vector, const O: usize, const I: usize>(&mut self, o: usize, i: usize) {
        let plane = self.positions * LANES;
        unsafe {
            let (gradient, input) = (self.gradient.as_ptr().add(o * plane), self.input.as_ptr().add(i * plane));
            let mut sums = [[V::splat(0.0); I]; O];
            for p in 0..self.positions {
                let mut v = [V::splat(0.0); I];
                for r in 0..I {
                    v[r] = V::load(input.add(r * plane + p * LANES));
                }
                for q in 0..O {
                    let g = V::load(gradient.add(q * plane + p * LANES));
                    for r in 0..I {
                        sums[q][r] = g.fma(v[r], sums[q][r]);
                    }
                }
            }
            for q in 0..O {
                for r in 0..I {
                    let to = self.sums.as_mut_ptr().add(((o + q) * self.ins + i + r) * LANES);
                    V::load(to).add(sums[q][r]).store(to);
                }
            }
        }
    }
}
