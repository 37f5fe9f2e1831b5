//! y = max(x, 0), with gradient 0 at exactly 0 as in PyTorch (candle's own gives 1 there). NaN stays NaN.

pub mod cuda;

use crate::ops::apply::{Pass, apply};
use crate::ops::operator::{Definition, Kernel, Mode, Operator, Reads, Real, Saved, Sink, View};
use candle_core::{Result, Tensor};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};
use std::sync::Arc;

/// Values per task: large enough to hide the split, independent of the number of threads.
const CHUNK: usize = 1 << 16;

/// One input of any dimensions.
#[derive(Clone, Copy, Debug)]
pub struct Relu;

/// Any shape.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    let op: Arc<dyn Operator> = Arc::new(Relu);
    Ok(apply(&op, &[x], Pass::Train { step: 0 })?.0)
}

impl Definition for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn output(&self, inputs: &[&[usize]]) -> std::result::Result<Vec<usize>, String> {
        match inputs {
            [x] => Ok(x.to_vec()),
            _ => Err(format!("relu: one input was expected, found {}", inputs.len())),
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[false], output: true }
    }
}

impl<T: Real> Kernel<T> for Relu {
    fn forward(&self, inputs: &[View<'_, T>], _mode: Mode<'_, T>, out: &mut [T], _saved: &mut Saved<T>) {
        let zero = T::zero();
        out.par_chunks_mut(CHUNK).zip(inputs[0].values.par_chunks(CHUNK)).for_each(|(out, x)| {
            for (out, x) in out.iter_mut().zip(x) {
                *out = if *x < zero { zero } else { *x };
            }
        });
    }

    fn backward(
        &self,
        _inputs: &[View<'_, T>],
        output: &[T],
        _saved: &Saved<T>,
        gradient: &[T],
        sinks: &mut [Option<Sink<'_, T>>],
    ) {
        let Some(Sink { values, add }) = &mut sinks[0] else { return };
        let (zero, add) = (T::zero(), *add);
        let chunks = values.par_chunks_mut(CHUNK).zip(output.par_chunks(CHUNK).zip(gradient.par_chunks(CHUNK)));
        chunks.for_each(|(dx, (y, g))| {
            for ((dx, y), g) in dx.iter_mut().zip(y).zip(g) {
                let d = if *y > zero { *g } else { zero };
                *dx = if add { *dx + d } else { d };
            }
        });
    }
}
