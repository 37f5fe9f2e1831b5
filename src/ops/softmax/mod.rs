//! Softmax over the last dimension. (Candle's `softmax_last_dim` has no gradient and says nothing.) Knows no network.

pub mod cuda;

use crate::ops::apply::{Pass, apply};
use crate::ops::operator::{Definition, Kernel, Mode, Operator, Reads, Real, Saved, Sink, View};
use candle_core::{Result, Tensor};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};
use std::sync::Arc;

/// Values per task, whole rows.
const TASK: usize = 1 << 12;

/// x (…,K) to the same dimensions: exp(x) over its sum along the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softmax;

/// `x` (…,K) to the same dimensions.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    let op: Arc<dyn Operator> = Arc::new(Softmax);
    Ok(apply(&op, &[x], Pass::Train { step: 0 })?.0)
}

impl Definition for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn output(&self, inputs: &[&[usize]]) -> std::result::Result<Vec<usize>, String> {
        match inputs {
            [x @ [.., k]] if *k > 0 => Ok(x.to_vec()),
            _ => Err(format!("softmax: one input (…,K) was expected, found {inputs:?}")),
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[false], output: true }
    }
}

/// Values of one task where rows have `k`.
fn task(k: usize) -> usize {
    (TASK / k).max(1) * k
}

impl<T: Real> Kernel<T> for Softmax {
    fn forward(&self, inputs: &[View<'_, T>], _mode: Mode<'_, T>, out: &mut [T], _saved: &mut Saved<T>) {
        let k = *inputs[0].dims.last().expect("dimensions were checked");
        out.par_chunks_mut(task(k)).zip(inputs[0].values.par_chunks(task(k))).for_each(|(out, x)| {
            for (out, x) in out.chunks_exact_mut(k).zip(x.chunks_exact(k)) {
                let largest = x.iter().fold(T::neg_infinity(), |m, v| m.max(*v));
                out.iter_mut().zip(x).for_each(|(out, x)| *out = (*x - largest).exp());
                let scale = T::of(1.0 / out.iter().map(|v| v.double()).sum::<f64>());
                out.iter_mut().for_each(|v| *v *= scale);
            }
        });
    }

    fn backward(
        &self,
        inputs: &[View<'_, T>],
        output: &[T],
        _saved: &Saved<T>,
        gradient: &[T],
        sinks: &mut [Option<Sink<'_, T>>],
    ) {
        let Some(Sink { values, add }) = &mut sinks[0] else { return };
        let (k, add) = (*inputs[0].dims.last().expect("dimensions were checked"), *add);
        let rows = output.par_chunks(task(k)).zip(gradient.par_chunks(task(k)));
        values.par_chunks_mut(task(k)).zip(rows).for_each(|(dx, (y, g))| {
            for (dx, (y, g)) in dx.chunks_exact_mut(k).zip(y.chunks_exact(k).zip(g.chunks_exact(k))) {
                let mean = T::of(y.iter().zip(g).map(|(y, g)| y.double() * g.double()).sum());
                for (dx, (y, g)) in dx.iter_mut().zip(y.iter().zip(g)) {
                    let d = *y * (*g - mean);
                    *dx = if add { *dx + d } else { d };
                }
            }
        });
    }
}
