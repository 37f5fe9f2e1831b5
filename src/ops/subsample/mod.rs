//! Every second position of an image or series, from a given first one: what FactorizedReduce convolves (methods spec §4.1).
//! Knows no convolution.

pub mod cuda;

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};

/// x (N,C,H,W) to (N,C,⌈H/2⌉,⌈W/2⌉): out[i,j] = x[2i+offset, 2j+offset], 0 beyond the edge (odd sides with offset 1). An axis of
/// length 1, the height of a series, stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subsample {
    /// 0 or 1, on both axes.
    pub offset: usize,
}

/// Stride and first position of one axis.
fn axis(length: usize, offset: usize) -> (usize, usize) {
    if length == 1 { (1, 0) } else { (2, offset) }
}

impl Subsample {
    /// For one plane: (position in the output, position in the input) of all values that lie inside.
    fn pairs(&self, height: usize, width: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let ((sy, oy), (sx, ox)) = (axis(height, self.offset), axis(width, self.offset));
        let columns = width.div_ceil(sx);
        let rows = (oy..height).step_by(sy).enumerate();
        rows.flat_map(move |(i, y)| {
            (ox..width).step_by(sx).enumerate().map(move |(j, x)| (i * columns + j, y * width + x))
        })
    }
}

impl Definition for Subsample {
    fn name(&self) -> &'static str {
        "subsample"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let &[&[n, c, h, w]] = inputs else {
            return Err(format!("subsample: one input (N,C,H,W) was expected, found {inputs:?}"));
        };
        Ok(vec![n, c, h.div_ceil(axis(h, 0).0), w.div_ceil(axis(w, 0).0)])
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[false], output: false }
    }
}

impl<T: Real> Kernel<T> for Subsample {
    fn forward(&self, inputs: &[View<'_, T>], _mode: Mode<'_, T>, out: &mut [T], _saved: &mut Saved<T>) {
        let &[_, _, h, w] = inputs[0].dims else { unreachable!("dimensions were checked") };
        let plane = h.div_ceil(axis(h, 0).0) * w.div_ceil(axis(w, 0).0);
        out.par_chunks_exact_mut(plane).zip(inputs[0].values.par_chunks_exact(h * w)).for_each(|(out, x)| {
            out.fill(T::zero());
            self.pairs(h, w).for_each(|(to, from)| out[to] = x[from]);
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
        let &[_, _, h, w] = inputs[0].dims else { unreachable!("dimensions were checked") };
        let plane = h.div_ceil(axis(h, 0).0) * w.div_ceil(axis(w, 0).0);
        let Some(Sink { values, add }) = &mut sinks[0] else { return };
        let add = *add;
        values.par_chunks_exact_mut(h * w).zip(gradient.par_chunks_exact(plane)).for_each(|(dx, g)| {
            if !add {
                dx.fill(T::zero());
            }
            self.pairs(h, w).for_each(|(from, to)| dx[to] += g[from]);
        });
    }
}
