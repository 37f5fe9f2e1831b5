//! Dropout of single values and of whole samples (drop-path): 0 with probability `rate`, else divided by 1 − rate. Both rest
//! while evaluating. Knows no network.

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use crate::seed::Purpose;
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};

/// What is dropped together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Value,
    /// A row of the first dimension.
    Sample,
}

/// One input of any dimensions.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    unit: Unit,
    rate: f64,
    purpose: Purpose,
}

/// Values per stream of masks: fixed, so that any number of threads draws the same.
const CHUNK: usize = 1 << 12;

impl Dropout {
    /// `purpose` must differ between the layers of a network; each optimiser step draws anew.
    ///
    /// Panics where `rate` is not in 0..1.
    pub fn new(unit: Unit, rate: f64, purpose: Purpose) -> Self {
        assert!((0.0..1.0).contains(&rate), "dropout: a rate in 0..1 was expected, found {rate}");
        Dropout { unit, rate, purpose }
    }

    /// Values that one draw decides on.
    fn together(&self, dims: &[usize]) -> usize {
        match self.unit {
            Unit::Value => 1,
            Unit::Sample => dims.iter().skip(1).product::<usize>().max(1),
        }
    }

    /// The factor of every draw of a chunk; `index` numbers the chunk.
    fn factors<T: Real>(&self, step: u64, index: usize, draws: usize) -> Vec<T> {
        // a stream per step and chunk: chunks of one step lie 2³² apart from those of the next
        let mut stream = self.purpose.at(step << 32 | index as u64);
        let (bound, keep) = ((self.rate * 4_294_967_296.0) as u64, T::of(1.0 / (1.0 - self.rate)));
        (0..draws).map(|_| if u64::from(stream.next_u32()) < bound { T::zero() } else { keep }).collect()
    }

    fn map<T: Real>(&self, step: Option<u64>, dims: &[usize], from: &[T], to: &mut [T], add: bool) {
        let together = self.together(dims);
        let chunk = together * if together == 1 { CHUNK } else { 1 };
        to.par_chunks_mut(chunk).zip(from.par_chunks(chunk)).enumerate().for_each(|(index, (to, from))| {
            let draws = from.len().div_ceil(together);
            let factors = step.map(|step| self.factors::<T>(step, index, draws));
            for (at, (to, from)) in to.iter_mut().zip(from).enumerate() {
                let value = factors.as_ref().map_or(*from, |factors| factors[at / together] * *from);
                *to = if add { *to + value } else { value };
            }
        });
    }
}

impl Definition for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [x] if !x.is_empty() => Ok(x.to_vec()),
            _ => Err(format!("dropout: one input with dimensions was expected, found {inputs:?}")),
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[false], output: false }
    }
}

impl<T: Real> Kernel<T> for Dropout {
    fn forward(&self, inputs: &[View<'_, T>], mode: Mode<'_, T>, out: &mut [T], saved: &mut Saved<T>) {
        let step = match mode {
            Mode::Train { step } if self.rate > 0.0 => Some(step),
            _ => None,
        };
        // backward draws again: two halves of the step's number, or nothing
        saved.indices = step.map_or(Vec::new(), |step| vec![step as u32, (step >> 32) as u32]);
        self.map(step, inputs[0].dims, inputs[0].values, out, false);
    }

    fn backward(
        &self,
        inputs: &[View<'_, T>],
        _output: &[T],
        saved: &Saved<T>,
        gradient: &[T],
        sinks: &mut [Option<Sink<'_, T>>],
    ) {
        let Some(sink) = &mut sinks[0] else { return };
        let step = match saved.indices[..] {
            [low, high] => Some(u64::from(low) | u64::from(high) << 32),
            _ => None,
        };
        self.map(step, inputs[0].dims, gradient, sink.values, sink.add);
    }
}
