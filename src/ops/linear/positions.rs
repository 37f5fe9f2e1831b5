//! Weights at each position of an image in f32. Few outputs (heads of dense networks have one) are summed straight from the
//! planes, once over memory; many are matrix products, image by image.

use crate::ops::linear::Sizes;
use crate::ops::matmul::{Matrix, multiply};
use crate::ops::operator::Sink;
use crate::ops::simd::{LANES, Routine, Vector, dispatch};
use rayon::prelude::{
    IndexedParallelIterator, IntoParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut,
};

/// Up to so many outputs are summed straight from the planes.
const FEW: usize = 4;
/// Positions that are summed over all inputs before the next: their sums stay in the first-level cache.
const STRIP: usize = 2048;
/// Inputs that are summed at once, to spare loads and stores of the sums.
const SIDE: usize = 4;
/// Partial sums of the weights' gradient, at most. Fixed, so that the sum's order is.
const PARTS: usize = 16;

pub fn forward(sizes: Sizes, x: &[f32], weight: &[f32], bias: Option<&[f32]>, out: &mut [f32]) {
    let Sizes { inputs, outputs, plane, .. } = sizes;
    let images = out.par_chunks_mut(outputs * plane).zip(x.par_chunks(inputs * plane));
    images.for_each(|(out, x)| {
        if outputs <= FEW {
            dispatch(Few { sizes, x, weight, bias, out });
            return;
        }
        if let Some(bias) = bias {
            out.chunks_exact_mut(plane).zip(bias).for_each(|(out, bias)| out.fill(*bias));
        }
        let (left, right) = (plain(weight, inputs), plain(x, plane));
        multiply(outputs, plane, inputs, left, right, out, plane, bias.is_some());
    });
}

pub fn backward(sizes: Sizes, x: &[f32], weight: &[f32], g: &[f32], sinks: &mut [Option<Sink<'_, f32>>]) {
    let Sizes { images, inputs, outputs, plane } = sizes;
    if let Some(Sink { values, add }) = &mut sinks[0] {
        let add = *add;
        values.par_chunks_mut(inputs * plane).zip(g.par_chunks(outputs * plane)).for_each(|(dx, g)| {
            if outputs <= FEW {
                dispatch(FewInput { sizes, weight, g, dx, add });
            } else {
                let weight = Matrix { values: weight, rows: 1, columns: inputs };
                multiply(inputs, plane, outputs, weight, plain(g, plane), dx, plane, add);
            }
        });
    }
    if let Some(dw) = &mut sinks[1] {
        let (parts, group) = (PARTS.min(images), images.div_ceil(PARTS.min(images)));
        let part = |part: usize| {
            let mut sums = vec![0f64; outputs * inputs];
            let mut product = vec![0f32; outputs * inputs];
            for image in part * group..((part + 1) * group).min(images) {
                let (x, g) = (&x[image * inputs * plane..][..inputs * plane], &g[image * outputs * plane..]);
                let g = &g[..outputs * plane];
                if outputs <= FEW {
                    dispatch(FewWeight { sizes, x, g, sums: &mut sums });
                    continue;
                }
                let turned = Matrix { values: x, rows: 1, columns: plane };
                multiply(outputs, inputs, plane, plain(g, plane), turned, &mut product, inputs, false);
                sums.iter_mut().zip(&product).for_each(|(sum, p)| *sum += f64::from(*p));
            }
            sums
        };
        let sums: Vec<Vec<f64>> = (0..parts).into_par_iter().map(part).collect();
        (0..outputs * inputs).for_each(|at| dw.put(at, sums.iter().map(|s| s[at]).sum::<f64>() as f32));
    }
    if let Some(Some(db)) = sinks.get_mut(2) {
        let mut sums = vec![0f64; outputs];
        for (at, g) in g.chunks_exact(plane).enumerate() {
            sums[at % outputs] += g.iter().map(|g| f64::from(*g)).sum::<f64>();
        }
        sums.iter().enumerate().for_each(|(at, sum)| db.put(at, *sum as f32));
    }
}

/// The matrix of rows of `columns` values side by side.
fn plain(values: &[f32], columns: usize) -> Matrix<'_, f32> {
    Matrix { values, rows: columns, columns: 1 }
}

/// The output of one image.
struct Few<'a> {
    sizes: Sizes,
    x: &'a [f32],
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
    out: &'a mut [f32],
}

impl Routine for Few<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Few { sizes: Sizes { inputs, plane, .. }, x, weight, bias, out } = self;
        for start in (0..plane).step_by(STRIP) {
            let end = (start + STRIP).min(plane);
            for (o, out) in out.chunks_exact_mut(plane).enumerate() {
                let out = &mut out[start..end];
                out.fill(bias.map_or(0.0, |bias| bias[o]));
                let weights = &weight[o * inputs..(o + 1) * inputs];
                let row = |i: usize| &x[i * plane + start..i * plane + end];
                for (group, weights) in weights.chunks(SIDE).enumerate() {
                    let i = group * SIDE;
                    // SAFETY: the caller has V's instructions.
                    unsafe {
                        match *weights {
                            [a, b, c, d] => {
                                add::<V, 4>([a, b, c, d], [row(i), row(i + 1), row(i + 2), row(i + 3)], out);
                            }
                            _ => {
                                for (k, w) in weights.iter().enumerate() {
                                    add::<V, 1>([*w], [row(i + k)], out);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Adds rows times weights.
#[inline(always)]
unsafe fn add<V: Vector, const N: usize>(weights: [f32; N], rows: [&[f32]; N], out: &mut [f32]) {
    let n = out.len();
    assert!(rows.iter().all(|row| row.len() == n), "rows of one length");
    let mut at = 0;
    // SAFETY: whole vectors below n, the length of all; the caller has V's instructions.
    unsafe {
        let mut by = [V::splat(0.0); N];
        for (by, weight) in by.iter_mut().zip(weights) {
            *by = V::splat(weight);
        }
        while at + LANES <= n {
            let mut sum = V::load(out.as_ptr().add(at));
            for k in 0..N {
                sum = V::load(rows[k].as_ptr().add(at)).fma(by[k], sum);
            }
            sum.store(out.as_mut_ptr().add(at));
            at += LANES;
        }
    }
    for at in at..n {
        out[at] = (0..N).fold(out[at], |sum, k| rows[k][at].mul_add(weights[k], sum));
    }
}

/// The gradient of one image.
struct FewInput<'a> {
    sizes: Sizes,
    weight: &'a [f32],
    g: &'a [f32],
    dx: &'a mut [f32],
    add: bool,
}

impl Routine for FewInput<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let FewInput { sizes: Sizes { inputs, plane, .. }, weight, g, dx, add: keep } = self;
        for (i, dx) in dx.chunks_exact_mut(plane).enumerate() {
            if !keep {
                dx.fill(0.0);
            }
            for (start, dx) in (0..plane).step_by(STRIP).zip(dx.chunks_mut(STRIP)) {
                for (o, g) in g.chunks_exact(plane).enumerate() {
                    // SAFETY: the caller has V's instructions.
                    unsafe { add::<V, 1>([weight[o * inputs + i]], [&g[start..start + dx.len()]], dx) };
                }
            }
        }
    }
}

/// Adds the weights' gradient from one image.
struct FewWeight<'a> {
    sizes: Sizes,
    x: &'a [f32],
    g: &'a [f32],
    sums: &'a mut [f64],
}

impl Routine for FewWeight<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let FewWeight { sizes: Sizes { inputs, plane, .. }, x, g, sums } = self;
        for (i, x) in x.chunks_exact(plane).enumerate() {
            for (o, g) in g.chunks_exact(plane).enumerate() {
                for (x, g) in x.chunks(STRIP).zip(g.chunks(STRIP)) {
                    // SAFETY: the caller has V's instructions.
                    sums[o * inputs + i] += f64::from(unsafe { dot::<V>(x, g) });
                }
            }
        }
    }
}

/// Of two short rows.
#[inline(always)]
unsafe fn dot<V: Vector>(a: &[f32], b: &[f32]) -> f32 {
    let ((wide, rest), (other, last)) = (a.as_chunks::<{ SIDE * LANES }>(), b.as_chunks::<{ SIDE * LANES }>());
    assert!(a.len() == b.len(), "rows of one length");
    // SAFETY: whole vectors of both rows; the caller has V's instructions.
    let sum = unsafe {
        let mut sums = [V::splat(0.0); SIDE];
        for (a, b) in wide.iter().zip(other) {
            for (side, sum) in sums.iter_mut().enumerate() {
                let at = side * LANES;
                *sum = V::load(a.as_ptr().add(at)).fma(V::load(b.as_ptr().add(at)), *sum);
            }
        }
        sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum()
    };
    rest.iter().zip(last).fold(sum, |sum, (a, b)| a.mul_add(*b, sum))
}

#[cfg(test)]
mod tests {
    use super::{Few, FewInput, FewWeight};
    use crate::ops::linear::Sizes;
    use crate::ops::simd::{Plain, Routine, dispatch};

    #[test]
    fn plain_rust_gives_the_bits_of_vectors() {
        let sizes = Sizes { images: 1, inputs: 7, outputs: 2, plane: 2099 };
        let draw =
            |n: u32| (0..n).map(|i| (i.wrapping_mul(2_654_435_769) >> 8) as f32 / 8e6 - 1.0).collect::<Vec<f32>>();
        let (x, weight, g) = (draw(7 * 2099), draw(14), draw(2 * 2099));
        let all = |plain: bool| {
            let (mut out, mut dx, mut sums) = (g.clone(), x.clone(), vec![0.0; 14]);
            // SAFETY: plain Rust needs no instructions; so below.
            let work = Few { sizes, x: &x, weight: &weight, bias: Some(&weight[..2]), out: &mut out };
            if plain {
                unsafe { work.run::<Plain>() }
            } else {
                dispatch(work)
            }
            let work = FewInput { sizes, weight: &weight, g: &g, dx: &mut dx, add: true };
            if plain {
                unsafe { work.run::<Plain>() }
            } else {
                dispatch(work)
            }
            let work = FewWeight { sizes, x: &x, g: &g, sums: &mut sums };
            if plain {
                unsafe { work.run::<Plain>() }
            } else {
                dispatch(work)
            }
            (out.iter().chain(&dx).map(|v| v.to_bits()).collect::<Vec<u32>>(), format!("{sums:?}"))
        };
        assert_eq!(all(true), all(false));
    }
}
