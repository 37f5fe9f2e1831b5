//! Mean binary cross-entropy of logits against targets in 0..1, safe for logits of any size. (Candle's own gives infinite
//! losses at ±200 and NaN earlier.) Knows no task.

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use rayon::prelude::{
    IndexedParallelIterator, IntoParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut,
};
use std::sync::Arc;

/// Values per task. Each task's sum is added in order, so it is part of the result's bits.
const CHUNK: usize = 1024;

/// Logits of any dimensions to one value, dimensions [1]: the mean over all of w·(max(z, 0) − z·y + log(1 + exp(−|z|))).
#[derive(Clone, Debug)]
pub struct BceWithLogits {
    /// In row-major order, as many as logits.
    pub targets: Arc<Vec<f32>>,
    /// Per value; the mean is still over the number of values, as PyTorch's `weight` has it.
    pub weights: Option<Arc<Vec<f32>>>,
}

impl BceWithLogits {
    fn target(&self, at: usize) -> f64 {
        f64::from(self.targets[at])
    }

    fn weight(&self, at: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| f64::from(weights[at]))
    }
}

/// 1 / (1 + exp(−z)) without overflow.
fn sigmoid(z: f64) -> f64 {
    let small = (-z.abs()).exp();
    if z < 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) }
}

impl Definition for BceWithLogits {
    fn name(&self) -> &'static str {
        "bce_with_logits"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let [logits] = inputs else {
            return Err(format!("bce_with_logits: one input was expected, found {}", inputs.len()));
        };
        let (count, targets) = (logits.iter().product::<usize>(), self.targets.len());
        let weights = self.weights.as_ref().map_or(targets, |weights| weights.len());
        if count == 0 || targets != count || weights != count {
            return Err(format!(
                "bce_with_logits: {count} targets and weights were expected for {logits:?}, found {targets} and {weights}"
            ));
        }
        Ok(vec![1])
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[true], output: false }
    }
}

impl<T: Real> Kernel<T> for BceWithLogits {
    fn forward(&self, inputs: &[View<'_, T>], _mode: Mode<'_, T>, out: &mut [T], _saved: &mut Saved<T>) {
        let logits = inputs[0].values;
        let sum = |task: usize| {
            let range = task * CHUNK..((task + 1) * CHUNK).min(logits.len());
            let loss = |at: usize| {
                let z = logits[at].double();
                self.weight(at) * (z.max(0.0) - z * self.target(at) + (-z.abs()).exp().ln_1p())
            };
            range.map(loss).sum::<f64>()
        };
        let sums: Vec<f64> = (0..logits.len().div_ceil(CHUNK)).into_par_iter().map(sum).collect();
        out[0] = T::of(sums.iter().sum::<f64>() / logits.len() as f64);
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
        let (logits, add) = (inputs[0].values, *add);
        let share = gradient[0].double() / logits.len() as f64;
        values.par_chunks_mut(CHUNK).zip(logits.par_chunks(CHUNK)).enumerate().for_each(|(task, (dx, logits))| {
            for (i, (dx, z)) in dx.iter_mut().zip(logits).enumerate() {
                let at = task * CHUNK + i;
                let d = T::of(share * self.weight(at) * (sigmoid(z.double()) - self.target(at)));
                *dx = if add { *dx + d } else { d };
            }
        });
    }
}
