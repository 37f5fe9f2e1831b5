//! Batch normalisation in f32: two passes over memory each way, planes in fixed tasks.

use crate::ops::batch_norm::moments::{
    BY_LINE, BY_OUTPUT, GradientSums, Line, Moments, OPEN, PlaneMoments, PlaneSums, Planes, masked, masked_one,
};
use crate::ops::batch_norm::{BatchNorm, Mask, Sizes};
use crate::ops::operator::{Mode, Saved, Sink, View};
use crate::ops::simd::{LANES, Routine, Vector, dispatch};
use rayon::prelude::{
    IndexedParallelIterator, IntoParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut,
};

/// Values per task (128 KiB), whole planes. No result depends on it: planes are summed one by one.
const TASK: usize = 1 << 15;

fn planes_per_task(plane: usize) -> usize {
    (TASK / plane).max(1)
}

/// Saved arrays, per channel: the mean rounded to f32, what the rounding left, 1/√(variance + eps). The one index tells
/// training from evaluation.
pub fn forward(op: &BatchNorm, inputs: &[View<'_, f32>], mode: Mode<'_, f32>, out: &mut [f32], saved: &mut Saved<f32>) {
    let (x, sizes) = (inputs[0].values, Sizes::of(inputs[0].dims).expect("dimensions were checked"));
    let Sizes { channels, plane, .. } = sizes;
    let mut arrays = vec![Vec::with_capacity(channels), Vec::with_capacity(channels), Vec::with_capacity(channels)];
    let mut keep = |mean: f64, variance: f64| {
        let rounded = mean as f32;
        arrays[0].push(rounded);
        arrays[1].push((mean - f64::from(rounded)) as f32);
        arrays[2].push((1.0 / (variance + op.eps).sqrt()) as f32);
    };
    match mode {
        Mode::Train { .. } => {
            assert!(sizes.count() > 1.0, "batch_norm: one value per channel has no statistics");
            let totals = totals(x, sizes);
            totals.iter().for_each(|m| keep(m.mean(), m.spread() / m.count));
            saved.statistics = totals.iter().map(|m| m.mean() as f32).collect();
            saved.statistics.extend(totals.iter().map(|m| (m.spread() / (m.count - 1.0)) as f32));
        }
        Mode::Evaluate { running } => {
            let (means, variances) = running.split_at(channels);
            means.iter().zip(variances).for_each(|(m, v)| keep(f64::from(*m), f64::from(*v)));
        }
    }
    saved.indices = vec![u32::from(matches!(mode, Mode::Train { .. }))];
    saved.arrays = arrays;
    let lines = lines(op.scales(inputs), saved);
    let per_task = planes_per_task(plane);
    let residual = op.residual_at().map(|at| inputs[at].values);
    out.par_chunks_mut(per_task * plane).enumerate().for_each(|(task, out)| {
        let (first, start) = (task * per_task, task * per_task * plane);
        let (x, residual) = (&x[start..start + out.len()], residual.map(|r| &r[start..start + out.len()]));
        dispatch(Normalise { x, residual, relu: op.relu, plane, first, lines: &lines, out });
    });
}

/// Moments of each channel.
fn totals(x: &[f32], Sizes { images, channels, plane }: Sizes) -> Vec<Moments> {
    let per_task = planes_per_task(plane);
    let mut parts = vec![Moments::default(); images * channels];
    let tasks = parts.par_chunks_mut(per_task).zip(x.par_chunks(per_task * plane));
    tasks.for_each(|(out, x)| dispatch(PlaneMoments { x, plane, out }));
    let mut totals = vec![Moments::default(); channels];
    for image in parts.chunks_exact(channels) {
        totals.iter_mut().zip(image).for_each(|(total, part)| total.take(*part));
    }
    totals
}

fn lines(scales: Option<(&[f32], &[f32])>, saved: &Saved<f32>) -> Vec<Line> {
    let line = |c: usize| {
        let (gamma, beta) = scales.map_or((1.0, 0.0), |(gamma, beta)| (gamma[c], beta.get(c).copied().unwrap_or(0.0)));
        let (mean, left, scale) = (saved.arrays[0][c], saved.arrays[1][c], saved.arrays[2][c]);
        let slope = f64::from(gamma) * f64::from(scale);
        Line { mean, slope: slope as f32, shift: (f64::from(beta) - f64::from(left) * slope) as f32 }
    };
    (0..saved.arrays[0].len()).map(line).collect()
}

struct Normalise<'a> {
    x: &'a [f32],
    residual: Option<&'a [f32]>,
    relu: bool,
    plane: usize,
    first: usize,
    lines: &'a [Line],
    out: &'a mut [f32],
}

impl Routine for Normalise<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        unsafe {
            match (self.residual.is_some(), self.relu) {
                (false, false) => normalise::<V, false, false>(self),
                (false, true) => normalise::<V, false, true>(self),
                (true, false) => normalise::<V, true, false>(self),
                (true, true) => normalise::<V, true, true>(self),
            }
        }
    }
}

#[inline(always)]
unsafe fn normalise<V: Vector, const RESIDUAL: bool, const RELU: bool>(work: Normalise<'_>) {
    let Normalise { x, residual, plane, first, lines, out, .. } = work;
    let residual = residual.unwrap_or(&[]);
    assert!(x.len() == out.len() && (!RESIDUAL || residual.len() == out.len()), "arrays of one size");
    for (i, start) in (0..out.len()).step_by(plane).enumerate() {
        let line = &lines[(first + i) % lines.len()];
        let (end, mut at) = (start + plane, start);
        assert!(end <= out.len(), "whole planes");
        // SAFETY: `at` stays a whole vector below `end`, which is inside all slices; the caller has V's instructions.
        unsafe {
            let (mean, slope, shift) = (V::splat(line.mean), V::splat(line.slope), V::splat(line.shift));
            while at + LANES <= end {
                let mut y = V::load(x.as_ptr().add(at)).sub(mean).fma(slope, shift);
                if RESIDUAL {
                    y = y.add(V::load(residual.as_ptr().add(at)));
                }
                if RELU {
                    // zero first: NaN comes through
                    y = V::splat(0.0).max(y);
                }
                y.store(out.as_mut_ptr().add(at));
                at += LANES;
            }
        }
        for at in at..end {
            let mut y = (x[at] - line.mean).mul_add(line.slope, line.shift);
            if RESIDUAL {
                y += residual[at];
            }
            out[at] = if RELU && 0.0 > y { 0.0 } else { y };
        }
    }
}

/// What masks the gradient, as `masked` takes it.
fn open_by(op: &BatchNorm) -> u8 {
    match op.mask() {
        Mask::None => OPEN,
        Mask::Input => BY_LINE,
        Mask::Output => BY_OUTPUT,
    }
}

/// Each channel's way to the output and its gradient of x, from one pass over `planes`; the gradients of scale and shift go to their
/// sinks.
pub fn slopes(
    op: &BatchNorm,
    inputs: &[View<'_, f32>],
    planes: Planes<'_>,
    saved: &Saved<f32>,
    sinks: &mut [Option<Sink<'_, f32>>],
) -> (Vec<Line>, Vec<Slope>) {
    let (sizes, training) = (Sizes::of(inputs[0].dims).expect("dimensions were checked"), saved.indices[0] == 1);
    let lines = lines(op.scales(inputs), saved);
    let scales_asked = op.affine && (sinks[1].is_some() || sinks[2].is_some());
    let sums = if scales_asked || (training && sinks[0].is_some()) {
        gradient_sums(planes, sizes, &lines, open_by(op))
    } else {
        vec![GradientSums::default(); sizes.channels]
    };
    // the sums were taken of x less the rounded mean
    let scaled = |c: usize| sums[c].scaled - f64::from(saved.arrays[1][c]) * sums[c].plain;
    if op.affine {
        for (c, sums) in sums.iter().enumerate() {
            if let Some(sink) = &mut sinks[1] {
                sink.put(c, (scaled(c) * f64::from(saved.arrays[2][c])) as f32);
            }
            if let Some(sink) = &mut sinks[2] {
                sink.put(c, sums.plain as f32);
            }
        }
    }
    let slope = |c: usize| {
        let (left, scale) = (f64::from(saved.arrays[1][c]), f64::from(saved.arrays[2][c]));
        let gamma = if op.affine { f64::from(inputs[1].values[c]) } else { 1.0 };
        if !training {
            return Slope { g: (gamma * scale) as f32, x: 0.0, one: 0.0 };
        }
        let x = -gamma * scale.powi(3) * scaled(c) / sizes.count();
        let one = -gamma * scale * sums[c].plain / sizes.count() - x * left;
        Slope { g: (gamma * scale) as f32, x: x as f32, one: one as f32 }
    };
    let slopes = (0..sizes.channels).map(slope).collect();
    (lines, slopes)
}

pub fn backward(
    op: &BatchNorm,
    inputs: &[View<'_, f32>],
    output: &[f32],
    saved: &Saved<f32>,
    gradient: &[f32],
    sinks: &mut [Option<Sink<'_, f32>>],
) {
    let (x, sizes) = (inputs[0].values, Sizes::of(inputs[0].dims).expect("dimensions were checked"));
    let (training, mask) = (saved.indices[0] == 1, open_by(op));
    let planes = Planes { x, y: if mask == BY_OUTPUT { output } else { &[] }, g: gradient };
    let (lines, slopes) = slopes(op, inputs, planes, saved, sinks);
    let per_task = planes_per_task(sizes.plane);
    let size = per_task * sizes.plane;
    let inputs = parts(sinks[0].take(), size, gradient.len());
    let residuals = parts(op.residual_at().and_then(|at| sinks[at].take()), size, gradient.len());
    inputs.into_par_iter().zip(residuals).enumerate().for_each(|(task, (dx, dr))| {
        let (start, first) = (task * size, task * per_task);
        let planes = planes.part(start, (start + size).min(gradient.len()));
        let (lines, slopes, plane) = (&lines, &slopes, sizes.plane);
        dispatch(Spread { planes, plane, first, lines, slopes, mask, training, dx, dr });
    });
}

/// A sink in pieces of `size` values; as many absent ones if there is none.
fn parts(sink: Option<Sink<'_, f32>>, size: usize, total: usize) -> Vec<Option<Sink<'_, f32>>> {
    match sink {
        Some(Sink { values, add }) => values.chunks_mut(size).map(|values| Some(Sink { values, add })).collect(),
        None => (0..total.div_ceil(size)).map(|_| None).collect(),
    }
}

fn gradient_sums(planes: Planes<'_>, sizes: Sizes, lines: &[Line], mask: u8) -> Vec<GradientSums> {
    let Sizes { images, channels, plane } = sizes;
    let per_task = planes_per_task(plane);
    let mut parts = vec![GradientSums::default(); images * channels];
    parts.par_chunks_mut(per_task).enumerate().for_each(|(task, out)| {
        let (start, first) = (task * per_task * plane, task * per_task);
        let planes = planes.part(start, start + out.len() * plane);
        dispatch(PlaneSums { planes, plane, first, lines, mask, out });
    });
    let mut totals = vec![GradientSums::default(); channels];
    for image in parts.chunks_exact(channels) {
        for (total, part) in totals.iter_mut().zip(image) {
            total.plain += part.plain;
            total.scaled += part.scaled;
        }
    }
    totals
}

/// One channel's gradient of x: masked gradient·g + (x − mean)·x + one.
#[derive(Clone, Copy, Debug)]
pub struct Slope {
    pub g: f32,
    pub x: f32,
    pub one: f32,
}

/// Gradients of x and of the residual, as asked for, of planes side by side.
struct Spread<'a> {
    planes: Planes<'a>,
    plane: usize,
    first: usize,
    lines: &'a [Line],
    slopes: &'a [Slope],
    mask: u8,
    training: bool,
    dx: Option<Sink<'a, f32>>,
    dr: Option<Sink<'a, f32>>,
}

impl Routine for Spread<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        unsafe {
            match self.mask {
                BY_LINE => spread::<V, BY_LINE>(self),
                BY_OUTPUT => spread::<V, BY_OUTPUT>(self),
                _ => spread::<V, OPEN>(self),
            }
        }
    }
}

#[inline(always)]
unsafe fn spread<V: Vector, const MASK: u8>(mut work: Spread<'_>) {
    let (plane, total) = (work.plane, work.planes.g.len());
    for (i, start) in (0..total).step_by(plane).enumerate() {
        let channel = (work.first + i) % work.lines.len();
        let (line, slope) = (&work.lines[channel], &work.slopes[channel]);
        let planes = work.planes.part(start, start + plane);
        // the second finds its plane in the cache
        unsafe {
            if let Some(dx) = &mut work.dx {
                let to = &mut dx.values[start..start + plane];
                match (work.training, dx.add) {
                    (true, false) => plane_gradient::<V, MASK, true, false>(&planes, line, slope, to),
                    (true, true) => plane_gradient::<V, MASK, true, true>(&planes, line, slope, to),
                    (false, add) => {
                        // no statistics, so no part of x: an infinite x must not make NaN of it
                        let slope = Slope { g: slope.g, x: 0.0, one: 0.0 };
                        match add {
                            false => plane_gradient::<V, MASK, false, false>(&planes, line, &slope, to),
                            true => plane_gradient::<V, MASK, false, true>(&planes, line, &slope, to),
                        }
                    }
                }
            }
            if let Some(dr) = &mut work.dr {
                let (to, slope) = (&mut dr.values[start..start + plane], Slope { g: 1.0, x: 0.0, one: 0.0 });
                match dr.add {
                    false => plane_gradient::<V, MASK, false, false>(&planes, line, &slope, to),
                    true => plane_gradient::<V, MASK, false, true>(&planes, line, &slope, to),
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn plane_gradient<V: Vector, const MASK: u8, const STATISTICS: bool, const ADD: bool>(
    p: &Planes<'_>,
    line: &Line,
    slope: &Slope,
    to: &mut [f32],
) {
    let n = to.len();
    assert!(p.x.len() == n && p.g.len() == n && (MASK != BY_OUTPUT || p.y.len() == n), "planes of one size");
    let mut at = 0;
    // SAFETY: `at` stays a whole vector below n, which is every slice's length; the caller has V's instructions.
    unsafe {
        let (by_g, by_x, one) = (V::splat(slope.g), V::splat(slope.x), V::splat(slope.one));
        while at + LANES <= n {
            let (g, centred) = masked::<V, MASK>(p, at, line);
            let mut d = if STATISTICS { g.fma(by_g, centred.fma(by_x, one)) } else { g.mul(by_g) };
            if ADD {
                d = d.add(V::load(to.as_ptr().add(at)));
            }
            d.store(to.as_mut_ptr().add(at));
            at += LANES;
        }
    }
    for (at, to) in to.iter_mut().enumerate().skip(at) {
        let (g, centred) = masked_one::<MASK>(p, at, line);
        let d = if STATISTICS { g.mul_add(slope.g, centred.mul_add(slope.x, slope.one)) } else { g * slope.g };
        *to = if ADD { *to + d } else { d };
    }
}

#[cfg(test)]
mod tests {
    use super::{Moments, Normalise, PlaneMoments, Planes, Slope, Spread};
    use crate::ops::batch_norm::moments::{BY_LINE, BY_OUTPUT, GradientSums, Line, OPEN, PlaneSums};
    use crate::ops::operator::Sink;
    use crate::ops::simd::{Plain, Routine, dispatch};

    const PLANE: usize = 4096 + 77;
    const COUNT: usize = 3;

    fn values(seed: u32) -> Vec<f32> {
        (0..(COUNT * PLANE) as u32).map(|i| (i.wrapping_mul(2_654_435_761 + seed) >> 8) as f32 / 8e6 - 1.0).collect()
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|v| v.to_bits()).collect()
    }

    #[test]
    fn plain_rust_gives_the_bits_of_vectors() {
        let (x, g, r) = (values(2), values(4), values(6));
        let lines = [Line { mean: 0.1, slope: 1.7, shift: -0.3 }, Line { mean: -0.2, slope: 0.6, shift: 0.1 }];
        let slopes = [Slope { g: 1.7, x: -0.02, one: 0.01 }, Slope { g: 0.6, x: 0.03, one: -0.04 }];
        let moments = |plain: bool| {
            let mut out = [Moments::default(); COUNT];
            let work = PlaneMoments { x: &x, plane: PLANE, out: &mut out };
            // SAFETY: plain Rust needs no instructions; so below.
            if plain {
                unsafe { work.run::<Plain>() }
            } else {
                dispatch(work)
            }
            format!("{out:?}")
        };
        assert_eq!(moments(true), moments(false));
        for (residual, relu) in [(None, false), (Some(r.as_slice()), false), (Some(r.as_slice()), true), (None, true)] {
            let normalised = |plain: bool| {
                let mut out = vec![f32::NAN; x.len()];
                let (x, lines) = (&x, &lines);
                let work = Normalise { x, residual, relu, plane: PLANE, first: 1, lines, out: &mut out };
                if plain {
                    unsafe { work.run::<Plain>() }
                } else {
                    dispatch(work)
                }
                bits(&out)
            };
            assert_eq!(normalised(true), normalised(false));
        }
        let planes = Planes { x: &x, y: &r, g: &g };
        for mask in [OPEN, BY_LINE, BY_OUTPUT] {
            let sums = |plain: bool| {
                let mut out = [GradientSums::default(); COUNT];
                let work = PlaneSums { planes, plane: PLANE, first: 1, lines: &lines, mask, out: &mut out };
                if plain {
                    unsafe { work.run::<Plain>() }
                } else {
                    dispatch(work)
                }
                format!("{out:?}")
            };
            assert_eq!(sums(true), sums(false));
            for (training, add) in [(true, false), (true, true), (false, false), (false, true)] {
                let spread = |plain: bool| {
                    let (mut a, mut b) = (r.clone(), r.clone());
                    let dx = Some(Sink { values: &mut a, add });
                    let dr = Some(Sink { values: &mut b, add });
                    let (lines, slopes) = (&lines, &slopes);
                    let work = Spread { planes, plane: PLANE, first: 1, lines, slopes, mask, training, dx, dr };
                    if plain {
                        unsafe { work.run::<Plain>() }
                    } else {
                        dispatch(work)
                    }
                    (bits(&a), bits(&b))
                };
                assert_eq!(spread(true), spread(false));
            }
        }
    }
}
