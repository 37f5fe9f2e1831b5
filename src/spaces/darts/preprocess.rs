//! What a cell does to its two inputs before its edges see them (methods spec §4.1). Knows no cell.

use crate::nn::batch_norm::Norm;
use crate::nn::builder::{Builder, Value};
use crate::nn::conv::{ConvShape, Init};
use crate::nn::separable::SeparableShape;
use crate::ops::concat::Concat;
use crate::ops::relu::Relu;
use crate::ops::subsample::Subsample;
use std::sync::Arc;

/// ReLU → 1×1 → norm, named `<name>.op.1.weight` and `<name>.op.2.…` as upstream's sequence.
pub fn relu_conv_norm(b: &mut Builder, name: &str, x: Value, outputs: usize, norm: Norm) -> Value {
    let shape = SeparableShape { series: false, outputs, depthwise: None };
    b.within(&format!("{name}.op"), |b| shape.layer(b, 1, x, norm, None))
}

/// ReLU → two 1×1 of stride 2 side by side → norm. On planes the second sees the input shifted by one pixel, on series both
/// see the same positions (`NB360:darts_1d/gaea/search/operations.py`).
pub fn factorized_reduce(b: &mut Builder, name: &str, x: Value, outputs: usize, series: bool, norm: Norm) -> Value {
    let activated = b.step(Arc::new(Relu), &[x], [], x.channels);
    b.within(name, |b| {
        let half = |b: &mut Builder, name: &str, offset: usize, outputs: usize| {
            let part = b.step(Arc::new(Subsample { offset }), &[activated], [], x.channels);
            ConvShape::same(false, x.channels, outputs, 1, 1).layer(b, name, part, Init::FanIn)
        };
        let first = half(b, "conv_1", 0, outputs / 2);
        let second = half(b, "conv_2", usize::from(!series), outputs - outputs / 2);
        let both = b.step(Arc::new(Concat { axis: 1, inputs: 2 }), &[first, second], [], outputs);
        norm.layer(b, "bn", both, None)
    })
}
