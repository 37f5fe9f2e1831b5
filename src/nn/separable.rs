//! ReLU, depthwise and 1×1 convolution, norm, as one operator with the parameters of single layers. Knows no network.

use crate::nn::batch_norm::Norm;
use crate::nn::builder::{Builder, Value};
use crate::nn::conv::{ConvShape, Init};
use crate::ops::separable::{Depthwise, Separable};
use std::sync::Arc;

/// Without bias; the norm follows at once and has no ReLU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeparableShape {
    pub series: bool,
    pub outputs: usize,
    /// Kernel, stride and dilation; without it a 1×1 convolution of the rectified input.
    pub depthwise: Option<(usize, usize, usize)>,
}

impl SeparableShape {
    /// Makes parameters named by their places in a sequence that begins with ReLU at `place` − 1, such as `1.weight`, `2.weight`,
    /// `3.weight`, `3.bias`. `residual` is added to the norm's result.
    pub fn layer(&self, b: &mut Builder, place: usize, x: Value, norm: Norm, residual: Option<Value>) -> Value {
        assert!(!norm.relu, "the next block rectifies");
        let channels = x.channels;
        let mut parameters = Vec::new();
        let mut next = place;
        let mut convolution = |b: &mut Builder, shape: ConvShape| {
            parameters.push(b.within(&next.to_string(), |b| shape.weight(b, Init::FanIn)));
            next += 1;
        };
        let depthwise = self.depthwise.map(|(kernel, stride, dilation)| {
            // only its weights are made by this shape
            let groups = channels;
            convolution(b, ConvShape { groups, ..ConvShape::same(self.series, channels, channels, kernel, stride) });
            let both = |n: usize| if self.series { [1, n] } else { [n; 2] };
            Depthwise { stride: both(stride), dilation: both(dilation) }
        });
        convolution(b, ConvShape::same(false, channels, self.outputs, 1, 1));
        parameters.extend(norm.parameters(b, &next.to_string(), self.outputs));
        let op = Separable { depthwise, affine: norm.affine, residual: residual.is_some(), eps: norm.epsilon };
        match residual {
            None => b.step(Arc::new(op), &[x], parameters, self.outputs),
            Some(residual) => b.step_between(Arc::new(op), x, parameters, residual, self.outputs),
        }
    }
}
