//! Sum of any number of arrays of the same dimensions. Knows no network.

pub mod cuda;

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};

/// Values per task (64 KiB of f32): terms after the first find the sum in the cache.
const CHUNK: usize = 1 << 14;
/// Terms that one operator can take.
const MOST: usize = 64;
const READS: [bool; MOST] = [false; MOST];

/// `terms` inputs of equal dimensions to their sum, added from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Add {
    pub terms: usize,
}

impl Definition for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        if !(1..=MOST).contains(&self.terms) || inputs.len() != self.terms {
            let (terms, found) = (self.terms, inputs.len());
            return Err(format!("add: 1 to {MOST} inputs, here {terms}, were expected, found {found}"));
        }
        match inputs.iter().find(|dims| **dims != inputs[0]) {
            Some(other) => Err(format!("add: dimensions {:?} were expected, found {other:?}", inputs[0])),
            None => Ok(inputs[0].to_vec()),
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &READS[..self.terms], output: false }
    }
}

impl<T: Real> Kernel<T> for Add {
    fn forward(&self, inputs: &[View<'_, T>], _mode: Mode<'_, T>, out: &mut [T], _saved: &mut Saved<T>) {
        out.par_chunks_mut(CHUNK).enumerate().for_each(|(task, out)| {
            let range = task * CHUNK..task * CHUNK + out.len();
            let (first, rest) = inputs.split_first().expect("at least one term");
            match rest.split_first() {
                None => out.copy_from_slice(&first.values[range]),
                Some((second, rest)) => {
                    let pairs = first.values[range.clone()].iter().zip(&second.values[range.clone()]);
                    out.iter_mut().zip(pairs).for_each(|(out, (a, b))| *out = *a + *b);
                    for term in rest {
                        out.iter_mut().zip(&term.values[range.clone()]).for_each(|(out, x)| *out += *x);
                    }
                }
            }
        });
    }

    fn backward(
        &self,
        _inputs: &[View<'_, T>],
        _output: &[T],
        _saved: &Saved<T>,
        gradient: &[T],
        sinks: &mut [Option<Sink<'_, T>>],
    ) {
        for Sink { values, add } in sinks.iter_mut().flatten() {
            values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK)).for_each(|(to, g)| match add {
                true => to.iter_mut().zip(g).for_each(|(to, g)| *to += *g),
                false => to.copy_from_slice(g),
            });
        }
    }
}
