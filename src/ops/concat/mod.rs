//! Arrays side by side along one axis: channels of activations, or the values of flat arrays. Knows no layer.

pub mod cuda;

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};

/// One to eight inputs with equal dimensions but for `axis`; the output has their sum there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concat {
    pub axis: usize,
    pub inputs: usize,
}

const NONE: [bool; 8] = [false; 8];

impl Concat {
    /// How many values lie together: for each input, and in the output.
    fn runs(&self, dims: &[&[usize]]) -> (Vec<usize>, usize) {
        let runs: Vec<usize> = dims.iter().map(|d| d[self.axis..].iter().product()).collect();
        let sum = runs.iter().sum();
        (runs, sum)
    }
}

impl Definition for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let wrong = || {
            format!(
                "concat: {} inputs that differ in axis {} at most were expected, found {inputs:?}",
                self.inputs, self.axis
            )
        };
        if inputs.len() != self.inputs || !(1..=NONE.len()).contains(&inputs.len()) {
            return Err(wrong());
        }
        let mut out = inputs[0].to_vec();
        if self.axis >= out.len() {
            return Err(wrong());
        }
        out[self.axis] = 0;
        for dims in inputs {
            let mut rest = dims.to_vec();
            if rest.len() != out.len() {
                return Err(wrong());
            }
            out[self.axis] += std::mem::replace(&mut rest[self.axis], out[self.axis]);
            if rest[..self.axis] != out[..self.axis] || rest[self.axis + 1..] != out[self.axis + 1..] {
                return Err(wrong());
            }
        }
        Ok(out)
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &NONE[..self.inputs], output: false }
    }
}

impl<T: Real> Kernel<T> for Concat {
    fn forward(&self, inputs: &[View<'_, T>], _mode: Mode<'_, T>, out: &mut [T], _saved: &mut Saved<T>) {
        let dims: Vec<&[usize]> = inputs.iter().map(|v| v.dims).collect();
        let (runs, sum) = self.runs(&dims);
        out.par_chunks_exact_mut(sum.max(1)).enumerate().for_each(|(row, out)| {
            let mut at = 0;
            for (view, run) in inputs.iter().zip(&runs) {
                out[at..at + run].copy_from_slice(&view.values[row * run..(row + 1) * run]);
                at += run;
            }
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
        let dims: Vec<&[usize]> = inputs.iter().map(|v| v.dims).collect();
        let (runs, sum) = self.runs(&dims);
        let mut at = 0;
        for (sink, run) in sinks.iter_mut().zip(&runs) {
            if let Some(Sink { values, add }) = sink {
                let rows = values.par_chunks_exact_mut((*run).max(1)).zip(gradient.par_chunks_exact(sum.max(1)));
                rows.for_each(|(to, from)| {
                    let from = &from[at..at + run];
                    if *add {
                        to.iter_mut().zip(from).for_each(|(to, from)| *to += *from);
                    } else {
                        to.copy_from_slice(from);
                    }
                });
            }
            at += run;
        }
    }
}
