//! Gradients of the input and of both weights, block by block: the norm's gradient is made while its panels are laid out, and
//! the depthwise results are computed again. Sums over blocks run in a fixed number of parts, in order.

use crate::ops::batch_norm::cpu::{Slope, slopes};
use crate::ops::batch_norm::moments::{Line, Planes};
use crate::ops::conv::axes::{Axes, Axis, Block, Class, Offsets, blocks};
use crate::ops::conv::correlation::Correlation;
use crate::ops::conv::cpu::residual_gradient;
use crate::ops::conv::depthwise;
use crate::ops::conv::memory::{Aligned, Places, with_scratch};
use crate::ops::conv::panels::{Onto, Window, gather};
use crate::ops::conv::products;
use crate::ops::conv::products::GROUP;
use crate::ops::operator::{Saved, Sink};
use crate::ops::separable::plan::{Plan, put, rectified};
use crate::ops::separable::{Parts, Separable, of_norm};
use crate::ops::simd::{LANES, Routine, Vector, dispatch};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSliceMut};

/// Values of the gradients of a block's results, before and after the 1×1 (384 KiB).
const VALUES: usize = 96 << 10;
/// Partial sums of the gradients of the weights.
const PARTS: usize = 16;

/// What is the same for one block of every image.
struct Piece {
    /// Of the output, and of the input: those positions belong to this block alone.
    own: Block,
    input: Block,
    /// Of the rectified input, that the own outputs read.
    x: Window,
    reads: Offsets,
    /// Of the gradient of the depthwise results, that the own inputs read; beyond the plane it is 0.
    d: Window,
    back: Vec<Offsets>,
    /// The part of `d` that lies in the plane.
    inside: Window,
    /// From positions of `inside` to positions of `d`.
    mixed: Offsets,
}

impl Piece {
    fn new(own: &Block, plan: &Plan, forward: (&Axes, &Class), backward: (&Axes, &[Class])) -> Piece {
        let [height, width] = plan.output.plane;
        let side = |a: usize| {
            let (step, end) = (plan.sizes.stride[a], plan.input.plane[a]);
            (own[a].start * step).min(end)..(own[a].end * step).min(end)
        };
        let input = [side(0), side(1)];
        let d = backward.0.window(&input);
        let clip = |first: isize, count: usize, size: usize| {
            (first.max(0), ((first + count as isize).min(size as isize) - first.max(0)) as usize)
        };
        let ((row, rows), (column, columns)) = (clip(d.row, d.rows, height), clip(d.column, d.columns, width));
        let (mut x_at, mut y_at) = (Vec::new(), Vec::new());
        for i in 0..rows {
            for j in 0..columns {
                let (down, right) = (i + (row - d.row) as usize, j + (column - d.column) as usize);
                x_at.push((i * columns + j) * LANES);
                y_at.push((down * d.columns + right) * LANES);
            }
        }
        Piece {
            x: forward.0.window(own),
            reads: forward.0.offsets(forward.1, own),
            back: backward.1.iter().map(|class| backward.0.offsets(class, &input)).collect(),
            inside: Window { row, column, rows, columns },
            mixed: Offsets { x_at, taps: vec![0], y_at },
            own: own.clone(),
            input,
            d,
        }
    }

    fn positions(&self) -> usize {
        self.own[0].len() * self.own[1].len()
    }
}

fn size(window: &Window) -> usize {
    window.rows * window.columns * LANES
}

/// What the tasks share.
struct Work<'a> {
    plan: &'a Plan,
    parts: &'a Parts<'a, f32>,
    z: &'a [f32],
    gradient: &'a [f32],
    /// By panel of outputs: slopes of g and of z − mean, the constant, the mean.
    slopes: Vec<[[f32; LANES]; 4]>,
    pieces: Vec<Piece>,
    /// Of the output's positions, and of the input's.
    steps: [usize; 2],
    forward_taps: Vec<usize>,
    back_taps: Vec<Vec<usize>>,
    kernels: Option<Vec<f32>>,
    mix: Correlation<'a>,
    mixing: Aligned,
    zeros: Vec<f32>,
    /// Gradients of weights are asked for.
    weights: bool,
    dx: Option<(Places<'a>, bool)>,
}

pub fn run(
    op: &Separable,
    plan: &Plan,
    parts: &Parts<'_, f32>,
    saved: &Saved<f32>,
    gradient: &[f32],
    sinks: &mut [Option<Sink<'_, f32>>],
) {
    let (z, dims) = (&saved.arrays[0], plan.output());
    let (first, rest) = sinks.split_at_mut(op.pointwise_at() + 1);
    let weights = first[1..].iter().any(Option::is_some);
    // the norm's first sink only says whether its gradient will be used
    let asked = (weights || first[0].is_some()).then_some(Sink { values: &mut [][..], add: false });
    let mut of_sinks: Vec<Option<Sink<'_, f32>>> = vec![asked];
    of_sinks.extend(rest.iter_mut().map(|s| s.as_mut().map(|s| Sink { values: &mut *s.values, add: s.add })));
    let inputs = of_norm(z, &dims, &parts.rest);
    let (lines, slopes) =
        slopes(&op.norm(), &inputs, Planes { x: z, y: &[], g: gradient }, &saved.nested[0], &mut of_sinks);
    if op.residual
        && let Some(sink) = of_sinks.last_mut().and_then(Option::as_mut)
    {
        residual_gradient(gradient, sink);
    }
    if of_sinks[0].is_none() {
        return;
    }
    let (forward, backward) = (plan.axes(Axis::forward), plan.axes(Axis::backward));
    let (class, classes) = (forward.classes().remove(0), backward.classes());
    let per_position = (plan.middle.panels() + plan.output.panels()) * LANES;
    let blocks = blocks(plan.output.plane, (VALUES / per_position).max(64));
    let pieces = blocks.iter().map(|own| Piece::new(own, plan, (&forward, &class), (&backward, &classes)));
    let mix = plan.mix(parts.pointwise.values, true);
    let taps = plan.sizes.taps();
    let [dx, rest @ ..] = first else { unreachable!("an operator has inputs") };
    let work = Work {
        plan,
        parts,
        z,
        gradient,
        slopes: by_panel(&lines, &slopes, saved.nested[0].indices[0] == 1),
        pieces: pieces.collect(),
        steps: forward.steps(),
        forward_taps: class.taps.clone(),
        back_taps: classes.iter().map(|class| class.taps.clone()).collect(),
        kernels: parts.depthwise.map(|w| depthwise::packed(plan.middle, taps, w.values, None)),
        mixing: mix.packed(&[0]),
        mix,
        zeros: vec![0.0; plan.middle.panels() * LANES],
        weights,
        dx: dx.as_mut().map(|sink| (Places::new(&mut *sink.values), sink.add)),
    };
    // a part has room for one value where no sums are asked for
    let (tasks, size) = (plan.sizes.images * work.pieces.len(), work.sums().max(1));
    let many = PARTS.min(tasks);
    let mut sums = vec![0.0; many * size];
    sums.par_chunks_mut(size).enumerate().for_each(|(part, sums)| {
        for task in part * tasks / many..(part + 1) * tasks / many {
            work.task(task / work.pieces.len(), &work.pieces[task % work.pieces.len()], sums);
        }
    });
    if weights {
        work.put(&sums, rest);
    }
}

fn by_panel(lines: &[Line], slopes: &[Slope], training: bool) -> Vec<[[f32; LANES]; 4]> {
    let panel = |q: usize| {
        let of = |f: &dyn Fn(usize) -> f32| {
            std::array::from_fn(|l| q * LANES + l).map(|c| if c < slopes.len() { f(c) } else { 0.0 })
        };
        // while evaluating there is nothing of z: an infinite z must not make NaN of it
        let x = |c: usize| if training { slopes[c].x } else { 0.0 };
        [of(&|c| slopes[c].g), of(&x), of(&|c| slopes[c].one), of(&|c| lines[c].mean)]
    };
    (0..slopes.len().div_ceil(LANES)).map(panel).collect()
}

impl Work<'_> {
    /// Values of the partial sums: 1×1 by groups of panels of outputs, as `products::Pairs` lays them out, then depthwise.
    fn sums(&self) -> usize {
        if self.weights { self.pointwise_sums() + self.middle() * self.forward_taps.len() * LANES } else { 0 }
    }

    fn middle(&self) -> usize {
        self.plan.middle.panels()
    }

    fn pointwise_sums(&self) -> usize {
        self.plan.output.panels() * self.middle() * LANES * LANES
    }

    fn task(&self, image: usize, piece: &Piece, sums: &mut [f32]) {
        let (plan, own) = (self.plan, piece.positions() * LANES);
        let (g_size, d_size) = (size(&piece.inside), size(&piece.d));
        let lengths = [plan.output.panels() * g_size, self.middle() * d_size, size(&piece.x).max(g_size)];
        with_scratch(lengths, |[g, d, x]| {
            for (q, g) in g.chunks_exact_mut(g_size).take(plan.output.panels()).enumerate() {
                let (at, planes) = (plan.output.at(image, q), plan.output.of_panel(q));
                gather(&self.gradient[at..], plan.output.plane, planes, piece.inside, g);
                gather(&self.z[at..], plan.output.plane, planes, piece.inside, x);
                dispatch(Normed { g, z: &x[..g_size], slopes: &self.slopes[q] });
            }
            if g_size < d_size {
                d.fill(0.0);
            }
            self.mix.sums(self.mixing.get(), &piece.mixed, g_size, g, d, d_size, &self.zeros);
            with_scratch([own.max(piece.input[0].len() * piece.input[1].len() * LANES)], |[y]| {
                for p in 0..self.middle() {
                    rectified(&plan.input, self.parts.x.values, image, p, piece.x, x);
                    let d = &mut d[p * d_size..(p + 1) * d_size];
                    if self.weights {
                        self.weights(piece, p, x, g, d, &mut y[..own], sums);
                    }
                    if self.dx.is_some() {
                        self.input(image, piece, p, x, d, y);
                    }
                }
            });
        });
    }

    fn kernel(&self, p: usize) -> Option<&[f32]> {
        let size = depthwise::per_panel(self.forward_taps.len());
        self.kernels.as_ref().map(|kernels| &kernels[p * size..(p + 1) * size])
    }

    #[allow(clippy::too_many_arguments)] // one panel's arrays
    fn weights(&self, piece: &Piece, p: usize, x: &[f32], g: &[f32], d: &[f32], y: &mut [f32], sums: &mut [f32]) {
        let (plan, lines, columns) = (self.plan, piece.own[0].len(), piece.own[1].len());
        let middle = match self.kernel(p) {
            None => x,
            Some(weights) => {
                let taps = piece.reads.taps.iter().copied();
                let reads: Vec<(usize, usize)> = taps.zip(self.forward_taps.iter().copied()).collect();
                let (x_at, y_at) = (&piece.reads.x_at, &piece.reads.y_at);
                dispatch(depthwise::Sums { x, x_at, reads: &reads, weights, y, y_at });
                y
            }
        };
        let (inside, g_size) = (&piece.inside, size(&piece.inside));
        let first = |w: &Window| {
            let [row, column] = [piece.own[0].start as isize - w.row, piece.own[1].start as isize - w.column];
            (row as usize * w.columns + column as usize) * LANES
        };
        let rows: Vec<usize> = (0..LANES).collect();
        for q in (0..plan.output.panels()).step_by(GROUP) {
            let panels = (plan.output.panels() - q).min(GROUP);
            let at = (q * self.middle() + p * panels) * LANES * LANES;
            dispatch(products::Pairs {
                x: middle,
                rows: &rows,
                x_line: columns * LANES,
                x_step: LANES,
                lines,
                columns,
                g: &g[q * g_size + first(inside)..],
                g_line: inside.columns * LANES,
                g_panel: g_size,
                panels,
                sums: &mut sums[at..at + panels * LANES * LANES],
                add: true,
            });
        }
        if self.kernels.is_some() {
            let taps = self.forward_taps.len() * LANES;
            dispatch(depthwise::Pairs {
                x,
                reads: &piece.reads.taps,
                x_line: self.steps[0] * piece.x.columns * LANES,
                x_step: self.steps[1] * LANES,
                lines,
                columns,
                g: &d[first(&piece.d)..],
                g_line: piece.d.columns * LANES,
                sums: &mut sums[self.pointwise_sums() + p * taps..][..taps],
            });
        }
    }

    /// The gradient of one panel of the input, where it was above 0.
    fn input(&self, image: usize, piece: &Piece, p: usize, x: &[f32], d: &mut [f32], y: &mut [f32]) {
        let (lines, columns) = (piece.input[0].len(), piece.input[1].len());
        if lines * columns == 0 {
            return;
        }
        let gradient = match self.kernel(p) {
            None => d,
            Some(weights) => {
                for (at, taps) in piece.back.iter().zip(&self.back_taps) {
                    let reads: Vec<(usize, usize)> = at.taps.iter().copied().zip(taps.iter().copied()).collect();
                    let (x_at, y_at) = (&at.x_at, &at.y_at);
                    dispatch(depthwise::Sums { x: d, x_at, reads: &reads, weights, y, y_at });
                }
                y
            }
        };
        let [row, column] =
            [piece.input[0].start as isize - piece.x.row, piece.input[1].start as isize - piece.x.column];
        let x = &x[(row as usize * piece.x.columns + column as usize) * LANES..];
        dispatch(Gate {
            x,
            pitch: piece.x.columns * LANES,
            columns: columns * LANES,
            values: &mut gradient[..lines * columns * LANES],
        });
        let (out, add) = self.dx.as_ref().expect("asked for");
        let onto = if *add { Onto::Add } else { Onto::Replace };
        // SAFETY: input blocks of one image do not overlap.
        unsafe { put(&self.plan.input, image, p, &piece.input, gradient, *out, onto) };
    }

    /// Adds up the parts and hands them to the sinks of the weights: depthwise, where there is one, then 1×1.
    fn put(&self, sums: &[f32], sinks: &mut [Option<Sink<'_, f32>>]) {
        let (size, middle) = (self.sums(), self.middle());
        let total = |at: usize| sums.chunks_exact(size).map(|part| f64::from(part[at])).sum::<f64>() as f32;
        let (depthwise, pointwise) = sinks.split_at_mut(usize::from(self.kernels.is_some()));
        if let Some(sink) = &mut pointwise[0] {
            for o in 0..self.plan.output.count {
                let q = o / LANES / GROUP * GROUP;
                let panels = (self.plan.output.panels() - q).min(GROUP);
                for c in 0..self.plan.middle.count {
                    let row = c * panels + o / LANES - q;
                    sink.put(o * self.plan.middle.count + c, total((q * middle * LANES + row) * LANES + o % LANES));
                }
            }
        }
        if let Some(sink) = depthwise.iter_mut().flatten().next() {
            let taps = self.forward_taps.len();
            for c in 0..self.plan.middle.count {
                for tap in 0..taps {
                    let at = self.pointwise_sums() + (c / LANES * taps + tap) * LANES + c % LANES;
                    sink.put(c * taps + self.forward_taps[tap], total(at));
                }
            }
        }
    }
}

/// The norm's gradient of its input, in place of that of its output.
struct Normed<'a> {
    g: &'a mut [f32],
    z: &'a [f32],
    slopes: &'a [[f32; LANES]; 4],
}

impl Routine for Normed<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: eight values each.
        unsafe {
            let [by_g, by_z, one, mean] = self.slopes.each_ref().map(|s| V::load(s.as_ptr()));
            for (g, z) in self.g.as_chunks_mut::<LANES>().0.iter_mut().zip(self.z.as_chunks::<LANES>().0) {
                let centred = V::load(z.as_ptr()).sub(mean);
                V::load(g.as_ptr()).fma(by_g, centred.fma(by_z, one)).store(g.as_mut_ptr());
            }
        }
    }
}

/// Sets values to 0 where x, in rows `pitch` apart, is not above 0.
struct Gate<'a> {
    x: &'a [f32],
    pitch: usize,
    columns: usize,
    values: &'a mut [f32],
}

impl Routine for Gate<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        for (row, values) in self.values.chunks_exact_mut(self.columns).enumerate() {
            let x = &self.x[row * self.pitch..][..self.columns];
            for (value, x) in values.as_chunks_mut::<LANES>().0.iter_mut().zip(x.as_chunks::<LANES>().0) {
                // SAFETY: eight values each.
                unsafe { V::load(value.as_ptr()).and(V::load(x.as_ptr()).gt(V::splat(0.0))).store(value.as_mut_ptr()) };
            }
        }
    }
}
