//! Kernels of single operators against their CPU twins: one and two dimensions, odd sizes, strides 1 and 2.

use super::check::{check, check_in};
use crate::support::operator_check::Case;
use nasperf_pipe::ops::add::Add;
use nasperf_pipe::ops::average_pool::AveragePool;
use nasperf_pipe::ops::batch_norm::BatchNorm;
use nasperf_pipe::ops::channel_shuffle::ChannelShuffle;
use nasperf_pipe::ops::concat::Concat;
use nasperf_pipe::ops::conv::Conv;
use nasperf_pipe::ops::dropout::{Dropout, Unit};
use nasperf_pipe::ops::global_pool::GlobalPool;
use nasperf_pipe::ops::launch::planner::Numerics;
use nasperf_pipe::ops::linear::Linear;
use nasperf_pipe::ops::max_pool::MaxPool;
use nasperf_pipe::ops::narrow::Narrow;
use nasperf_pipe::ops::operator::Operator;
use nasperf_pipe::ops::ramp::Ramp;
use nasperf_pipe::ops::relu::Relu;
use nasperf_pipe::ops::segment_softmax::SegmentSoftmax;
use nasperf_pipe::ops::separable::{Depthwise, Separable};
use nasperf_pipe::ops::softmax::Softmax;
use nasperf_pipe::ops::subsample::Subsample;
use nasperf_pipe::ops::upsample::{Interpolation, Upsample};
use nasperf_pipe::ops::weighted_sum::WeightedSum;
use nasperf_pipe::ops::window::Window;
use nasperf_pipe::seed::Purpose;
use std::sync::Arc;

fn checked(op: impl Operator + 'static, dims: &[&[usize]]) {
    check(&Case::new(Arc::new(op), dims));
}

#[test]
fn element_wise_operators() {
    checked(Relu, &[&[3, 5, 7]]);
    checked(Relu, &[&[1]]);
    for terms in [1, 2, 4, 5, 9] {
        checked(Add { terms }, &vec![&[3, 5, 7][..]; terms]);
    }
}

#[test]
fn weighted_sums() {
    let term = &[2usize, 3, 4, 5][..];
    checked(WeightedSum { weights: vec![3, 0] }, &[term, term, &[5]]);
    checked(WeightedSum { weights: vec![1, 1, 4, 0, 2, 3] }, &[term, term, term, term, term, term, &[5]]);
    // several parts of a sum
    checked(WeightedSum { weights: vec![1] }, &[&[3, 3000], &[2]]);
}

#[test]
fn rearrangements() {
    checked(Narrow { start: 1, count: 2 }, &[&[2, 4, 3, 5]]);
    checked(Narrow { start: 0, count: 1 }, &[&[3, 1, 7]]);
    checked(Concat { axis: 1, inputs: 3 }, &[&[3, 2, 5, 4], &[3, 1, 5, 4], &[3, 4, 5, 4]]);
    checked(Concat { axis: 0, inputs: 2 }, &[&[7], &[300]]);
    checked(Concat { axis: 1, inputs: 6 }, &[&[2, 1, 3], &[2, 2, 3], &[2, 3, 3], &[2, 4, 3], &[2, 1, 3], &[2, 5, 3]]);
    for offset in [0, 1] {
        checked(Subsample { offset }, &[&[2, 3, 5, 8]]);
        checked(Subsample { offset }, &[&[2, 3, 1, 9]]);
    }
    checked(ChannelShuffle { groups: 4 }, &[&[3, 12, 5, 3]]);
    checked(ChannelShuffle { groups: 2 }, &[&[2, 6, 1, 7]]);
}

#[test]
fn pools() {
    checked(GlobalPool { window: None }, &[&[3, 5, 7, 6]]);
    checked(GlobalPool { window: Some(4) }, &[&[3, 5, 7, 3]]);
    checked(GlobalPool { window: None }, &[&[2, 3, 1, 70]]);
    let hanging = Window { kernel: [1, 2], stride: [1, 2], padding: [0, 0], ceil_mode: true };
    let row = Window { kernel: [1, 3], stride: [1, 2], padding: [0, 1], ceil_mode: false };
    for (window, dims) in [
        (Window::square(3, 1, 1), [2, 3, 6, 5]),
        (Window::square(3, 2, 1), [2, 3, 7, 6]),
        (Window::square(2, 2, 0), [1, 2, 7, 8]),
        (hanging, [2, 3, 1, 9]),
        (row, [2, 3, 1, 10]),
    ] {
        checked(MaxPool { window }, &[&dims]);
        checked(AveragePool { window, count_padding: false }, &[&dims]);
        checked(AveragePool { window, count_padding: true }, &[&dims]);
        // ties: the first in row order gets the gradient
        let mut case = Case::new(Arc::new(MaxPool { window }), &[&dims]);
        case.inputs[0].1.iter_mut().for_each(|v| *v = v.round());
        check(&case);
    }
}

#[test]
fn resampling() {
    let bilinear = |align_corners| Interpolation::Bilinear { align_corners };
    for interpolation in [Interpolation::Nearest, bilinear(false), bilinear(true)] {
        for (dims, size) in
            [([2, 3, 5, 7], [10, 14]), ([1, 2, 6, 9], [4, 5]), ([1, 2, 7, 3], [1, 13]), ([3, 2, 1, 21], [1, 50])]
        {
            checked(Upsample { size, interpolation }, &[&dims]);
        }
    }
}

#[test]
fn products() {
    checked(Linear { bias: true, positions: false }, &[&[5, 37], &[10, 37], &[10]]);
    checked(Linear { bias: false, positions: false }, &[&[1, 3], &[70, 3]]);
    checked(Linear { bias: true, positions: true }, &[&[3, 5, 7, 6], &[35, 5], &[35]]);
    // longer than a part of a sum
    checked(Linear { bias: false, positions: true }, &[&[3, 5, 1, 411], &[4, 5]]);
}

#[test]
fn convolutions() {
    let plain = |stride, padding| Conv::new([stride; 2], [padding; 2]);
    checked(plain(1, 1), &[&[3, 5, 7, 6], &[4, 5, 3, 3]]);
    checked(plain(2, 1), &[&[2, 3, 8, 7], &[34, 3, 3, 3]]);
    checked(plain(2, 0), &[&[2, 3, 7, 5], &[4, 3, 1, 1]]);
    let full = Conv { bias: true, residual: true, ..plain(1, 1) };
    checked(full, &[&[2, 3, 5, 4], &[4, 3, 3, 3], &[4], &[2, 4, 5, 4]]);
    let grouped = Conv { groups: 2, dilation: [2; 2], ..plain(1, 2) };
    checked(grouped, &[&[2, 4, 6, 7], &[6, 2, 3, 3]]);
    let uneven = Conv { padding: [[0, 0], [2, 1]], ..Conv::new([1, 2], [0, 0]) };
    checked(uneven, &[&[3, 2, 1, 19], &[5, 2, 1, 4]]);
    // longer than a part of a sum
    checked(plain(1, 1), &[&[3, 2, 20, 11], &[3, 2, 3, 3]]);
}

#[test]
fn depthwise_convolutions() {
    for (stride, dilation, kernel) in [(1, 1, 3), (2, 1, 3), (1, 2, 5), (2, 2, 5), (2, 1, 5)] {
        let padding = dilation * (kernel / 2);
        let conv = Conv { dilation: [dilation; 2], groups: 3, ..Conv::new([stride; 2], [padding; 2]) };
        checked(conv, &[&[2, 3, 9, 8], &[3, 1, kernel, kernel]]);
        let series = Conv { dilation: [1, dilation], groups: 4, ..Conv::new([1, stride], [0, padding]) };
        checked(series, &[&[3, 4, 1, 23], &[4, 1, 1, kernel]]);
    }
    let many = Conv { groups: 2, ..Conv::new([1; 2], [1; 2]) };
    checked(many, &[&[6, 2, 16, 17], &[2, 1, 3, 3]]);
    // more taps than registers: as a general convolution
    let wide = Conv { groups: 2, ..Conv::new([1; 2], [3; 2]) };
    checked(wide, &[&[2, 2, 8, 7], &[2, 1, 7, 7]]);
}

#[test]
fn batch_norms() {
    for (affine, relu, residual) in
        [(false, false, false), (true, false, false), (true, true, false), (true, true, true), (false, true, true)]
    {
        let op = BatchNorm { affine, relu, residual, eps: 1e-5 };
        for x in [&[3, 5, 7, 6][..], &[2, 3, 1, 5], &[7, 4]] {
            let channels = [x[1]];
            let mut dims: Vec<&[usize]> = vec![x];
            if affine {
                dims.extend([&channels[..]; 2]);
            }
            if residual {
                dims.push(x);
            }
            checked(op, &dims);
        }
    }
    // a mean far from 0, more values than a part of a sum
    let op = BatchNorm { affine: true, relu: false, residual: false, eps: 1e-5 };
    let mut case = Case::new(Arc::new(op), &[&[5, 2, 20, 21], &[2], &[2]]);
    case.inputs[0].1.iter_mut().for_each(|v| *v += 100.0);
    case.tolerance = 2e-5; // f32 holds 100 + x to 4e-6
    check(&case);
}

#[test]
fn separable_convolutions() {
    for (stride, dilation, kernel) in [(1, 1, 3), (2, 2, 5)] {
        for (affine, residual) in [(false, false), (true, true)] {
            let depthwise = Some(Depthwise { stride: [stride; 2], dilation: [dilation; 2] });
            let op = Separable { depthwise, affine, residual, eps: 1e-3 };
            let out = [3, 4, 7usize.div_ceil(stride), 6usize.div_ceil(stride)];
            let weights = [5, 1, kernel, kernel];
            let mut dims: Vec<&[usize]> = vec![&[3, 5, 7, 6], &weights, &[4, 5, 1, 1]];
            if affine {
                dims.extend([&[4][..]; 2]);
            }
            if residual {
                dims.push(&out);
            }
            let mut case = Case::new(Arc::new(op), &dims);
            case.tolerance = 5e-6;
            check(&case);
        }
    }
    let op = Separable { depthwise: None, affine: true, residual: false, eps: 1e-5 };
    checked(op, &[&[3, 4, 1, 11], &[6, 4, 1, 1], &[6], &[6]]);
    let series = Some(Depthwise { stride: [1, 2], dilation: [1, 2] });
    let op = Separable { depthwise: series, affine: false, residual: false, eps: 1e-5 };
    let mut case = Case::new(Arc::new(op), &[&[3, 4, 1, 21], &[4, 1, 1, 5], &[4, 4, 1, 1]]);
    case.tolerance = 5e-6;
    check(&case);
}

#[test]
fn softmaxes() {
    checked(Softmax, &[&[5, 37]]);
    checked(Softmax, &[&[2, 3, 4]]);
    checked(SegmentSoftmax { lengths: vec![8, 2, 40, 1] }, &[&[51]]);
}

#[test]
fn dropouts_draw_what_the_cpu_draws() {
    let purpose = Purpose::new(7, "test", "dropout");
    checked(Dropout::new(Unit::Value, 0.3, purpose), &[&[3, 5, 301]]);
    checked(Dropout::new(Unit::Sample, 0.4, purpose), &[&[19, 5]]);
    checked(Dropout::new(Unit::Value, 0.0, purpose), &[&[19, 5]]);
    let ramp = Ramp { most: 0.7, steps: 1, epochs: 4 };
    checked(Dropout::rising(Unit::Sample, ramp, purpose), &[&[33, 2, 3]]);
}

#[test]
fn products_on_tensor_cores() {
    for (numerics, tolerance) in [(Numerics::Tf32x3, 2e-6), (Numerics::Tf32, 2e-3)] {
        let checked = |op: Arc<dyn Operator>, dims: &[&[usize]]| {
            check_in(&Case { tolerance, ..Case::new(op, dims) }, numerics);
        };
        checked(Arc::new(Linear { bias: true, positions: false }), &[&[5, 37], &[70, 37], &[70]]);
        checked(Arc::new(Linear { bias: true, positions: true }), &[&[3, 5, 7, 6], &[35, 5], &[35]]);
        checked(Arc::new(Linear { bias: false, positions: true }), &[&[3, 5, 1, 211], &[4, 5]]);
        let full = Conv { bias: true, residual: true, ..Conv::new([2; 2], [1; 2]) };
        checked(Arc::new(full), &[&[2, 3, 9, 8], &[4, 3, 3, 3], &[4], &[2, 4, 5, 4]]);
        let grouped = Conv { groups: 2, dilation: [2; 2], ..Conv::new([1; 2], [2; 2]) };
        checked(Arc::new(grouped), &[&[2, 4, 6, 7], &[6, 2, 3, 3]]);
    }
}
