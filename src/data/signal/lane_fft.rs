//! Fourier transforms of several signals side by side, one per lane, so that each butterfly works on whole vectors and no
//! signal's bits depend on its neighbours. Knows no window.
//!
//! A fixed order of operations, fused where the source says so and nowhere else: the same bits with every set of instructions,
//! though slower by far where a fused multiply-add is done in software.

use std::f64::consts::TAU;

/// Signals that are transformed together.
pub const LANES: usize = 4;

/// A complex number per lane: real parts, then imaginary parts.
pub type Point = [[f64; LANES]; 2];

pub const ZERO: Point = [[0.0; LANES]; 2];

/// Stockham's autosort form, decimation in frequency, of lengths 2^a·5^b.
#[derive(Clone, Debug)]
pub struct LaneFft {
    length: usize,
    passes: Vec<Pass>,
}

#[derive(Clone, Debug)]
struct Pass {
    radix: usize,
    /// Length of the transforms of this pass, divided by the radix.
    part: usize,
    /// Of position p and output k = 1..radix: e^(−2πi·k·p/(radix·part)).
    twiddles: Vec<[f64; 2]>,
}

impl LaneFft {
    /// Panics where `length` has another factor than 2 and 5, or is 0: lengths are constants of the callers.
    pub fn new(length: usize) -> Self {
        let (mut rest, mut passes) = (length, Vec::new());
        while rest > 1 {
            // an eight for an odd power of two saves a pass over all points
            let radix = match rest {
                rest if rest.is_multiple_of(5) => 5,
                rest if rest.trailing_zeros() % 2 == 1 && rest.trailing_zeros() > 1 => 8,
                rest if rest.is_multiple_of(4) => 4,
                rest if rest.is_multiple_of(2) => 2,
                _ => panic!("no transform of length {length}"),
            };
            let part = rest / radix;
            let angle = |p: usize, k: usize| -TAU * ((k * p) % rest) as f64 / rest as f64;
            let twiddles =
                (0..part).flat_map(|p| (1..radix).map(move |k| [angle(p, k).cos(), angle(p, k).sin()])).collect();
            passes.push(Pass { radix, part, twiddles });
            rest = part;
        }
        assert!(length > 0, "a transform has a length");
        LaneFft { length, passes }
    }

    /// Σ xₙ·e^(−2πi·kn/length) for each k in order, in each lane; in `data`, with `spare` of the same length as room.
    /// The inner loops become vectors of what the caller was compiled for.
    #[inline(always)]
    pub fn transform(&self, data: &mut [Point], spare: &mut [Point]) {
        assert!(data.len() == self.length && spare.len() == self.length, "{} points", self.length);
        let (mut from, mut to) = (&mut *data, &mut *spare);
        let mut stride = 1;
        for pass in &self.passes {
            match pass.radix {
                5 => pass.run::<5, Five>(stride, from, to),
                8 => pass.run::<8, Eight>(stride, from, to),
                4 => pass.run::<4, Four>(stride, from, to),
                _ => pass.run::<2, Two>(stride, from, to),
            }
            stride *= pass.radix;
            (from, to) = (to, from);
        }
        if self.passes.len() % 2 == 1 {
            to.copy_from_slice(from);
        }
    }
}

/// The transform of R points: a type, because a function given as a value is not always inlined, and its vectors then go
/// through memory.
trait Butterfly<const R: usize> {
    fn of(points: [Point; R]) -> [Point; R];
}

impl Pass {
    #[inline(always)]
    fn run<const R: usize, B: Butterfly<R>>(&self, stride: usize, from: &[Point], to: &mut [Point]) {
        let apart = stride * self.part;
        assert!(from.len() == R * apart && to.len() == R * apart, "{R} parts of {apart} points");
        for p in 0..self.part {
            let mut inputs: [&[Point]; R] = [&[]; R];
            for j in 0..R {
                inputs[j] = &from[j * apart + p * stride..][..stride];
            }
            let twiddles = &self.twiddles[p * (R - 1)..][..R - 1];
            let outputs = &mut to[R * p * stride..][..R * stride];
            for q in 0..stride {
                let mut points = [ZERO; R];
                for j in 0..R {
                    points[j] = inputs[j][q];
                }
                let sums = B::of(points);
                outputs[q] = sums[0];
                for k in 1..R {
                    // the first position turns by nothing
                    let sum = if p == 0 { sums[k] } else { turned(sums[k], twiddles[k - 1]) };
                    outputs[k * stride + q] = sum;
                }
            }
        }
    }
}

#[inline(always)]
fn add([a, b]: Point, [c, d]: Point) -> Point {
    let mut out = ZERO;
    for lane in 0..LANES {
        out[0][lane] = a[lane] + c[lane];
        out[1][lane] = b[lane] + d[lane];
    }
    out
}

#[inline(always)]
fn sub([a, b]: Point, [c, d]: Point) -> Point {
    let mut out = ZERO;
    for lane in 0..LANES {
        out[0][lane] = a[lane] - c[lane];
        out[1][lane] = b[lane] - d[lane];
    }
    out
}

/// Times −i.
#[inline(always)]
fn quarter([a, b]: Point) -> Point {
    let mut out = [b, a];
    for lane in 0..LANES {
        out[1][lane] = -a[lane];
    }
    out
}

#[inline(always)]
fn scaled([a, b]: Point, by: f64) -> Point {
    let mut out = ZERO;
    for lane in 0..LANES {
        out[0][lane] = a[lane] * by;
        out[1][lane] = b[lane] * by;
    }
    out
}

#[inline(always)]
fn turned([a, b]: Point, [re, im]: [f64; 2]) -> Point {
    let mut out = ZERO;
    for lane in 0..LANES {
        out[0][lane] = a[lane].mul_add(re, -(b[lane] * im));
        out[1][lane] = a[lane].mul_add(im, b[lane] * re);
    }
    out
}

struct Two;

impl Butterfly<2> for Two {
    #[inline(always)]
    fn of([a, b]: [Point; 2]) -> [Point; 2] {
        [add(a, b), sub(a, b)]
    }
}

struct Four;

impl Butterfly<4> for Four {
    #[inline(always)]
    fn of([a, b, c, d]: [Point; 4]) -> [Point; 4] {
        let (even, odd) = (add(a, c), add(b, d));
        let (low, high) = (sub(a, c), quarter(sub(b, d)));
        [add(even, odd), add(low, high), sub(even, odd), sub(low, high)]
    }
}

struct Eight;

impl Butterfly<8> for Eight {
    #[inline(always)]
    fn of([a, b, c, d, e, f, g, h]: [Point; 8]) -> [Point; 8] {
        const S: f64 = std::f64::consts::FRAC_1_SQRT_2;
        let [a, c, e, g] = Four::of([a, c, e, g]);
        let [b, d, f, h] = Four::of([b, d, f, h]);
        let (d, f, h) = (turned(d, [S, -S]), quarter(f), turned(h, [-S, -S]));
        [add(a, b), add(c, d), add(e, f), add(g, h), sub(a, b), sub(c, d), sub(e, f), sub(g, h)]
    }
}

struct Five;

impl Butterfly<5> for Five {
    #[inline(always)]
    fn of([a, b, c, d, e]: [Point; 5]) -> [Point; 5] {
        // cos and sin of 2π/5 and 4π/5
        const C1: f64 = 0.309_016_994_374_947_45;
        const C2: f64 = -0.809_016_994_374_947_5;
        const S1: f64 = 0.951_056_516_295_153_5;
        const S2: f64 = 0.587_785_252_292_473_1;
        let (near, far) = (add(b, e), add(c, d));
        let (skew, twist) = (sub(b, e), sub(c, d));
        let first = add(a, add(scaled(near, C1), scaled(far, C2)));
        let second = add(a, add(scaled(near, C2), scaled(far, C1)));
        let one = quarter(add(scaled(skew, S1), scaled(twist, S2)));
        let other = quarter(sub(scaled(skew, S2), scaled(twist, S1)));
        [add(a, add(near, far)), add(first, one), add(second, other), sub(second, other), sub(first, one)]
    }
}

#[cfg(test)]
mod tests {
    use super::{LANES, LaneFft, Point, ZERO};
    use std::f64::consts::TAU;

    /// By the definition.
    fn slow(input: &[Point], k: usize, lane: usize) -> [f64; 2] {
        let n = input.len();
        let mut sum = [0.0; 2];
        for (i, x) in input.iter().enumerate() {
            let (sin, cos) = (-TAU * ((i * k) % n) as f64 / n as f64).sin_cos();
            sum[0] += x[0][lane] * cos - x[1][lane] * sin;
            sum[1] += x[0][lane] * sin + x[1][lane] * cos;
        }
        sum
    }

    #[test]
    fn agrees_with_the_definition() {
        for n in [1, 2, 4, 5, 8, 10, 20, 25, 40, 64, 160, 640] {
            let value =
                |i: usize, lane: usize, part: usize| ((i * 7919 + lane * 613 + part * 31) % 101) as f64 / 50.0 - 1.0;
            let input: Vec<Point> = (0..n)
                .map(|i| [0, 1].map(|part| std::array::from_fn(|lane| value(i * i + 3 * i, lane, part))))
                .collect();
            let (mut data, mut spare) = (input.clone(), vec![ZERO; n]);
            LaneFft::new(n).transform(&mut data, &mut spare);
            for k in 0..n {
                for lane in 0..LANES {
                    let expected = slow(&input, k, lane);
                    for part in 0..2 {
                        let difference = (data[k][part][lane] - expected[part]).abs();
                        assert!(difference < 1e-11, "{n} {k} {lane}: {difference:e}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_lane_does_not_depend_on_its_neighbours() {
        let mut alone = vec![ZERO; 640];
        let mut beside = vec![[[1e9, 0.0, -3.0, f64::NAN]; 2]; 640];
        for i in 0..640 {
            alone[i][0][1] = (i as f64).sin();
            beside[i][0][1] = (i as f64).sin();
            beside[i][1][1] = 0.0;
        }
        let (fft, mut spare) = (LaneFft::new(640), vec![ZERO; 640]);
        fft.transform(&mut alone, &mut spare);
        fft.transform(&mut beside, &mut spare);
        for (a, b) in alone.iter().zip(&beside) {
            assert_eq!((a[0][1].to_bits(), a[1][1].to_bits()), (b[0][1].to_bits(), b[1][1].to_bits()));
        }
    }
}
