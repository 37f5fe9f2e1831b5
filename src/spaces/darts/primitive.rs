//! The layers of one primitive, alike in the search network of a list of choices and in what a genotype describes. Knows no
//! cell.

use crate::nn::batch_norm::Norm;
use crate::nn::builder::{Builder, Value};
use crate::nn::conv::{ConvShape, Init};
use crate::nn::separable::SeparableShape;
use crate::ops::add::Add;
use crate::ops::average_pool::AveragePool;
use crate::ops::max_pool::MaxPool;
use crate::ops::relu::Relu;
use crate::ops::spectral::Spectral;
use crate::ops::window::Window;
use crate::spaces::darts::genotype::Primitive;
use crate::spaces::darts::preprocess::factorized_reduce;
use std::sync::Arc;

/// Where a primitive stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub series: bool,
    pub stride: usize,
    /// Of its norms.
    pub norm: Norm,
}

impl Place {
    /// Has norms, and takes a residual.
    pub fn ends_with_norm(&self, primitive: Primitive) -> bool {
        match primitive {
            Primitive::MaxPool | Primitive::AveragePool => false,
            Primitive::Skip => self.stride == 2,
            Primitive::Sep(_) | Primitive::Dil(_) | Primitive::Crossed(_) | Primitive::Spectral(_) => true,
        }
    }

    /// The primitive of `x`, its parameters named under `name`; `residual` is added where it ends with a norm.
    pub fn layer(&self, b: &mut Builder, name: &str, primitive: Primitive, x: Value, residual: Option<Value>) -> Value {
        let Place { series, stride, norm } = *self;
        let c = x.channels;
        let separable = |depthwise| SeparableShape { series, outputs: c, depthwise: Some(depthwise) };
        match primitive {
            Primitive::Skip if stride == 1 => x,
            Primitive::Skip => {
                let y = factorized_reduce(b, name, x, c, series, norm);
                match residual {
                    Some(residual) => b.step(Arc::new(Add { terms: 2 }), &[y, residual], [], c),
                    None => y,
                }
            }
            Primitive::MaxPool | Primitive::AveragePool => {
                let window = if series {
                    Window { kernel: [1, 3], stride: [1, stride], padding: [0, 1], ceil_mode: false }
                } else {
                    Window::square(3, stride, 1)
                };
                if primitive == Primitive::MaxPool {
                    b.step(Arc::new(MaxPool { window }), &[x], [], c)
                } else {
                    b.step(Arc::new(AveragePool { window, count_padding: false }), &[x], [], c)
                }
            }
            Primitive::Sep(kernel) => b.within(&format!("{name}.op"), |b| {
                let y = separable((kernel, stride, 1)).layer(b, 1, x, norm, None);
                separable((kernel, 1, 1)).layer(b, 5, y, norm, residual)
            }),
            Primitive::Dil(kernel) => {
                b.within(&format!("{name}.op"), |b| separable((kernel, stride, 2)).layer(b, 1, x, norm, residual))
            }
            // ReLU, 1×k along the width, k×1 along the height, norm (`quark0/darts`, cnn/operations.py, conv_7x1_1x7); on series the
            // first alone
            Primitive::Crossed(kernel) => b.within(&format!("{name}.op"), |b| {
                let across = ConvShape::same(true, c, c, kernel, stride);
                let [kernel, strides, padding] = [across.kernel, across.stride, [across.padding[1][0]; 2]];
                let down =
                    ConvShape { kernel: [kernel[1], 1], stride: [strides[1], 1], padding: [padding, [0; 2]], ..across };
                let mut y = b.step(Arc::new(Relu), &[x], [], c);
                y = across.layer(b, "1", y, Init::FanIn);
                if !series {
                    y = down.layer(b, "2", y, Init::FanIn);
                }
                norm.layer(b, if series { "2" } else { "3" }, y, residual)
            }),
            // in the place of a convolution, between ReLU and norm. Weights start so that their sum over the channels has about the
            // size of its terms: the operator's authors draw from 0..1/C², which a norm's ε would drown.
            Primitive::Spectral(modes) => b.within(&format!("{name}.op"), |b| {
                let rows = if series { 1 } else { 2 * modes };
                let bound = 1.0 / (c as f64).sqrt();
                let y = b.step(Arc::new(Relu), &[x], [], c);
                let weight = b.within("1", |b| {
                    b.parameter("weight", &[c, c, rows, modes, 2], |s| (2.0 * s.uniform() - 1.0) * bound)
                });
                let y = b.step(Arc::new(Spectral { stride }), &[y], [weight], c);
                norm.layer(b, "2", y, residual)
            }),
        }
    }
}
