//! Maxima of windows in plain loops of f64: what the fast path is judged against.

use crate::ops::max_pool::{MaxPool, Sizes};
use crate::ops::operator::Sink;

pub fn forward(op: &MaxPool, sizes: Sizes, x: &[f64], out: &mut [f64], places: &mut [u32]) {
    let Sizes { input: [height, width], output: [rows, columns] } = sizes;
    for (plane, x) in x.chunks_exact(height * width).enumerate() {
        for row in 0..rows {
            for column in 0..columns {
                let (top, bottom) = op.window.range(0, row, height);
                let (left, right) = op.window.range(1, column, width);
                let (mut largest, mut place) = (f64::NEG_INFINITY, top * width + left);
                for y in top..bottom {
                    for column in left..right {
                        let value = x[y * width + column];
                        if value > largest || value.is_nan() {
                            (largest, place) = (value, y * width + column);
                        }
                    }
                }
                let to = (plane * rows + row) * columns + column;
                (out[to], places[to]) = (largest, place as u32);
            }
        }
    }
}

pub fn backward(sizes: Sizes, places: &[u32], gradient: &[f64], dx: &mut Sink<'_, f64>) {
    let Sizes { input: [height, width], output: [rows, columns] } = sizes;
    dx.clear();
    for (at, (place, g)) in places.iter().zip(gradient).enumerate() {
        dx.values[at / (rows * columns) * height * width + *place as usize] += *g;
    }
}
