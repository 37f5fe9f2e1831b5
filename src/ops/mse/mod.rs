//! Mean squared difference from targets. Knows no task.

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};
use std::sync::Arc;

/// Values per task. Each task's sum is added in order, so it is part of the result's bits.
const CHUNK: usize = 1 << 14;

/// x of any dimensions to one value, dimensions [1]: the mean over all values of (x − target)².
#[derive(Clone, Debug)]
pub struct Mse {
    /// In row-major order, as many as values of x.
    pub targets: Arc<Vec<f32>>,
}

impl Definition for Mse {
    fn name(&self) -> &'static str {
        "mse"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let [x] = inputs else { return Err(format!("mse: one input was expected, found {}", inputs.len())) };
        match (x.iter().product::<usize>(), self.targets.len()) {
            (count, targets) if count > 0 && count == targets => Ok(vec![1]),
            (count, targets) => Err(format!("mse: {count} targets were expected for {x:?}, found {targets}")),
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[true], output: false }
    }
}

impl<T: Real> Kernel<T> for Mse {
    fn forward(&self, inputs: &[View<'_, T>], _mode: Mode<'_, T>, out: &mut [T], _saved: &mut Saved<T>) {
        let tasks = inputs[0].values.par_chunks(CHUNK).zip(self.targets.par_chunks(CHUNK));
        let sum = |(x, y): (&[T], &[f32])| x.iter().zip(y).map(|(x, y)| (x.double() - f64::from(*y)).powi(2)).sum();
        let sums: Vec<f64> = tasks.map(sum).collect();
        out[0] = T::of(sums.iter().sum::<f64>() / self.targets.len() as f64);
    }

    fn backward(
        &self,
        inputs: &[View<'_, T>],
        _output: &[T],
        _saved: &Saved<T>,
        gradient: &[T],
        sinks: &mut [Option<Sink<'_, T>>],
    ) {
        let Some(Sink { values, add }) = &mut sinks[0] else { return };
        let (share, add) = (2.0 * gradient[0].double() / self.targets.len() as f64, *add);
        let tasks = inputs[0].values.par_chunks(CHUNK).zip(self.targets.par_chunks(CHUNK));
        values.par_chunks_mut(CHUNK).zip(tasks).for_each(|(dx, (x, y))| {
            for (dx, (x, y)) in dx.iter_mut().zip(x.iter().zip(y)) {
                let d = T::of(share * (x.double() - f64::from(*y)));
                *dx = if add { *dx + d } else { d };
            }
        });
    }
}
