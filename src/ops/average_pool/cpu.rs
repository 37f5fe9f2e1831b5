//! Means of windows in f32: columns of a window first, then rows, eight windows side by side. The gradient is gathered:
//! each value of the plane sums the windows that cover it, so nothing is written twice.

use crate::ops::average_pool::{AveragePool, Sizes};
use crate::ops::operator::Sink;
use crate::ops::simd::{LANES, Routine, Vector, dispatch};
use crate::ops::window::planes_per_task;
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};

/// What all planes have in common.
struct Shared<'a> {
    op: &'a AveragePool,
    sizes: Sizes,
    /// Counts along the rows, and along the columns with ones up to whole vectors.
    down: Vec<f32>,
    across: Vec<f32>,
}

impl Shared<'_> {
    fn new(op: &AveragePool, sizes: Sizes) -> Shared<'_> {
        let counts = |axis| op.counts(axis, sizes).into_iter().map(|n| n as f32).collect();
        let (down, mut across): (Vec<f32>, Vec<f32>) = (counts(0), counts(1));
        across.resize(across.len().next_multiple_of(LANES), 1.0);
        Shared { op, sizes, down, across }
    }

    fn plane(&self) -> usize {
        self.sizes.input[0] * self.sizes.input[1]
    }

    fn pooled(&self) -> usize {
        self.sizes.output[0] * self.sizes.output[1]
    }
}

pub fn forward(op: &AveragePool, sizes: Sizes, x: &[f32], out: &mut [f32]) {
    let shared = Shared::new(op, sizes);
    let per_task = planes_per_task(shared.plane());
    let tasks = x.par_chunks(per_task * shared.plane()).zip(out.par_chunks_mut(per_task * shared.pooled()));
    tasks.for_each(|(x, out)| dispatch(Forward { shared: &shared, x, out }));
}

pub fn backward(op: &AveragePool, sizes: Sizes, gradient: &[f32], dx: &mut Sink<'_, f32>) {
    let (shared, add) = (Shared::new(op, sizes), dx.add);
    let per_task = planes_per_task(shared.plane());
    let gradients = gradient.par_chunks(per_task * shared.pooled());
    let tasks = dx.values.par_chunks_mut(per_task * shared.plane()).zip(gradients);
    tasks.for_each(|(dx, g)| dispatch(Backward { shared: &shared, g, dx, add }));
}

struct Forward<'a> {
    shared: &'a Shared<'a>,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl Routine for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Forward { shared, x, out } = self;
        let (window, Sizes { input: [height, width], output: [_, columns] }) = (&shared.op.window, shared.sizes);
        let (kernel, stride, padding) = (window.kernel[1], window.stride[1], window.padding[1]);
        // columns by remainder and then by quotient of the stride, so that windows of a vector are neighbours
        let phase = (kernel - 1) / stride + columns.next_multiple_of(LANES);
        let mut sums = vec![0f32; (phase * stride).max(padding + width)];
        let mut phases = vec![0f32; phase * stride];
        let taps: Vec<usize> = (0..kernel).map(|dx| dx % stride * phase + dx / stride).collect();
        for (x, out) in x.chunks_exact(shared.plane()).zip(out.chunks_exact_mut(shared.pooled())) {
            for (row, out) in out.chunks_exact_mut(columns).enumerate() {
                let (top, bottom) = window.range(0, row, height);
                let to = &mut sums[padding..padding + width];
                // SAFETY: the caller has V's instructions.
                unsafe {
                    add_rows::<V>((top..bottom).map(|y| &x[y * width..(y + 1) * width]), to);
                    let line = if stride == 1 {
                        &sums
                    } else {
                        for remainder in 0..stride {
                            let from = sums.iter().skip(remainder).step_by(stride);
                            phases[remainder * phase..][..phase]
                                .iter_mut()
                                .zip(from)
                                .for_each(|(to, from)| *to = *from);
                        }
                        &phases
                    };
                    means::<V>(line, &taps, shared.down[row], &shared.across, out);
                }
            }
        }
    }
}

/// Sum of rows, from the first to the last.
#[inline(always)]
unsafe fn add_rows<'a, V: Vector>(rows: impl Iterator<Item = &'a [f32]>, to: &mut [f32]) {
    let n = to.len();
    for (i, row) in rows.enumerate() {
        assert!(row.len() == n, "rows of one length");
        if i == 0 {
            to.copy_from_slice(row);
            continue;
        }
        let mut at = 0;
        while at + LANES <= n {
            // SAFETY: a whole vector below n, the length of both; the caller has V's instructions.
            unsafe {
                V::load(to.as_ptr().add(at)).add(V::load(row.as_ptr().add(at))).store(to.as_mut_ptr().add(at));
            }
            at += LANES;
        }
        to[at..].iter_mut().zip(&row[at..]).for_each(|(to, from)| *to += *from);
    }
}

/// One row of the output: sums over the taps by `down` times the counts across.
#[inline(always)]
unsafe fn means<V: Vector>(line: &[f32], taps: &[usize], down: f32, across: &[f32], out: &mut [f32]) {
    let (columns, reach) = (out.len(), taps.iter().max().expect("a window has values"));
    let whole = columns.next_multiple_of(LANES);
    assert!(whole + reach <= line.len() && across.len() == whole, "room for whole vectors");
    for start in (0..columns).step_by(LANES) {
        // SAFETY: loads end inside of `line` and `across` as asserted; the caller has V's instructions.
        unsafe {
            let from = line.as_ptr().add(start);
            let mut sum = V::load(from.add(taps[0]));
            for tap in &taps[1..] {
                sum = sum.add(V::load(from.add(*tap)));
            }
            let mean = sum.div(V::splat(down).mul(V::load(across.as_ptr().add(start))));
            put::<V>(mean, &mut out[start..]);
        }
    }
}

/// Stores a vector, or as much of it as there is room for.
#[inline(always)]
unsafe fn put<V: Vector>(value: V, to: &mut [f32]) {
    // SAFETY: there is room for a whole vector where one is stored; the caller has V's instructions.
    unsafe {
        if to.len() >= LANES {
            value.store(to.as_mut_ptr());
        } else {
            let mut lanes = [0f32; LANES];
            value.store(lanes.as_mut_ptr());
            to.copy_from_slice(&lanes[..to.len()]);
        }
    }
}

struct Backward<'a> {
    shared: &'a Shared<'a>,
    g: &'a [f32],
    dx: &'a mut [f32],
    add: bool,
}

impl Routine for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Backward { shared, g, dx, add } = self;
        let (window, Sizes { input: [_, width], output: [rows, columns] }) = (&shared.op.window, shared.sizes);
        let (kernel, stride, padding) = (window.kernel, window.stride, window.padding);
        // windows that cover a column begin up to `margin` places before it; zeros stand before the first and after the last
        let margin = (kernel[1] - 1) / stride[1];
        let reach = ((width - 1 + padding[1]) / stride[1] + 1).next_multiple_of(LANES);
        let whole = columns.next_multiple_of(LANES);
        let row = margin + whole.max(reach);
        let mut shares = vec![0f32; rows * row];
        let (mut sums, mut line) = (vec![0f32; row], vec![0f32; reach * stride[1]]);
        for (g, dx) in g.chunks_exact(shared.pooled()).zip(dx.chunks_exact_mut(shared.plane())) {
            for ((g, to), down) in g.chunks_exact(columns).zip(shares.chunks_exact_mut(row)).zip(&shared.down) {
                let counts = &shared.across[..columns];
                to[margin..]
                    .iter_mut()
                    .zip(g.iter().zip(counts))
                    .for_each(|(to, (g, across))| *to = *g / (down * across));
            }
            for (y, dx) in dx.chunks_exact_mut(width).enumerate() {
                let first = (y + padding[0] + 1).saturating_sub(kernel[0]).div_ceil(stride[0]);
                let end = ((y + padding[0]) / stride[0] + 1).min(rows);
                if first >= end {
                    if !add {
                        dx.fill(0.0);
                    }
                    continue;
                }
                // SAFETY: the caller has V's instructions.
                unsafe {
                    add_rows::<V>((first..end).map(|o| &shares[o * row..(o + 1) * row]), &mut sums);
                    for remainder in 0..stride[1] {
                        let windows = (kernel[1] + stride[1] - 1 - remainder) / stride[1];
                        cover::<V>(&sums, margin, windows, &mut line[remainder * reach..(remainder + 1) * reach]);
                    }
                }
                // column c + padding = quotient·stride + remainder
                for remainder in 0..stride[1] {
                    let skip = (remainder + stride[1] - padding[1] % stride[1]) % stride[1];
                    let from = &line[remainder * reach + (skip + padding[1]) / stride[1]..(remainder + 1) * reach];
                    match (stride[1], add) {
                        (1, false) => dx.copy_from_slice(&from[..width]),
                        (1, true) => dx.iter_mut().zip(from).for_each(|(to, from)| *to += *from),
                        (_, false) => {
                            dx.iter_mut().skip(skip).step_by(stride[1]).zip(from).for_each(|(to, from)| *to = *from);
                        }
                        (_, true) => {
                            dx.iter_mut().skip(skip).step_by(stride[1]).zip(from).for_each(|(to, from)| *to += *from);
                        }
                    }
                }
            }
        }
    }
}

/// `to[j]` = sum of the last `windows` values of `sums` up to `margin + j`.
#[inline(always)]
unsafe fn cover<V: Vector>(sums: &[f32], margin: usize, windows: usize, to: &mut [f32]) {
    assert!(
        windows <= margin + 1 && margin + to.len() <= sums.len() && to.len().is_multiple_of(LANES),
        "whole vectors"
    );
    for start in (0..to.len()).step_by(LANES) {
        // SAFETY: places from margin + start + 1 − windows ≥ start up to margin + to.len(), as asserted; the caller has V's
        // instructions.
        unsafe {
            let mut sum = V::splat(0.0);
            for back in 0..windows {
                sum = sum.add(V::load(sums.as_ptr().add(margin + start - back)));
            }
            sum.store(to.as_mut_ptr().add(start));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Backward, Forward, Shared};
    use crate::ops::average_pool::AveragePool;
    use crate::ops::simd::{Plain, Routine, dispatch};
    use crate::ops::window::Window;

    #[test]
    fn plain_rust_gives_the_bits_of_vectors() {
        let x: Vec<f32> =
            (0..2 * 9 * 21_u32).map(|i| (i.wrapping_mul(2_654_435_769) >> 8) as f32 / 8e6 - 1.0).collect();
        for window in [Window::square(3, 1, 1), Window::square(3, 2, 1), Window::square(2, 2, 0)] {
            let op = AveragePool { window, count_padding: false };
            let shared = Shared::new(&op, op.sizes(&[2, 1, 9, 21]));
            let both = |plain: bool| {
                let (mut out, mut dx) = (vec![f32::NAN; 2 * shared.pooled()], x.clone());
                let work = Forward { shared: &shared, x: &x, out: &mut out };
                // SAFETY: plain Rust needs no instructions; so below.
                if plain {
                    unsafe { work.run::<Plain>() }
                } else {
                    dispatch(work)
                }
                let work = Backward { shared: &shared, g: &x[..2 * shared.pooled()], dx: &mut dx, add: true };
                if plain {
                    unsafe { work.run::<Plain>() }
                } else {
                    dispatch(work)
                }
                out.iter().chain(&dx).map(|v| v.to_bits()).collect::<Vec<u32>>()
            };
            assert_eq!(both(true), both(false));
        }
    }
}
