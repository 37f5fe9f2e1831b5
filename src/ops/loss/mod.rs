//! Losses of a network's output against targets that the operator holds: one value, shape (1). Sums run in `f64`, in order.
//! Knows no task.

pub mod cuda;

use crate::ops::apply::{Pass, apply};
use crate::ops::operator::{Definition, Kernel, Mode, Operator, Reads, Real, Saved, Sink, View};
use candle_core::Tensor;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq)]
pub enum Loss {
    /// Mean over rows (N,K) of −Σ q·log softmax, with q = 1 − smoothing + smoothing/K for the right class, smoothing/K for the
    /// others, as in PyTorch.
    CrossEntropy { classes: Arc<Vec<u32>>, smoothing: f64 },
    /// Mean of relu(z) − z·y + log(1 + e^−|z|): finite for any finite logit.
    BceWithLogits { targets: Arc<Vec<f32>> },
    /// The same with a factor per value; the mean is still over the number of values, as PyTorch's `weight` has it.
    WeightedBceWithLogits { targets: Arc<Vec<f32>>, weights: Arc<Vec<f32>> },
    /// Mean of (z − y)².
    MeanSquared { targets: Arc<Vec<f32>> },
    /// Σ over samples of ‖z − y‖₂ / ‖y‖₂: summed over the batch, as Darcy's network trains (tasks spec; gradients grow with the
    /// batch).
    RelativeL2 { targets: Arc<Vec<f32>> },
}

impl Loss {
    /// The value, and the derivative by each output where it is asked for.
    fn run(&self, z: &[f64], dims: &[usize], mut derivative: Option<&mut [f64]>) -> f64 {
        let mut put = |at: usize, value: f64| {
            if let Some(d) = &mut derivative {
                d[at] = value;
            }
        };
        match self {
            Loss::CrossEntropy { classes, smoothing } => {
                let (k, n) = (dims[1], dims[0] as f64);
                let mut sum = 0.0;
                for (row, (z, class)) in z.chunks_exact(k).zip(classes.iter()).enumerate() {
                    let top = z.iter().fold(f64::NEG_INFINITY, |m, v| if *v > m || v.is_nan() { *v } else { m });
                    let total: f64 = z.iter().map(|v| (v - top).exp()).sum();
                    let normaliser = top + total.ln();
                    let share = smoothing / k as f64;
                    sum += (1.0 - smoothing) * (normaliser - z[*class as usize]);
                    // a class that is ruled out, at −∞, costs nothing unless it has a share
                    if share > 0.0 {
                        sum += share * z.iter().map(|v| normaliser - v).sum::<f64>();
                    }
                    for (j, v) in z.iter().enumerate() {
                        let wanted = share + if j == *class as usize { 1.0 - smoothing } else { 0.0 };
                        put(row * k + j, ((v - normaliser).exp() - wanted) / n);
                    }
                }
                sum / n
            }
            Loss::BceWithLogits { targets } => binary(z, targets, |_| 1.0, put),
            Loss::WeightedBceWithLogits { targets, weights } => binary(z, targets, |at| f64::from(weights[at]), put),
            Loss::MeanSquared { targets } => {
                let n = z.len() as f64;
                let mut sum = 0.0;
                for (at, (z, y)) in z.iter().zip(targets.iter()).enumerate() {
                    let difference = z - f64::from(*y);
                    sum += difference * difference;
                    put(at, 2.0 * difference / n);
                }
                sum / n
            }
            Loss::RelativeL2 { targets } => {
                let size = z.len() / dims[0];
                let mut sum = 0.0;
                for (row, (z, y)) in z.chunks_exact(size).zip(targets.chunks_exact(size)).enumerate() {
                    let of = z.iter().zip(y).map(|(z, y)| (z - f64::from(*y)).powi(2)).sum::<f64>().sqrt();
                    let by = y.iter().map(|y| f64::from(*y).powi(2)).sum::<f64>().sqrt();
                    sum += of / by;
                    // where the output is exact the norm has no derivative; PyTorch gives 0 there
                    let factor = if of == 0.0 { 0.0 } else { 1.0 / (of * by) };
                    for (j, (z, y)) in z.iter().zip(y).enumerate() {
                        put(row * size + j, factor * (z - f64::from(*y)));
                    }
                }
                sum
            }
        }
    }
}

/// The mean of weighted binary cross-entropies; each value's derivative goes to `put`.
fn binary(z: &[f64], targets: &[f32], weight: impl Fn(usize) -> f64, mut put: impl FnMut(usize, f64)) -> f64 {
    let n = z.len() as f64;
    let mut sum = 0.0;
    for (at, (z, y)) in z.iter().zip(targets).enumerate() {
        let y = f64::from(*y);
        let small = (-z.abs()).exp();
        sum += weight(at) * (if *z > 0.0 { *z } else { z * 0.0 } - z * y + small.ln_1p());
        let sigmoid = if *z >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
        put(at, weight(at) * (sigmoid - y) / n);
    }
    sum / n
}

impl Definition for Loss {
    fn name(&self) -> &'static str {
        match self {
            Loss::CrossEntropy { .. } => "cross_entropy",
            Loss::BceWithLogits { .. } | Loss::WeightedBceWithLogits { .. } => "bce_with_logits",
            Loss::MeanSquared { .. } => "mean_squared",
            Loss::RelativeL2 { .. } => "relative_l2",
        }
    }

    fn output(&self, inputs: &[&[usize]]) -> std::result::Result<Vec<usize>, String> {
        let &[z] = inputs else { return Err(format!("{}: one input was expected, found {inputs:?}", self.name())) };
        let fits = match self {
            Loss::CrossEntropy { classes, smoothing } => {
                let of = |k: usize| classes.iter().all(|c| (*c as usize) < k) && (0.0..1.0).contains(smoothing);
                matches!(z, [n, k] if *n == classes.len() && *n > 0 && of(*k))
            }
            Loss::WeightedBceWithLogits { targets, weights } if weights.len() != targets.len() => false,
            Loss::BceWithLogits { targets }
            | Loss::WeightedBceWithLogits { targets, .. }
            | Loss::MeanSquared { targets }
            | Loss::RelativeL2 { targets } => {
                let size: usize = z.iter().product();
                !z.is_empty() && size == targets.len() && size > 0
            }
        };
        if fits {
            Ok(vec![1])
        } else {
            let expected = match self {
                Loss::CrossEntropy { classes, .. } => format!("({},K) with every class below K", classes.len()),
                Loss::WeightedBceWithLogits { targets, weights } => {
                    format!("{} values, and as many weights as {},", targets.len(), weights.len())
                }
                Loss::BceWithLogits { targets } | Loss::MeanSquared { targets } | Loss::RelativeL2 { targets } => {
                    format!("{} values", targets.len())
                }
            };
            Err(format!("{}: {expected} were expected, found {z:?}", self.name()))
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[true], output: false }
    }
}

impl<T: Real> Kernel<T> for Loss {
    fn forward(&self, inputs: &[View<'_, T>], _mode: Mode<'_, T>, out: &mut [T], _saved: &mut Saved<T>) {
        let z: Vec<f64> = inputs[0].values.iter().map(|v| v.double()).collect();
        out[0] = T::of(self.run(&z, inputs[0].dims, None));
    }

    fn backward(
        &self,
        inputs: &[View<'_, T>],
        _output: &[T],
        _saved: &Saved<T>,
        gradient: &[T],
        sinks: &mut [Option<Sink<'_, T>>],
    ) {
        let Some(sink) = &mut sinks[0] else { return };
        let z: Vec<f64> = inputs[0].values.iter().map(|v| v.double()).collect();
        let mut derivative = vec![0.0; z.len()];
        self.run(&z, inputs[0].dims, Some(&mut derivative));
        let g = gradient[0].double();
        for (at, d) in derivative.into_iter().enumerate() {
            sink.put(at, T::of(g * d));
        }
    }
}

/// The loss of a network's output as a scalar of candle's graph.
pub fn loss(output: &Tensor, loss: Loss) -> candle_core::Result<Tensor> {
    let op: Arc<dyn Operator> = Arc::new(loss);
    apply(&op, &[output], Pass::Train { step: 0 })?.0.squeeze(0)
}
