//! The fast paths in `f32` and the choice among them. Knows no arithmetic but that of bias and summand.

use crate::ops::conv::axes::{Axes, Axis, Channels, Order};
use crate::ops::conv::correlation::Correlation;
use crate::ops::conv::depthwise::Depthwise;
use crate::ops::conv::panels::Onto;
use crate::ops::conv::sizes::Sizes;
use crate::ops::conv::weight_gradient::WeightGradient;
use crate::ops::conv::winograd;
use crate::ops::conv::winograd::planes::Convolution;
use crate::ops::operator::Sink;
use rayon::prelude::{
    IndexedParallelIterator, IntoParallelRefMutIterator, ParallelIterator, ParallelSlice, ParallelSliceMut,
};

/// Values per task of what only adds or copies.
const CHUNK: usize = 1 << 16;

pub fn axes(s: &Sizes, axis: fn(usize, usize, usize, usize) -> Axis) -> Axes {
    let axes = [0, 1].map(|a| axis(s.kernel[a], s.stride[a], s.dilation[a], s.padding[a][0]));
    Axes { axes, kernel_width: s.kernel[1] }
}

/// The inputs and the outputs of group `group`.
fn channels(s: &Sizes, group: usize) -> [Channels; 2] {
    let [inputs, outputs] = s.group();
    [
        Channels { channels: s.inputs, first: group * inputs, count: inputs, plane: s.plane },
        Channels { channels: s.outputs, first: group * outputs, count: outputs, plane: s.out },
    ]
}

/// Every channel by itself.
fn depthwise(s: &Sizes, backward: bool) -> Option<Depthwise> {
    let every = Channels { channels: s.inputs, first: 0, count: s.inputs, plane: s.plane };
    let (source, target) = (every, Channels { plane: s.out, ..every });
    let (images, taps) = (s.images, s.taps());
    (s.groups == s.inputs && s.groups == s.outputs && s.groups > 1).then(|| {
        if backward {
            Depthwise { images, source: target, target: source, axes: axes(s, Axis::backward), taps }
        } else {
            Depthwise { images, source, target, axes: axes(s, Axis::forward), taps }
        }
    })
}

/// Where weights lie with the outputs as targets.
pub fn order(s: &Sizes, group: usize) -> Order {
    let [inputs, outputs] = s.group();
    let target_step = inputs * s.taps();
    Order { first: group * outputs * target_step, target_step, source_step: s.taps() }
}

fn onto<'a>(add: bool) -> Onto<'a> {
    if add { Onto::Add } else { Onto::Replace }
}

pub fn forward(s: &Sizes, x: &[f32], weights: &[f32], bias: Option<&[f32]>, residual: Option<&[f32]>, out: &mut [f32]) {
    let onto = residual.map_or(Onto::Replace, Onto::Plus);
    if winograd::fits(s) {
        let ([source, target], before) = (channels(s, 0), s.padding.map(|p| p[0] as isize));
        let order = order(s, 0);
        Convolution { images: s.images, source, target, before, weights, order, turned: false, bias }.run(x, out, onto);
        return;
    }
    if let Some(depthwise) = depthwise(s, false) {
        depthwise.run(x, weights, bias, out, onto);
        return;
    }
    for group in 0..s.groups {
        let [source, target] = channels(s, group);
        let bias = bias.map(|b| &b[target.first..target.first + target.count]);
        let (axes, order) = (axes(s, Axis::forward), order(s, group));
        Correlation { images: s.images, source, target, axes, weights, order, bias }.run(x, out, onto);
    }
}

pub fn input_gradient(s: &Sizes, weights: &[f32], g: &[f32], sink: &mut Sink<'_, f32>) {
    if winograd::fits(s) {
        let ([target, source], before) = (channels(s, 0), s.padding.map(|p| 2 - p[0] as isize));
        let order = order(s, 0).reversed();
        Convolution { images: s.images, source, target, before, weights, order, turned: true, bias: None }.run(
            g,
            sink.values,
            onto(sink.add),
        );
        return;
    }
    if let Some(depthwise) = depthwise(s, true) {
        depthwise.run(g, weights, None, sink.values, onto(sink.add));
        return;
    }
    for group in 0..s.groups {
        let [target, source] = channels(s, group);
        let (axes, order) = (axes(s, Axis::backward), order(s, group).reversed());
        Correlation { images: s.images, source, target, axes, weights, order, bias: None }.run(
            g,
            sink.values,
            onto(sink.add),
        );
    }
}

pub fn weight_gradient(s: &Sizes, x: &[f32], g: &[f32], sink: &mut Sink<'_, f32>) {
    if winograd::fits(s) {
        let ([source, target], before) = (channels(s, 0), s.padding.map(|p| p[0] as isize));
        winograd::weights::WeightGradient { images: s.images, source, target, before, order: order(s, 0) }
            .run(x, g, sink);
        return;
    }
    if let Some(depthwise) = depthwise(s, false) {
        depthwise.weight_gradient(x, g, sink);
        return;
    }
    for group in 0..s.groups {
        let [source, target] = channels(s, group);
        let (axes, order) = (axes(s, Axis::forward), order(s, group));
        WeightGradient { images: s.images, source, target, axes, order }.run(x, g, sink);
    }
}

/// Sums over images and positions, in f64.
pub fn bias_gradient(s: &Sizes, g: &[f32], sink: &mut Sink<'_, f32>) {
    let add = sink.add;
    sink.values.par_iter_mut().enumerate().for_each(|(o, to)| {
        let mut total = 0.0;
        for image in 0..s.images {
            let plane = &g[(image * s.outputs + o) * s.out_area()..][..s.out_area()];
            let mut lanes = [0f64; 8];
            let chunks = plane.chunks_exact(8);
            total += chunks.remainder().iter().map(|v| f64::from(*v)).sum::<f64>();
            for chunk in chunks {
                lanes.iter_mut().zip(chunk).for_each(|(lane, v)| *lane += f64::from(*v));
            }
            total += lanes.iter().sum::<f64>();
        }
        *to = if add { *to + total as f32 } else { total as f32 };
    });
}

pub fn residual_gradient(g: &[f32], sink: &mut Sink<'_, f32>) {
    let add = sink.add;
    sink.values.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK)).for_each(|(to, g)| {
        if add {
            to.iter_mut().zip(g).for_each(|(to, g)| *to += g);
        } else {
            to.copy_from_slice(g);
        }
    });
}
