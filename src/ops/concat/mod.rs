//! Channels of several arrays side by side. Knows no network.

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSliceMut};

/// Parts that one operator can take.
const MOST: usize = 64;
const READS: [bool; MOST] = [false; MOST];

/// `parts` inputs (N,Cᵢ,…), alike but for their channels, to (N,ΣCᵢ,…).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concat {
    pub parts: usize,
}

impl Definition for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        if !(1..=MOST).contains(&self.parts) || inputs.len() != self.parts {
            let (parts, found) = (self.parts, inputs.len());
            return Err(format!("concat: 1 to {MOST} inputs, here {parts}, were expected, found {found}"));
        }
        let mut out = inputs[0].to_vec();
        let fits = |x: &&[usize]| x.len() >= 2 && x.len() == out.len() && x[0] == out[0] && x[2..] == out[2..];
        if let Some(odd) = inputs.iter().find(|x| !fits(x) || x.contains(&0)) {
            return Err(format!("concat: dimensions (N,C,…) like {:?} were expected, found {odd:?}", inputs[0]));
        }
        out[1] = inputs.iter().map(|x| x[1]).sum();
        Ok(out)
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &READS[..self.parts], output: false }
    }
}

/// Values of one image in each part.
fn sizes<T>(inputs: &[View<'_, T>]) -> Vec<usize> {
    inputs.iter().map(|x| x.dims[1..].iter().product()).collect()
}

impl<T: Real> Kernel<T> for Concat {
    fn forward(&self, inputs: &[View<'_, T>], _mode: Mode<'_, T>, out: &mut [T], _saved: &mut Saved<T>) {
        let sizes = sizes(inputs);
        out.par_chunks_mut(sizes.iter().sum()).enumerate().for_each(|(image, mut out)| {
            for (x, size) in inputs.iter().zip(&sizes) {
                let (to, rest) = out.split_at_mut(*size);
                to.copy_from_slice(&x.values[image * size..(image + 1) * size]);
                out = rest;
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
        let sizes = sizes(inputs);
        let (total, mut start) = (sizes.iter().sum::<usize>(), 0);
        for (sink, size) in sinks.iter_mut().zip(&sizes) {
            if let Some(Sink { values, add }) = sink {
                values.par_chunks_mut(*size).enumerate().for_each(|(image, to)| {
                    let from = &gradient[image * total + start..][..*size];
                    if *add {
                        to.iter_mut().zip(from).for_each(|(to, from)| *to += *from);
                    } else {
                        to.copy_from_slice(from);
                    }
                });
            }
            start += size;
        }
    }
}
