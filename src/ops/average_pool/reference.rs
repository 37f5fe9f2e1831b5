//! Means of windows in plain loops of f64: what the fast path is judged against.

use crate::ops::average_pool::{AveragePool, Sizes};
use crate::ops::operator::Sink;

/// Calls `f` with the place of each output value, the place of each value of its window, and the window's count.
fn each(op: &AveragePool, sizes: Sizes, planes: usize, mut f: impl FnMut(usize, usize, f64)) {
    let Sizes { input: [height, width], output: [rows, columns] } = sizes;
    for to in 0..planes * rows * columns {
        let (plane, row, column) = (to / (rows * columns), to / columns % rows, to % columns);
        let ((top, bottom), (left, right)) = (op.window.range(0, row, height), op.window.range(1, column, width));
        let count =
            op.window.count(0, row, height, op.count_padding) * op.window.count(1, column, width, op.count_padding);
        for y in top..bottom {
            for x in left..right {
                f(to, (plane * height + y) * width + x, count as f64);
            }
        }
    }
}

pub fn forward(op: &AveragePool, sizes: Sizes, x: &[f64], out: &mut [f64]) {
    out.fill(0.0);
    let planes = x.len() / (sizes.input[0] * sizes.input[1]);
    each(op, sizes, planes, |to, from, count| out[to] += x[from] / count);
}

pub fn backward(op: &AveragePool, sizes: Sizes, gradient: &[f64], dx: &mut Sink<'_, f64>) {
    dx.clear();
    let planes = gradient.len() / (sizes.output[0] * sizes.output[1]);
    each(op, sizes, planes, |to, from, count| dx.values[from] += gradient[to] / count);
}
