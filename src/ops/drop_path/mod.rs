//! Drop path: a whole sample is 0 with probability `rate`, else divided by 1 − rate. Knows no network.

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use crate::seed::Purpose;
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};

/// x (N,…) to the same dimensions. The draws of a step depend on `purpose`, the step and the sample's number alone. While
/// evaluating, and at rate 0, it is the identity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropPath {
    /// In 0..1 (`quark0/darts`, `cnn/utils.py`, `drop_path`).
    pub rate: f64,
    /// Must differ between the edges of a network.
    pub purpose: Purpose,
}

impl Definition for DropPath {
    fn name(&self) -> &'static str {
        "drop_path"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        if !(0.0..1.0).contains(&self.rate) {
            return Err(format!("drop_path: a rate in 0..1 was expected, found {}", self.rate));
        }
        match inputs {
            [x] if !x.is_empty() && !x.contains(&0) => Ok(x.to_vec()),
            _ => Err(format!("drop_path: one input (N,…) was expected, found {inputs:?}")),
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[false], output: false }
    }
}

/// Saved array: the factor of each sample.
impl<T: Real> Kernel<T> for DropPath {
    fn forward(&self, inputs: &[View<'_, T>], mode: Mode<'_, T>, out: &mut [T], saved: &mut Saved<T>) {
        let samples = inputs[0].dims[0];
        let factors = match mode {
            Mode::Train { step } if self.rate > 0.0 => {
                let (mut stream, keep) = (self.purpose.at(step), T::of(1.0 / (1.0 - self.rate)));
                (0..samples).map(|_| if stream.uniform() < self.rate { T::zero() } else { keep }).collect()
            }
            _ => vec![T::one(); samples],
        };
        let size = out.len() / samples;
        out.par_chunks_mut(size).zip(inputs[0].values.par_chunks(size)).zip(&factors).for_each(|((out, x), factor)| {
            out.iter_mut().zip(x).for_each(|(out, x)| *out = *x * *factor);
        });
        saved.arrays = vec![factors];
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
        let (size, add) = (gradient.len() / inputs[0].dims[0], *add);
        let samples = values.par_chunks_mut(size).zip(gradient.par_chunks(size)).zip(&saved.arrays[0]);
        samples.for_each(|((dx, g), factor)| {
            for (dx, g) in dx.iter_mut().zip(g) {
                let d = *g * *factor;
                *dx = if add { *dx + d } else { d };
            }
        });
    }
}
