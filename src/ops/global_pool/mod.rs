//! Mean over all positions of a plane, or over its top left window. Knows no head.

pub mod cuda;

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use crate::ops::window::planes_per_task;
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};

/// x (N,C,H,W) to (N,C); the sum of a plane runs in `f64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalPool {
    /// Side of the top left window; `None`: the whole plane.
    pub window: Option<usize>,
}

impl GlobalPool {
    fn sizes(&self, dims: &[usize]) -> (usize, usize, usize, usize) {
        let &[_, _, h, w] = dims else { unreachable!("dimensions were checked") };
        let side = |length: usize| self.window.map_or(length, |window| window.min(length));
        (h, w, side(h), side(w))
    }
}

impl Definition for GlobalPool {
    fn name(&self) -> &'static str {
        "global_pool"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        match *inputs {
            [&[n, c, h, w]] if h * w > 0 && self.window != Some(0) => Ok(vec![n, c]),
            _ => Err(format!("global_pool: one input (N,C,H,W) with positions was expected, found {inputs:?}")),
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[false], output: false }
    }
}

/// Sum in `f64`, eight sums side by side in a fixed order.
fn sum<T: Real>(values: &[T]) -> f64 {
    let (groups, tail) = values.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for group in groups {
        sums.iter_mut().zip(group).for_each(|(sum, v)| *sum += v.double());
    }
    sums.iter().sum::<f64>() + tail.iter().map(|v| v.double()).sum::<f64>()
}

impl<T: Real> Kernel<T> for GlobalPool {
    fn forward(&self, inputs: &[View<'_, T>], _mode: Mode<'_, T>, out: &mut [T], _saved: &mut Saved<T>) {
        let (h, w, rows, columns) = self.sizes(inputs[0].dims);
        let per_task = planes_per_task(h * w);
        out.par_chunks_mut(per_task).zip(inputs[0].values.par_chunks(per_task * h * w)).for_each(|(out, x)| {
            for (out, plane) in out.iter_mut().zip(x.chunks_exact(h * w)) {
                let total = if columns == w {
                    sum(&plane[..rows * w])
                } else {
                    plane.chunks_exact(w).take(rows).map(|line| sum(&line[..columns])).sum()
                };
                *out = T::of(total / (rows * columns) as f64);
            }
        });
    }

    fn backward(
        &self,
        inputs: &[View<'_, T>],
        _output: &[T],
        _saved: &Saved<T>,
        gradient: &[T],
        sinks: &mut [Option<Sink<'_, T>>],
    ) {
        let (h, w, rows, columns) = self.sizes(inputs[0].dims);
        let Some(Sink { values, add }) = &mut sinks[0] else { return };
        let (add, per_task) = (*add, planes_per_task(h * w));
        values.par_chunks_mut(per_task * h * w).zip(gradient.par_chunks(per_task)).for_each(|(dx, g)| {
            for (plane, g) in dx.chunks_exact_mut(h * w).zip(g) {
                let share = T::of(g.double() / (rows * columns) as f64);
                if !add {
                    plane.fill(T::zero());
                }
                for line in plane.chunks_exact_mut(w).take(rows) {
                    line[..columns].iter_mut().for_each(|v| *v += share);
                }
            }
        });
    }
}
