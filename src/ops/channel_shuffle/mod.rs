//! Channels in groups dealt out like cards, so that the next grouped operator sees some of each. Knows no network.

pub mod cuda;

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSliceMut};

/// x (N,C,…) to the same dimensions: channel j·groups + g of the output is channel g·(C/groups) + j of x
/// (`yuhuixu1993/PC-DARTS`, `model_search.py`, `channel_shuffle`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelShuffle {
    pub groups: usize,
}

impl Definition for ChannelShuffle {
    fn name(&self) -> &'static str {
        "channel_shuffle"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [x @ [_, c, ..]] if self.groups > 0 && c % self.groups == 0 && !x.contains(&0) => Ok(x.to_vec()),
            _ => {
                let groups = self.groups;
                Err(format!("channel_shuffle: one input (N,C,…) of {groups} groups was expected, found {inputs:?}"))
            }
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[false], output: false }
    }
}

/// Copies or adds planes: plane c of an image comes from plane `source(c)`.
fn planes<T: Real>(dims: &[usize], from: &[T], to: &mut [T], add: bool, source: impl Fn(usize) -> usize + Sync) {
    let (channels, plane) = (dims[1], dims[2..].iter().product::<usize>());
    to.par_chunks_mut(channels * plane).enumerate().for_each(|(image, to)| {
        for (channel, to) in to.chunks_exact_mut(plane).enumerate() {
            let from = &from[(image * channels + source(channel)) * plane..][..plane];
            if add {
                to.iter_mut().zip(from).for_each(|(to, from)| *to += *from);
            } else {
                to.copy_from_slice(from);
            }
        }
    });
}

impl<T: Real> Kernel<T> for ChannelShuffle {
    fn forward(&self, inputs: &[View<'_, T>], _mode: Mode<'_, T>, out: &mut [T], _saved: &mut Saved<T>) {
        let View { values, dims } = inputs[0];
        let (groups, each) = (self.groups, dims[1] / self.groups);
        planes(dims, values, out, false, |c| c % groups * each + c / groups);
    }

    fn backward(
        &self,
        inputs: &[View<'_, T>],
        _output: &[T],
        _saved: &Saved<T>,
        gradient: &[T],
        sinks: &mut [Option<Sink<'_, T>>],
    ) {
        let Some(Sink { values, add }) = &mut sinks[0] else { return };
        let (groups, each) = (self.groups, inputs[0].dims[1] / self.groups);
        planes(inputs[0].dims, gradient, values, *add, |c| c % each * groups + c / each);
    }
}
