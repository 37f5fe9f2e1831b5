//! Some neighbouring channels of an input. Knows no network.

pub mod cuda;

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};

/// x (N,C,…) to (N,count,…): channels `start..start + count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Narrow {
    pub start: usize,
    pub count: usize,
}

impl Definition for Narrow {
    fn name(&self) -> &'static str {
        "narrow"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [x @ [n, c, rest @ ..]] if self.count > 0 && self.start + self.count <= *c && !x.contains(&0) => {
                Ok([*n, self.count].into_iter().chain(rest.iter().copied()).collect())
            }
            _ => {
                let end = self.start + self.count;
                Err(format!("narrow: one input (N,C,…) of {end} channels or more was expected, found {inputs:?}"))
            }
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[false], output: false }
    }
}

impl<T: Real> Kernel<T> for Narrow {
    fn forward(&self, inputs: &[View<'_, T>], _mode: Mode<'_, T>, out: &mut [T], _saved: &mut Saved<T>) {
        let View { values, dims } = inputs[0];
        let plane: usize = dims[2..].iter().product();
        let images = values.par_chunks(dims[1] * plane);
        out.par_chunks_mut(self.count * plane)
            .zip(images)
            .for_each(|(out, x)| out.copy_from_slice(&x[self.start * plane..][..self.count * plane]));
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
        sink.clear();
        let dims = inputs[0].dims;
        let plane: usize = dims[2..].iter().product();
        let images = gradient.par_chunks(self.count * plane);
        sink.values.par_chunks_mut(dims[1] * plane).zip(images).for_each(|(dx, g)| {
            let part = &mut dx[self.start * plane..][..self.count * plane];
            part.iter_mut().zip(g).for_each(|(to, g)| *to += *g);
        });
    }
}
