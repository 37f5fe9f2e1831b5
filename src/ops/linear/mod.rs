//! y = x·Wᵀ + b for rows of features, or at each position of a plane. Knows no layer.

use crate::ops::matmul::{Matrix, multiply};
use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};

/// Inputs: x (N,I), or (N,I,H,W) with `positions`; weight (O,I); bias (O) if `bias`. Output: (N,O) or (N,O,H,W).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linear {
    pub bias: bool,
    pub positions: bool,
}

/// Images per partial sum of the weights' gradient: at most this many partial sums, whatever the number of threads.
const PARTS: usize = 8;

#[derive(Clone, Copy)]
struct Sizes {
    /// Images with `plane` positions each.
    images: usize,
    plane: usize,
    inputs: usize,
    outputs: usize,
}

impl Linear {
    fn sizes(&self, inputs: &[&[usize]]) -> Result<Sizes, String> {
        let expected = if self.positions { "(N,I,H,W)" } else { "(N,I)" };
        let wrong = format!("linear: {expected}, (O,I) and (O) if there is a bias were expected, found {inputs:?}");
        let (images, channels, plane) = match (self.positions, inputs.first()) {
            (false, Some(&&[n, i])) => (1, i, n),
            (true, Some(&&[n, i, h, w])) => (n, i, h * w),
            _ => return Err(wrong),
        };
        match *inputs {
            [_, &[o, i], &[b]] if self.bias && i == channels && b == o => {
                Ok(Sizes { images, plane, inputs: i, outputs: o })
            }
            [_, &[o, i]] if !self.bias && i == channels => Ok(Sizes { images, plane, inputs: i, outputs: o }),
            _ => Err(wrong),
        }
    }

    fn sizes_of<T>(&self, inputs: &[View<'_, T>]) -> Sizes {
        let dims: Vec<&[usize]> = inputs.iter().map(|v| v.dims).collect();
        self.sizes(&dims).expect("dimensions were checked by the definition")
    }

    /// Activations of `features` features of one image as a matrix (positions × features).
    fn matrix<'a, T>(&self, values: &'a [T], plane: usize, features: usize) -> Matrix<'a, T> {
        if self.positions {
            Matrix { values, rows: 1, columns: plane }
        } else {
            Matrix { values, rows: features, columns: 1 }
        }
    }

    fn forward<T: Real + Multiply>(&self, inputs: &[View<'_, T>], out: &mut [T]) {
        let s = self.sizes_of(inputs);
        let (x, w) = (inputs[0].values, inputs[1].values);
        out.par_chunks_exact_mut(s.outputs * s.plane).zip(x.par_chunks_exact(s.inputs * s.plane)).for_each(|(y, x)| {
            if self.positions {
                let left = Matrix { values: w, rows: s.inputs, columns: 1 };
                T::multiply(
                    s.outputs,
                    s.plane,
                    s.inputs,
                    left,
                    Matrix { values: x, rows: s.plane, columns: 1 },
                    y,
                    s.plane,
                    false,
                );
            } else {
                let right = Matrix { values: w, rows: 1, columns: s.inputs };
                T::multiply(
                    s.plane,
                    s.outputs,
                    s.inputs,
                    self.matrix(x, s.plane, s.inputs),
                    right,
                    y,
                    s.outputs,
                    false,
                );
            }
            if let Some(bias) = inputs.get(2) {
                if self.positions {
                    y.chunks_exact_mut(s.plane).zip(bias.values).for_each(|(y, b)| y.iter_mut().for_each(|y| *y += *b));
                } else {
                    y.chunks_exact_mut(s.outputs)
                        .for_each(|y| y.iter_mut().zip(bias.values).for_each(|(y, b)| *y += *b));
                }
            }
        });
    }

    fn backward<T: Real + Multiply>(&self, inputs: &[View<'_, T>], gradient: &[T], sinks: &mut [Option<Sink<'_, T>>]) {
        let s = self.sizes_of(inputs);
        let (x, w) = (inputs[0].values, inputs[1].values);
        let (ins, outs) = (s.inputs * s.plane, s.outputs * s.plane);
        if let Some(Sink { values, add }) = &mut sinks[0] {
            let add = *add;
            values.par_chunks_exact_mut(ins).zip(gradient.par_chunks_exact(outs)).for_each(|(dx, g)| {
                if self.positions {
                    let left = Matrix { values: w, rows: 1, columns: s.inputs };
                    T::multiply(
                        s.inputs,
                        s.plane,
                        s.outputs,
                        left,
                        Matrix { values: g, rows: s.plane, columns: 1 },
                        dx,
                        s.plane,
                        add,
                    );
                } else {
                    let right = Matrix { values: w, rows: s.inputs, columns: 1 };
                    T::multiply(
                        s.plane,
                        s.inputs,
                        s.outputs,
                        self.matrix(g, s.plane, s.outputs),
                        right,
                        dx,
                        s.inputs,
                        add,
                    );
                }
            });
        }
        if let Some(sink) = &mut sinks[1] {
            sink.clear();
            let per_part = s.images.div_ceil(PARTS).max(1);
            let parts = x.par_chunks(per_part * ins).zip(gradient.par_chunks(per_part * outs));
            let parts: Vec<Vec<T>> = parts
                .map(|(x, g)| {
                    let mut part = vec![T::zero(); s.outputs * s.inputs];
                    for (x, g) in x.chunks_exact(ins).zip(g.chunks_exact(outs)) {
                        let g = self.matrix(g, s.plane, s.outputs);
                        let left = Matrix { values: g.values, rows: g.columns, columns: g.rows };
                        let right = self.matrix(x, s.plane, s.inputs);
                        T::multiply(s.outputs, s.inputs, s.plane, left, right, &mut part, s.inputs, true);
                    }
                    part
                })
                .collect();
            parts.iter().for_each(|part| sink.values.iter_mut().zip(part).for_each(|(to, from)| *to += *from));
        }
        if let Some(Some(sink)) = sinks.get_mut(2) {
            sink.clear();
            let mut sums = vec![0f64; s.outputs];
            for image in gradient.chunks_exact(outs) {
                for (at, g) in image.iter().enumerate() {
                    sums[if self.positions { at / s.plane } else { at % s.outputs }] += g.double();
                }
            }
            sink.values.iter_mut().zip(sums).for_each(|(to, sum)| *to += T::of(sum));
        }
    }
}

/// The matrix product of either kind of number.
trait Multiply: Sized {
    #[allow(clippy::too_many_arguments)] // those of ops/matmul.rs
    fn multiply(
        m: usize,
        n: usize,
        k: usize,
        left: Matrix<'_, Self>,
        right: Matrix<'_, Self>,
        out: &mut [Self],
        rows: usize,
        add: bool,
    );
}

impl Multiply for f32 {
    fn multiply(
        m: usize,
        n: usize,
        k: usize,
        left: Matrix<'_, f32>,
        right: Matrix<'_, f32>,
        out: &mut [f32],
        rows: usize,
        add: bool,
    ) {
        multiply(m, n, k, left, right, out, rows, add);
    }
}

/// The reference: three loops.
impl Multiply for f64 {
    fn multiply(
        m: usize,
        n: usize,
        k: usize,
        left: Matrix<'_, f64>,
        right: Matrix<'_, f64>,
        out: &mut [f64],
        rows: usize,
        add: bool,
    ) {
        for i in 0..m {
            for j in 0..n {
                let of = |l: usize| {
                    left.values[i * left.rows + l * left.columns] * right.values[l * right.rows + j * right.columns]
                };
                let sum: f64 = (0..k).map(of).sum();
                let to = &mut out[i * rows + j];
                *to = if add { *to + sum } else { sum };
            }
        }
    }
}

impl Definition for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let s = self.sizes(inputs)?;
        Ok(match inputs[0] {
            [n, _, h, w] => vec![*n, s.outputs, *h, *w],
            _ => vec![s.plane, s.outputs],
        })
    }

    fn reads(&self) -> Reads {
        Reads { inputs: if self.bias { &[true, true, false] } else { &[true, true] }, output: false }
    }
}

impl Kernel<f32> for Linear {
    fn forward(&self, inputs: &[View<'_, f32>], _mode: Mode<'_, f32>, out: &mut [f32], _saved: &mut Saved<f32>) {
        Linear::forward(self, inputs, out);
    }

    fn backward(
        &self,
        inputs: &[View<'_, f32>],
        _output: &[f32],
        _saved: &Saved<f32>,
        gradient: &[f32],
        sinks: &mut [Option<Sink<'_, f32>>],
    ) {
        Linear::backward(self, inputs, gradient, sinks);
    }
}

impl Kernel<f64> for Linear {
    fn forward(&self, inputs: &[View<'_, f64>], _mode: Mode<'_, f64>, out: &mut [f64], _saved: &mut Saved<f64>) {
        Linear::forward(self, inputs, out);
    }

    fn backward(
        &self,
        inputs: &[View<'_, f64>],
        _output: &[f64],
        _saved: &Saved<f64>,
        gradient: &[f64],
        sinks: &mut [Option<Sink<'_, f64>>],
    ) {
        Linear::backward(self, inputs, gradient, sinks);
    }
}
