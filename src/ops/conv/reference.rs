//! Convolution by plain loops, the truth that the fast paths are judged by. Knows no speed.

use crate::ops::conv::sizes::Sizes;
use crate::ops::operator::{Real, Sink};

/// Calls `f(x, weight, y)` with the indices of every product in the sum.
fn products(s: &Sizes, mut f: impl FnMut(usize, usize, usize)) {
    let [inputs, outputs] = s.group();
    for (n, o) in (0..s.images).flat_map(|n| (0..s.outputs).map(move |o| (n, o))) {
        for (y, x) in (0..s.out[0]).flat_map(|y| (0..s.out[1]).map(move |x| (y, x))) {
            for c in 0..inputs {
                for (i, j) in (0..s.kernel[0]).flat_map(|i| (0..s.kernel[1]).map(move |j| (i, j))) {
                    let row = (y * s.stride[0] + i * s.dilation[0]).checked_sub(s.padding[0][0]);
                    let column = (x * s.stride[1] + j * s.dilation[1]).checked_sub(s.padding[1][0]);
                    let (Some(row), Some(column)) = (row, column) else { continue };
                    if row < s.plane[0] && column < s.plane[1] {
                        let channel = n * s.inputs + o / outputs * inputs + c;
                        f(
                            (channel * s.plane[0] + row) * s.plane[1] + column,
                            ((o * inputs + c) * s.kernel[0] + i) * s.kernel[1] + j,
                            ((n * s.outputs + o) * s.out[0] + y) * s.out[1] + x,
                        );
                    }
                }
            }
        }
    }
}

pub fn forward<T: Real>(s: &Sizes, x: &[T], weight: &[T], bias: Option<&[T]>, residual: Option<&[T]>, out: &mut [T]) {
    for (i, out) in out.iter_mut().enumerate() {
        let bias = bias.map_or(T::zero(), |b| b[i / s.out_area() % s.outputs]);
        *out = bias + residual.map_or(T::zero(), |r| r[i]);
    }
    products(s, |a, b, c| out[c] += x[a] * weight[b]);
}

pub fn input_gradient<T: Real>(s: &Sizes, weight: &[T], gradient: &[T], sink: &mut Sink<'_, T>) {
    sink.clear();
    products(s, |a, b, c| sink.values[a] += gradient[c] * weight[b]);
}

pub fn weight_gradient<T: Real>(s: &Sizes, x: &[T], gradient: &[T], sink: &mut Sink<'_, T>) {
    sink.clear();
    products(s, |a, b, c| sink.values[b] += gradient[c] * x[a]);
}

pub fn bias_gradient<T: Real>(s: &Sizes, gradient: &[T], sink: &mut Sink<'_, T>) {
    sink.clear();
    for (i, g) in gradient.iter().enumerate() {
        sink.values[i / s.out_area() % s.outputs] += *g;
    }
}
