//! Mean cross-entropy of rows of logits against class numbers, with smoothed labels where asked. Knows no task.

use crate::ops::apply::{Pass, apply};
use crate::ops::operator::{Definition, Kernel, Mode, Operator, Reads, Real, Saved, Sink, View};
use candle_core::{Result, Tensor};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};
use std::sync::Arc;

/// Rows per task. Each task's sum is added in order, so it is part of the result's bits.
const ROWS: usize = 32;

/// Logits (N,K) to one value, dimensions [1]: the mean over rows of (1 − s)·(−log p of the class) + s·(mean over all K of
/// −log p), s being the smoothing (Szegedy et al., "Rethinking the Inception architecture", CVPR 2016, §7; PyTorch's
/// `label_smoothing`).
#[derive(Clone, Debug)]
pub struct CrossEntropy {
    /// One for each row, each below K.
    pub classes: Arc<Vec<u32>>,
    /// In 0..1.
    pub smoothing: f64,
}

/// `logits` (N,K) and `classes` (N) of `u32` to a scalar: −log softmax of the right class, averaged over rows.
pub fn cross_entropy(logits: &Tensor, classes: &Tensor) -> Result<Tensor> {
    let op: Arc<dyn Operator> = Arc::new(CrossEntropy { classes: Arc::new(classes.to_vec1()?), smoothing: 0.0 });
    apply(&op, &[logits], Pass::Train { step: 0 })?.0.squeeze(0)
}

impl Definition for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn output(&self, inputs: &[&[usize]]) -> std::result::Result<Vec<usize>, String> {
        let &[&[n, k]] = inputs else {
            return Err(format!("cross_entropy: one input (N,K) was expected, found {inputs:?}"));
        };
        if n != self.classes.len() || n == 0 {
            return Err(format!(
                "cross_entropy: {} rows were expected for as many classes, found {n}",
                self.classes.len()
            ));
        }
        if !(0.0..1.0).contains(&self.smoothing) {
            return Err(format!("cross_entropy: a smoothing in 0..1 was expected, found {}", self.smoothing));
        }
        match self.classes.iter().find(|class| **class as usize >= k) {
            Some(class) => Err(format!("cross_entropy: classes below {k} were expected, found {class}")),
            None => Ok(vec![1]),
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[true], output: false }
    }
}

/// Saved arrays, per row: the largest logit, and log Σ exp(logit − largest).
impl<T: Real> Kernel<T> for CrossEntropy {
    fn forward(&self, inputs: &[View<'_, T>], _mode: Mode<'_, T>, out: &mut [T], saved: &mut Saved<T>) {
        let (n, k) = (inputs[0].dims[0], inputs[0].dims[1]);
        let (mut largest, mut logs) = (vec![T::zero(); n], vec![T::zero(); n]);
        let rows = inputs[0].values.par_chunks(ROWS * k).zip(self.classes.par_chunks(ROWS));
        let kept = largest.par_chunks_mut(ROWS).zip(logs.par_chunks_mut(ROWS));
        let sums = rows.zip(kept).map(|((logits, classes), (largest, logs))| {
            let mut sum = 0.0;
            for (row, logits) in logits.chunks_exact(k).enumerate() {
                // NaN must come through: it does in the sum of exponentials
                largest[row] = logits.iter().fold(T::neg_infinity(), |m, v| m.max(*v));
                let shifted = |v: &T| v.double() - largest[row].double();
                let log = logits.iter().map(|v| shifted(v).exp()).sum::<f64>().ln();
                logs[row] = T::of(log);
                let right = log - shifted(&logits[classes[row] as usize]);
                sum += if self.smoothing > 0.0 {
                    let all = logits.iter().map(|v| log - shifted(v)).sum::<f64>() / k as f64;
                    (1.0 - self.smoothing) * right + self.smoothing * all
                } else {
                    right
                };
            }
            sum
        });
        let sums: Vec<f64> = sums.collect();
        out[0] = T::of(sums.iter().sum::<f64>() / n as f64);
        saved.arrays = vec![largest, logs];
    }

    fn backward(
        &self,
        inputs: &[View<'_, T>],
        _output: &[T],
        saved: &Saved<T>,
        gradient: &[T],
        sinks: &mut [Option<Sink<'_, T>>],
    ) {
        let Some(Sink { values, add }) = &mut sinks[0] else { return };
        let (n, k, add) = (inputs[0].dims[0], inputs[0].dims[1], *add);
        let share = gradient[0].double() / n as f64;
        let rows = values.par_chunks_mut(k).zip(inputs[0].values.par_chunks(k)).with_min_len(ROWS);
        rows.enumerate().for_each(|(row, (dx, logits))| {
            let (largest, log) = (saved.arrays[0][row].double(), saved.arrays[1][row].double());
            let (class, spread) = (self.classes[row] as usize, self.smoothing / k as f64);
            for (at, (dx, v)) in dx.iter_mut().zip(logits).enumerate() {
                let label = if at == class { 1.0 - self.smoothing + spread } else { spread };
                let d = T::of(share * ((v.double() - largest - log).exp() - label));
                *dx = if add { *dx + d } else { d };
            }
        });
    }
}
