//! The sum of several inputs, each times a weight that is itself an input: how a relaxed edge mixes its primitives and a node
//! its edges. Knows no search space.

pub mod cuda;

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use rayon::prelude::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator, ParallelSliceMut};

/// Inputs: as many terms as `weights` has, of one shape; then a flat array. Term i counts `array[weights[i]]` times. Sums over
/// positions, for the gradients of the weights, run in `f64` and in one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedSum {
    pub weights: Vec<usize>,
}

/// Terms at most.
pub const MOST: usize = 31;
/// Values of one part of a sum; fixed, so that the number of threads changes no bit.
const PART: usize = 1 << 12;

impl WeightedSum {
    fn weight<T: Real>(&self, inputs: &[View<'_, T>], term: usize) -> T {
        inputs[self.weights.len()].values[self.weights[term]]
    }
}

impl Definition for WeightedSum {
    fn name(&self) -> &'static str {
        "weighted_sum"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let count = self.weights.len();
        let most = self.weights.iter().max();
        match (inputs.split_last(), most) {
            (Some((array, terms)), Some(most))
                if count <= MOST
                    && terms.len() == count
                    && terms.iter().all(|t| *t == terms[0])
                    && array.len() == 1
                    && *most < array[0] =>
            {
                Ok(terms[0].to_vec())
            }
            _ => Err(format!(
                "weighted_sum: {count} inputs of one shape and their weights were expected, found {inputs:?}"
            )),
        }
    }

    fn reads(&self) -> Reads {
        const ALL: [bool; MOST + 1] = [true; MOST + 1];
        Reads { inputs: &ALL[..self.weights.len() + 1], output: false }
    }
}

impl<T: Real> Kernel<T> for WeightedSum {
    fn forward(&self, inputs: &[View<'_, T>], _mode: Mode<'_, T>, out: &mut [T], _saved: &mut Saved<T>) {
        out.par_chunks_mut(PART).enumerate().for_each(|(part, out)| {
            let start = part * PART;
            for term in 0..self.weights.len() {
                let (weight, x) = (self.weight(inputs, term), &inputs[term].values[start..start + out.len()]);
                if term == 0 {
                    out.iter_mut().zip(x).for_each(|(out, x)| *out = weight * *x);
                } else {
                    out.iter_mut().zip(x).for_each(|(out, x)| *out += weight * *x);
                }
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
        let (array, terms) = sinks.split_last_mut().expect("callers have checked the inputs");
        for (term, sink) in terms.iter_mut().enumerate() {
            let Some(Sink { values, add }) = sink else { continue };
            let (weight, add) = (self.weight(inputs, term), *add);
            values.par_chunks_mut(PART).enumerate().for_each(|(part, dx)| {
                let g = &gradient[part * PART..][..dx.len()];
                if add {
                    dx.iter_mut().zip(g).for_each(|(dx, g)| *dx += weight * *g);
                } else {
                    dx.iter_mut().zip(g).for_each(|(dx, g)| *dx = weight * *g);
                }
            });
        }
        let Some(array) = array else { return };
        array.clear();
        for (term, at) in self.weights.iter().enumerate() {
            let x = inputs[term].values;
            let part = |start: usize| -> f64 {
                let end = (start + PART).min(x.len());
                x[start..end].iter().zip(&gradient[start..end]).map(|(x, g)| x.double() * g.double()).sum()
            };
            let starts: Vec<usize> = (0..x.len()).step_by(PART).collect();
            let parts: Vec<f64> = starts.into_par_iter().map(part).collect();
            array.values[*at] += T::of(parts.iter().sum());
        }
    }
}
