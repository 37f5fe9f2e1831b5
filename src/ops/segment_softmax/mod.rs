//! Softmax over consecutive pieces of a flat array, such as the rows of alpha and the edges of each node in beta. Knows no
//! search space.

pub mod cuda;

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};

/// One flat input of `lengths`' sum; output of the same length. Sums run in `f64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentSoftmax {
    pub lengths: Vec<usize>,
}

impl Definition for SegmentSoftmax {
    fn name(&self) -> &'static str {
        "segment_softmax"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let expected: usize = self.lengths.iter().sum();
        match inputs {
            [x] if **x == [expected] => Ok(vec![expected]),
            _ => Err(format!("segment_softmax: one input of length {expected} was expected, found {inputs:?}")),
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[false], output: true }
    }
}

impl<T: Real> Kernel<T> for SegmentSoftmax {
    fn forward(&self, inputs: &[View<'_, T>], _mode: Mode<'_, T>, out: &mut [T], _saved: &mut Saved<T>) {
        let mut at = 0;
        for length in &self.lengths {
            let x = &inputs[0].values[at..at + length];
            let top = x.iter().fold(T::neg_infinity(), |m, v| if *v > m || v.is_nan() { *v } else { m });
            let powers: Vec<f64> = x.iter().map(|v| (v.double() - top.double()).exp()).collect();
            let sum: f64 = powers.iter().sum();
            out[at..at + length].iter_mut().zip(powers).for_each(|(to, p)| *to = T::of(p / sum));
            at += length;
        }
    }

    fn backward(
        &self,
        _inputs: &[View<'_, T>],
        output: &[T],
        _saved: &Saved<T>,
        gradient: &[T],
        sinks: &mut [Option<Sink<'_, T>>],
    ) {
        let Some(sink) = &mut sinks[0] else { return };
        let mut at = 0;
        for length in &self.lengths {
            let range = at..at + length;
            let (y, g) = (&output[range.clone()], &gradient[range.clone()]);
            let mean: f64 = y.iter().zip(g).map(|(y, g)| y.double() * g.double()).sum();
            for (i, (y, g)) in range.zip(y.iter().zip(g)) {
                sink.put(i, T::of(y.double() * (g.double() - mean)));
            }
            at += length;
        }
    }
}
