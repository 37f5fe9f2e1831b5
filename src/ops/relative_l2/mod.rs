//! Relative L2 error of each sample, summed over the batch. Knows no task.

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};
use std::sync::Arc;

/// From a network's values to those that are compared: value·scale + mean, per position of a sample.
#[derive(Clone, Debug)]
pub struct Decode {
    pub scale: Arc<Vec<f32>>,
    pub mean: Arc<Vec<f32>>,
}

/// x (N,…) to one value, dimensions [1]: Σ over samples of ‖x − y‖₂ / ‖y‖₂, a sum and not a mean
/// (`NB360:backbone/model_grid_original.py`). A sample without difference has the gradient 0, as PyTorch's norm.
#[derive(Clone, Debug)]
pub struct RelativeL2 {
    /// In row-major order, as many as values of x; no sample of zeros only, or the loss is infinite or NaN.
    pub targets: Arc<Vec<f32>>,
    pub decode: Option<Decode>,
}

impl RelativeL2 {
    /// The difference from the target at a position of a sample.
    fn difference(&self, x: f64, target: f32, position: usize) -> f64 {
        let value = match &self.decode {
            Some(Decode { scale, mean }) => x * f64::from(scale[position]) + f64::from(mean[position]),
            None => x,
        };
        value - f64::from(target)
    }
}

impl Definition for RelativeL2 {
    fn name(&self) -> &'static str {
        "relative_l2"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let [x @ [_, sample @ ..]] = inputs else {
            return Err(format!("relative_l2: one input (N,…) was expected, found {inputs:?}"));
        };
        let (count, targets, values) =
            (x.iter().product::<usize>(), self.targets.len(), sample.iter().product::<usize>());
        if count == 0 || count != targets {
            return Err(format!("relative_l2: {count} targets were expected for {x:?}, found {targets}"));
        }
        match &self.decode {
            Some(Decode { scale, mean }) if scale.len() != values || mean.len() != values => Err(format!(
                "relative_l2: scales and means of {values} values were expected, found {} and {}",
                scale.len(),
                mean.len()
            )),
            _ => Ok(vec![1]),
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[true], output: false }
    }
}

/// Saved array, per sample: 1 / (‖x − y‖·‖y‖), or 0 without difference.
impl<T: Real> Kernel<T> for RelativeL2 {
    fn forward(&self, inputs: &[View<'_, T>], _mode: Mode<'_, T>, out: &mut [T], saved: &mut Saved<T>) {
        let size = inputs[0].values.len() / inputs[0].dims[0];
        let samples = inputs[0].values.par_chunks(size).zip(self.targets.par_chunks(size));
        let norms = |(x, y): (&[T], &[f32])| {
            let pairs = x.iter().zip(y).enumerate();
            let difference: f64 = pairs.map(|(at, (x, y))| self.difference(x.double(), *y, at).powi(2)).sum();
            let target: f64 = y.iter().map(|y| f64::from(*y).powi(2)).sum();
            (difference.sqrt(), target.sqrt())
        };
        let norms: Vec<(f64, f64)> = samples.map(norms).collect();
        out[0] = T::of(norms.iter().map(|(difference, target)| difference / target).sum());
        let share = |(difference, target): &(f64, f64)| match *difference == 0.0 {
            true => T::zero(),
            false => T::of(1.0 / (difference * target)),
        };
        saved.arrays = vec![norms.iter().map(share).collect()];
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
        let (size, add) = (inputs[0].values.len() / inputs[0].dims[0], *add);
        let samples = inputs[0].values.par_chunks(size).zip(self.targets.par_chunks(size));
        values.par_chunks_mut(size).zip(samples).enumerate().for_each(|(sample, (dx, (x, y)))| {
            let share = gradient[0].double() * saved.arrays[0][sample].double();
            for (at, (dx, (x, y))) in dx.iter_mut().zip(x.iter().zip(y)).enumerate() {
                let scale = self.decode.as_ref().map_or(1.0, |decode| f64::from(decode.scale[at]));
                let d = T::of(share * scale * self.difference(x.double(), *y, at));
                *dx = if add { *dx + d } else { d };
            }
        });
    }
}
