//! The same in `f64`, by the reference forms of the single operators, one after the other.

use crate::ops::conv::Conv;
use crate::ops::operator::{Kernel, Mode, Saved, Sink, View};
use crate::ops::relu::Relu;
use crate::ops::separable::{Parts, Separable, of_norm};

const STEP: Mode<'static, f64> = Mode::Train { step: 0 };
const POINTWISE: Conv =
    Conv { stride: [1; 2], padding: [[0; 2]; 2], dilation: [1; 2], groups: 1, bias: false, residual: false };

fn of(op: &dyn Kernel<f64>, inputs: &[View<'_, f64>]) -> (Vec<f64>, Vec<usize>) {
    let dims = op.output(&inputs.iter().map(|v| v.dims).collect::<Vec<_>>()).expect("dimensions were checked");
    let mut out = vec![0.0; dims.iter().product()];
    op.forward(inputs, STEP, &mut out, &mut Saved::default());
    (out, dims)
}

/// The rectified input, and what the 1×1 sees with its dimensions.
fn middle(op: &Separable, parts: &Parts<'_, f64>) -> (Vec<f64>, Vec<f64>, Vec<usize>) {
    let x = of(&Relu, &[parts.x]).0;
    match parts.depthwise {
        None => (x.clone(), x, parts.x.dims.to_vec()),
        Some(weights) => {
            let conv = op.convolution(parts.x.dims[1], [weights.dims[2], weights.dims[3]]);
            let (d, dims) = of(&conv, &[View { values: &x, dims: parts.x.dims }, weights]);
            (x, d, dims)
        }
    }
}

pub fn forward(op: &Separable, parts: &Parts<'_, f64>, mode: Mode<'_, f64>, out: &mut [f64], saved: &mut Saved<f64>) {
    let (_, d, dims) = middle(op, parts);
    let (z, dims) = of(&POINTWISE, &[View { values: &d, dims: &dims }, parts.pointwise]);
    let mut left = Saved::default();
    Kernel::<f64>::forward(&op.norm(), &of_norm(&z, &dims, &parts.rest), mode, out, &mut left);
    saved.statistics = std::mem::take(&mut left.statistics);
    saved.arrays = vec![z];
    saved.nested = vec![left];
}

pub fn backward(
    op: &Separable,
    parts: &Parts<'_, f64>,
    saved: &Saved<f64>,
    gradient: &[f64],
    sinks: &mut [Option<Sink<'_, f64>>],
) {
    let (rectified, d, dims) = middle(op, parts);
    let (first, rest) = sinks.split_at_mut(op.pointwise_at() + 1);
    let z_dims = [dims[0], parts.pointwise.dims[0], dims[2], dims[3]];
    let (mut dz, mut dd) = (vec![0.0; gradient.len()], vec![0.0; d.len()]);
    let mut of_sinks: Vec<Option<Sink<'_, f64>>> = vec![Some(Sink { values: &mut dz, add: false })];
    of_sinks.extend(rest.iter_mut().map(|s| s.as_mut().map(|s| Sink { values: &mut *s.values, add: s.add })));
    let of_norm = of_norm(&saved.arrays[0], &z_dims, &parts.rest);
    op.norm().backward(&of_norm, &[], &saved.nested[0], gradient, &mut of_sinks);
    let inputs = [View { values: &d, dims: &dims }, parts.pointwise];
    let pointwise = first[op.pointwise_at()].take();
    POINTWISE.backward(
        &inputs,
        &[],
        &Saved::default(),
        &dz,
        &mut [Some(Sink { values: &mut dd, add: false }), pointwise],
    );
    let mut dr = dd;
    if let Some(weights) = parts.depthwise {
        let conv = op.convolution(parts.x.dims[1], [weights.dims[2], weights.dims[3]]);
        let dd = std::mem::replace(&mut dr, vec![0.0; rectified.len()]);
        let inputs = [View { values: &rectified, dims: parts.x.dims }, weights];
        let into = Some(Sink { values: &mut dr, add: false });
        conv.backward(&inputs, &[], &Saved::default(), &dd, &mut [into, first[1].take()]);
    }
    Relu.backward(&[parts.x], &rectified, &Saved::default(), &dr, &mut first[..1]);
}
