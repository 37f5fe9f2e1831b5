//! Sums of planes for batch normalisation: f32 over short runs, f64 from there on. Knows no channel's meaning.

use crate::ops::simd::{LANES, Routine, Vector};

/// Values that are summed in f32, in 32 interleaved sums of at most 128 values. They stay in the first-level cache for the
/// second look at them.
const RUN: usize = 4096;
/// Vectors that are summed side by side, to hide the latency of an addition.
const SIDE: usize = 4;

/// Count, sum and sum of squares of values, each less `centre`: near the mean, so that squares of a large mean do not
/// swallow the variance.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moments {
    pub count: f64,
    pub centre: f64,
    pub sum: f64,
    pub squares: f64,
}

impl Moments {
    /// Takes other values in, keeping the own centre.
    #[inline(always)]
    pub fn take(&mut self, other: Moments) {
        if self.count == 0.0 {
            *self = other;
            return;
        }
        let shift = other.centre - self.centre;
        self.count += other.count;
        self.sum += other.sum + other.count * shift;
        self.squares += other.squares + shift * (2.0 * other.sum + other.count * shift);
    }

    pub fn mean(&self) -> f64 {
        self.centre + self.sum / self.count
    }

    /// Sum of the squared differences from the mean.
    pub fn spread(&self) -> f64 {
        self.squares - self.sum * (self.sum / self.count)
    }
}

/// Moments of planes side by side in `x`, one for each of `out`.
pub struct PlaneMoments<'a> {
    pub x: &'a [f32],
    pub plane: usize,
    pub out: &'a mut [Moments],
}

impl Routine for PlaneMoments<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        for (out, plane) in self.out.iter_mut().zip(self.x.chunks_exact(self.plane)) {
            let mut moments = Moments::default();
            for run in plane.chunks(RUN) {
                moments.take(unsafe { of_run::<V>(run) });
            }
            *out = moments;
        }
    }
}

#[inline(always)]
unsafe fn of_run<V: Vector>(x: &[f32]) -> Moments {
    // SAFETY: whole vectors of a slice are read; the caller has V's instructions.
    unsafe {
        let (wide, rest) = x.as_chunks::<{ SIDE * LANES }>();
        let (single, tail) = rest.as_chunks::<LANES>();
        let mut sums = [V::splat(0.0); SIDE];
        for values in wide {
            for (side, sum) in sums.iter_mut().enumerate() {
                *sum = sum.add(V::load(values.as_ptr().add(side * LANES)));
            }
        }
        for values in single {
            sums[0] = sums[0].add(V::load(values.as_ptr()));
        }
        let mut sum = sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum();
        for value in tail {
            sum += *value;
        }
        let centre = sum / x.len() as f32;
        let (middle, mut sums, mut squares) = (V::splat(centre), [V::splat(0.0); SIDE], [V::splat(0.0); SIDE]);
        for values in wide {
            for side in 0..SIDE {
                let value = V::load(values.as_ptr().add(side * LANES)).sub(middle);
                sums[side] = sums[side].add(value);
                squares[side] = value.fma(value, squares[side]);
            }
        }
        for values in single {
            let value = V::load(values.as_ptr()).sub(middle);
            sums[0] = sums[0].add(value);
            squares[0] = value.fma(value, squares[0]);
        }
        let mut sum = f64::from(sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum());
        let mut square = f64::from(squares[0].add(squares[1]).add(squares[2].add(squares[3])).sum());
        for value in tail {
            let value = f64::from(value - centre);
            sum += value;
            square += value * value;
        }
        Moments { count: x.len() as f64, centre: f64::from(centre), sum, squares: square }
    }
}

/// Sum of the masked gradient, and of it times x less the channel's mean.
#[derive(Clone, Copy, Debug, Default)]
pub struct GradientSums {
    pub plain: f64,
    pub scaled: f64,
}

/// What a backward pass computes a plane's gradient from; `x` is read by all, `y` only where its sign is the mask.
#[derive(Clone, Copy)]
pub struct Planes<'a> {
    pub x: &'a [f32],
    pub y: &'a [f32],
    pub g: &'a [f32],
}

impl<'a> Planes<'a> {
    #[inline(always)]
    pub fn part(&self, start: usize, end: usize) -> Planes<'a> {
        let y = if self.y.is_empty() { self.y } else { &self.y[start..end] };
        Planes { x: &self.x[start..end], y, g: &self.g[start..end] }
    }
}

/// One channel's way from x to the output: (x − mean)·slope + shift.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub mean: f32,
    pub slope: f32,
    pub shift: f32,
}

/// No mask, the sign of the line's value, the sign of the output.
pub const OPEN: u8 = 0;
pub const BY_LINE: u8 = 1;
pub const BY_OUTPUT: u8 = 2;

/// The gradient at eight values after the mask, and x less the mean.
#[inline(always)]
pub unsafe fn masked<V: Vector, const MASK: u8>(p: &Planes<'_>, at: usize, line: &Line) -> (V, V) {
    // SAFETY: the caller stays eight values inside of the planes and has V's instructions.
    unsafe {
        let (g, centred) = (V::load(p.g.as_ptr().add(at)), V::load(p.x.as_ptr().add(at)).sub(V::splat(line.mean)));
        let g = match MASK {
            BY_LINE => g.and(centred.fma(V::splat(line.slope), V::splat(line.shift)).gt(V::splat(0.0))),
            BY_OUTPUT => g.and(V::load(p.y.as_ptr().add(at)).gt(V::splat(0.0))),
            _ => g,
        };
        (g, centred)
    }
}

/// The same at one value.
#[inline(always)]
pub fn masked_one<const MASK: u8>(p: &Planes<'_>, at: usize, line: &Line) -> (f32, f32) {
    let centred = p.x[at] - line.mean;
    let open = match MASK {
        BY_LINE => centred.mul_add(line.slope, line.shift) > 0.0,
        BY_OUTPUT => p.y[at] > 0.0,
        _ => true,
    };
    (if open { p.g[at] } else { 0.0 }, centred)
}

/// Sums of planes side by side, one for each of `out`; the first is of channel `first`.
pub struct PlaneSums<'a> {
    pub planes: Planes<'a>,
    pub plane: usize,
    pub first: usize,
    pub lines: &'a [Line],
    pub mask: u8,
    pub out: &'a mut [GradientSums],
}

impl Routine for PlaneSums<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        unsafe {
            match self.mask {
                BY_LINE => sums::<V, BY_LINE>(self),
                BY_OUTPUT => sums::<V, BY_OUTPUT>(self),
                _ => sums::<V, OPEN>(self),
            }
        }
    }
}

#[inline(always)]
unsafe fn sums<V: Vector, const MASK: u8>(work: PlaneSums<'_>) {
    let PlaneSums { planes, plane, first, lines, out, .. } = work;
    for (i, out) in out.iter_mut().enumerate() {
        let line = &lines[(first + i) % lines.len()];
        let (start, mut total) = (i * plane, GradientSums::default());
        for from in (0..plane).step_by(RUN) {
            let run = planes.part(start + from, start + (from + RUN).min(plane));
            let GradientSums { plain, scaled } = unsafe { of_gradient::<V, MASK>(&run, line) };
            total.plain += plain;
            total.scaled += scaled;
        }
        *out = total;
    }
}

#[inline(always)]
unsafe fn of_gradient<V: Vector, const MASK: u8>(p: &Planes<'_>, line: &Line) -> GradientSums {
    let n = p.g.len();
    assert!(p.x.len() == n && (MASK != BY_OUTPUT || p.y.len() == n), "planes of one size");
    // SAFETY: `at` stays a whole vector below n, which is every slice's length; the caller has V's instructions.
    unsafe {
        let (mut plain, mut scaled) = ([V::splat(0.0); SIDE], [V::splat(0.0); SIDE]);
        let mut at = 0;
        while at + SIDE * LANES <= n {
            for side in 0..SIDE {
                let (g, centred) = masked::<V, MASK>(p, at + side * LANES, line);
                plain[side] = plain[side].add(g);
                scaled[side] = g.fma(centred, scaled[side]);
            }
            at += SIDE * LANES;
        }
        while at + LANES <= n {
            let (g, centred) = masked::<V, MASK>(p, at, line);
            plain[0] = plain[0].add(g);
            scaled[0] = g.fma(centred, scaled[0]);
            at += LANES;
        }
        let mut total = GradientSums {
            plain: f64::from(plain[0].add(plain[1]).add(plain[2].add(plain[3])).sum()),
            scaled: f64::from(scaled[0].add(scaled[1]).add(scaled[2].add(scaled[3])).sum()),
        };
        for at in at..n {
            let (g, centred) = masked_one::<MASK>(p, at, line);
            total.plain += f64::from(g);
            total.scaled += f64::from(g) * f64::from(centred);
        }
        total
    }
}
