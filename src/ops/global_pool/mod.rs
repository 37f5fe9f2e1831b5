//! Mean over all positions of a plane. Knows no network.

use crate::ops::apply::{Pass, apply};
use crate::ops::operator::{Definition, Kernel, Mode, Operator, Reads, Real, Saved, Sink, View};
use crate::ops::window::planes_per_task;
use candle_core::{Result, Tensor};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};
use std::sync::Arc;

/// x (N,C,…) to (N,C).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalPool;

/// `x` (N,C,…) to (N,C).
pub fn global_pool(x: &Tensor) -> Result<Tensor> {
    let op: Arc<dyn Operator> = Arc::new(GlobalPool);
    Ok(apply(&op, &[x], Pass::Train { step: 0 })?.0)
}

impl Definition for GlobalPool {
    fn name(&self) -> &'static str {
        "global_pool"
    }

    fn output(&self, inputs: &[&[usize]]) -> std::result::Result<Vec<usize>, String> {
        match inputs {
            [[n, c, rest @ ..]] if rest.iter().all(|d| *d > 0) => Ok(vec![*n, *c]),
            _ => Err(format!("global_pool: one input (N,C,…) with positions was expected, found {inputs:?}")),
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[false], output: false }
    }
}

/// Sum in f64, eight sums side by side in a fixed order.
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
        let plane: usize = inputs[0].dims[2..].iter().product();
        let per_task = planes_per_task(plane);
        out.par_chunks_mut(per_task).zip(inputs[0].values.par_chunks(per_task * plane)).for_each(|(out, x)| {
            out.iter_mut().zip(x.chunks_exact(plane)).for_each(|(out, x)| *out = T::of(sum(x) / plane as f64));
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
        let Some(Sink { values, add }) = &mut sinks[0] else { return };
        let (plane, add): (usize, bool) = (inputs[0].dims[2..].iter().product(), *add);
        let per_task = planes_per_task(plane);
        values.par_chunks_mut(per_task * plane).zip(gradient.par_chunks(per_task)).for_each(|(dx, g)| {
            for (dx, g) in dx.chunks_exact_mut(plane).zip(g) {
                let share = T::of(g.double() / plane as f64);
                if add {
                    dx.iter_mut().for_each(|dx| *dx += share);
                } else {
                    dx.fill(share);
                }
            }
        });
    }
}
