//! Element-wise dropout: each value is 0 with probability `rate`, else divided by 1 − rate. Knows no network.

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use crate::ops::simd::{Routine, Vector, dispatch};
use crate::seed::{Purpose, Stream};
use candle_core::{Tensor, bail};
use rayon::prelude::{
    IndexedParallelIterator, IntoParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut,
};

/// Values that are drawn from one stream: whole words of the mask.
const CHUNK: usize = 1 << 14;
/// A step's chunks have consecutive streams of their own; 2²⁴ chunks are 2³⁸ values.
const CHUNKS_PER_STEP: u64 = 1 << 24;
/// Values per word of the mask.
const WORD: usize = u32::BITS as usize;

/// x of any dimensions to the same. The draws of a step depend on `purpose`, the step and the value's place alone. While
/// evaluating, and at rate 0, it is the identity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// In 0..1.
    pub rate: f64,
    /// Must differ between the layers of a network.
    pub purpose: Purpose,
}

impl Dropout {
    fn keep<T: Real>(&self) -> T {
        T::of(1.0 / (1.0 - self.rate))
    }

    /// A bit per value, set where it is kept.
    fn mask(&self, step: u64, count: usize) -> Vec<u32> {
        let bound = (self.rate * 4_294_967_296.0) as u64;
        let words = |chunk: usize| {
            let mut stream = self.purpose.at(step * CHUNKS_PER_STEP + chunk as u64);
            let values = CHUNK.min(count - chunk * CHUNK);
            let word = move |word: usize| {
                let bits = 0..WORD.min(values - word * WORD);
                bits.fold(0, |bits, bit| bits | u32::from(u64::from(stream.next_u32()) >= bound) << bit)
            };
            (0..values.div_ceil(WORD)).map(word).collect::<Vec<u32>>()
        };
        (0..count.div_ceil(CHUNK)).into_par_iter().map(words).collect::<Vec<_>>().concat()
    }
}

/// `to` (+)= `from` times 0 or `keep`: 0·NaN and 0·∞ stay NaN, as in PyTorch.
fn masked<T: Real>(mask: &[u32], keep: T, from: &[T], to: &mut [T], add: bool) {
    let chunks = to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK).zip(mask.par_chunks(CHUNK / WORD)));
    chunks.for_each(|(to, (from, mask))| dispatch(Masked { mask, keep, from, to, add }));
}

/// Plain loops, which the compiler turns into those instructions that `dispatch` found.
struct Masked<'a, T> {
    mask: &'a [u32],
    keep: T,
    from: &'a [T],
    to: &'a mut [T],
    add: bool,
}

impl<T: Real> Routine for Masked<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Masked { mask, keep, from, to, add } = self;
        let ((to, to_tail), (from, from_tail)) = (to.as_chunks_mut::<WORD>(), from.as_chunks::<WORD>());
        for ((to, from), word) in to.iter_mut().zip(from).zip(mask) {
            times(*word, keep, from, to, add);
        }
        if let Some(word) = mask.get(to.len()) {
            times(*word, keep, from_tail, to_tail, add);
        }
    }
}

/// The values of one word of the mask.
#[inline(always)]
fn times<T: Real>(word: u32, keep: T, from: &[T], to: &mut [T], add: bool) {
    for (bit, (to, from)) in to.iter_mut().zip(from).enumerate() {
        let value = *from * if word & 1 << bit != 0 { keep } else { T::zero() };
        *to = if add { *to + value } else { value };
    }
}

impl Definition for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        if !(0.0..1.0).contains(&self.rate) {
            return Err(format!("dropout: a rate in 0..1 was expected, found {}", self.rate));
        }
        match inputs {
            [x] => Ok(x.to_vec()),
            _ => Err(format!("dropout: one input was expected, found {}", inputs.len())),
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[false], output: false }
    }
}

/// Saved indices: the mask, or nothing where the operator was the identity.
impl<T: Real> Kernel<T> for Dropout {
    fn forward(&self, inputs: &[View<'_, T>], mode: Mode<'_, T>, out: &mut [T], saved: &mut Saved<T>) {
        saved.indices = match mode {
            Mode::Train { step } if self.rate > 0.0 => self.mask(step, out.len()),
            _ => Vec::new(),
        };
        if saved.indices.is_empty() {
            out.copy_from_slice(inputs[0].values);
        } else {
            masked(&saved.indices, self.keep(), inputs[0].values, out, false);
        }
    }

    fn backward(
        &self,
        _inputs: &[View<'_, T>],
        _output: &[T],
        saved: &Saved<T>,
        gradient: &[T],
        sinks: &mut [Option<Sink<'_, T>>],
    ) {
        let Some(Sink { values, add }) = &mut sinks[0] else { return };
        if saved.indices.is_empty() {
            values.iter_mut().zip(gradient).for_each(|(dx, g)| *dx = if *add { *dx + *g } else { *g });
        } else {
            masked(&saved.indices, self.keep(), gradient, values, *add);
        }
    }
}

/// Any shape; `rate` in 0..1. The mask is drawn in row-major order from `stream`.
pub fn dropout(x: &Tensor, rate: f64, mut stream: Stream) -> candle_core::Result<Tensor> {
    if !(0.0..1.0).contains(&rate) {
        bail!("dropout: a rate in 0..1 was expected, found {rate}");
    }
    if rate == 0.0 {
        return Ok(x.clone());
    }
    let keep = (1.0 / (1.0 - rate)) as f32;
    let bound = (rate * 4_294_967_296.0) as u64;
    let mask: Vec<f32> =
        (0..x.elem_count()).map(|_| if u64::from(stream.next_u32()) < bound { 0.0 } else { keep }).collect();
    x * Tensor::from_vec(mask, x.shape(), x.device())?
}

#[cfg(test)]
mod tests {
    use super::dropout;
    use crate::seed::Purpose;
    use candle_core::{DType, Device, Tensor};

    #[test]
    fn keeps_the_mean_and_drops_the_given_share() {
        let x = Tensor::ones((100, 100), DType::F32, &Device::Cpu).unwrap();
        let stream = Purpose::new(0, "test", "dropout").at(0);
        let y = dropout(&x, 0.3, stream.clone()).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let dropped = y.iter().filter(|v| **v == 0.0).count();
        assert!((2800..3200).contains(&dropped), "{dropped}");
        assert!(y.iter().all(|v| *v == 0.0 || (*v - 1.0 / 0.7).abs() < 1e-6));
        let same = dropout(&x, 0.3, stream.clone()).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(y, same);
        assert!(dropout(&x, 1.0, stream).is_err());
    }
}
