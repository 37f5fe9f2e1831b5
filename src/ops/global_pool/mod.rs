//! Mean over all positions of a plane, or over its top left window. Knows no head.

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use rayon::prelude::{
    IndexedParallelIterator, IntoParallelRefMutIterator, ParallelIterator, ParallelSlice, ParallelSliceMut,
};

/// x (N,C,H,W) to (N,C); the sum of a plane runs in `f64`, row by row.
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

impl<T: Real> Kernel<T> for GlobalPool {
    fn forward(&self, inputs: &[View<'_, T>], _mode: Mode<'_, T>, out: &mut [T], _saved: &mut Saved<T>) {
        let (h, w, rows, columns) = self.sizes(inputs[0].dims);
        out.par_iter_mut().zip(inputs[0].values.par_chunks_exact(h * w)).for_each(|(out, plane)| {
            let lines = plane.chunks_exact(w).take(rows);
            let sum: f64 = lines.map(|line| line[..columns].iter().map(|v| v.double()).sum::<f64>()).sum();
            *out = T::of(sum / (rows * columns) as f64);
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
        let Some(sink) = &mut sinks[0] else { return };
        sink.clear();
        let share = T::of(1.0 / (rows * columns) as f64);
        sink.values.par_chunks_exact_mut(h * w).zip(gradient.par_chunks_exact(1)).for_each(|(plane, g)| {
            for line in plane.chunks_exact_mut(w).take(rows) {
                line[..columns].iter_mut().for_each(|v| *v += share * g[0]);
            }
        });
    }
}
