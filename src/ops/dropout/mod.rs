//! Dropout of single values and of whole samples (drop-path): 0 with probability `rate`, else divided by 1 − rate. Both rest
//! while evaluating. Knows no network.

pub mod cuda;

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use crate::ops::ramp::Ramp;
use crate::ops::simd::{Routine, Vector, dispatch};
use crate::seed::Purpose;
use rayon::prelude::{
    IndexedParallelIterator, IntoParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut,
};

/// What is dropped together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Value,
    /// A row of the first dimension.
    Sample,
}

#[derive(Clone, Copy, Debug)]
enum Rate {
    Fixed(f64),
    Rising(Ramp),
}

/// One input of any dimensions.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    unit: Unit,
    rate: Rate,
    purpose: Purpose,
}

/// Values per stream of masks: fixed, so that any number of threads draws the same.
const CHUNK: usize = 1 << 12;
/// Draws per word of a mask.
const WORD: usize = u32::BITS as usize;

impl Dropout {
    /// `purpose` must differ between the layers of a network; each optimiser step draws anew.
    ///
    /// Panics where `rate` is not in 0..1.
    pub fn new(unit: Unit, rate: f64, purpose: Purpose) -> Self {
        assert!((0.0..1.0).contains(&rate), "dropout: a rate in 0..1 was expected, found {rate}");
        Dropout { unit, rate: Rate::Fixed(rate), purpose }
    }

    /// The same with a rate that rises while training.
    pub fn rising(unit: Unit, ramp: Ramp, purpose: Purpose) -> Self {
        Dropout { unit, rate: Rate::Rising(ramp), purpose }
    }

    fn rate(&self, step: u64) -> f64 {
        match self.rate {
            Rate::Fixed(rate) => rate,
            Rate::Rising(ramp) => ramp.at(step),
        }
    }

    /// A bit per draw of a step, set where it keeps its unit; each chunk of values, or each sample, begins a word.
    fn mask(&self, step: u64, rate: f64, dims: &[usize]) -> Vec<u32> {
        let (chunks, draws) = match self.unit {
            Unit::Value => (dims.iter().product::<usize>().div_ceil(CHUNK), dims.iter().product()),
            Unit::Sample => (dims[0], dims[0]),
        };
        let per_chunk = if self.unit == Unit::Value { CHUNK } else { 1 };
        let bound = (rate * 4_294_967_296.0) as u64;
        let words = |index: usize| {
            // a stream per step and chunk: chunks of one step lie 2³² apart from those of the next
            let mut stream = self.purpose.at(step << 32 | index as u64);
            let count = per_chunk.min(draws - index * per_chunk);
            let word = move |start: usize| {
                let bits = 0..WORD.min(count - start);
                bits.fold(0, |word, bit| word | u32::from(u64::from(stream.next_u32()) >= bound) << bit)
            };
            (0..count).step_by(WORD).map(word).collect::<Vec<u32>>()
        };
        (0..chunks).into_par_iter().map(words).collect::<Vec<_>>().concat()
    }

    /// `to` (+)= `from` times 0 or `keep`, 1/(1 − rate): 0·NaN and 0·∞ stay NaN, as in PyTorch.
    fn map<T: Real>(&self, (mask, keep): (&[u32], T), dims: &[usize], from: &[T], to: &mut [T], add: bool) {
        let together = dims.iter().skip(1).product::<usize>().max(1);
        let (size, words) = match self.unit {
            Unit::Value => (CHUNK, CHUNK / WORD),
            Unit::Sample => (together, 1),
        };
        let chunks = to.par_chunks_mut(size).zip(from.par_chunks(size).zip(mask.par_chunks(words)));
        chunks.for_each(|(to, (from, mask))| match self.unit {
            Unit::Value => dispatch(Masked { mask, keep, from, to, add }),
            Unit::Sample => times(if mask[0] == 1 { u32::MAX } else { 0 }, keep, from, to, add),
        });
    }
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

/// Values times 0 or `keep`, by the bits of a word in turn.
#[inline(always)]
fn times<T: Real>(word: u32, keep: T, from: &[T], to: &mut [T], add: bool) {
    for (bit, (to, from)) in to.iter_mut().zip(from).enumerate() {
        let value = *from * if word >> (bit % WORD) & 1 == 1 { keep } else { T::zero() };
        *to = if add { *to + value } else { value };
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

/// Saved indices: the mask, or nothing where the operator rested; the one array holds what kept values are multiplied by.
impl<T: Real> Kernel<T> for Dropout {
    fn forward(&self, inputs: &[View<'_, T>], mode: Mode<'_, T>, out: &mut [T], saved: &mut Saved<T>) {
        let View { values, dims } = inputs[0];
        let (step, rate) = match mode {
            Mode::Train { step } => (step, self.rate(step)),
            Mode::Evaluate { .. } => (0, 0.0),
        };
        if rate == 0.0 {
            return out.copy_from_slice(values);
        }
        let keep = T::of(1.0 / (1.0 - rate));
        saved.indices = self.mask(step, rate, dims);
        saved.arrays = vec![vec![keep]];
        self.map((&saved.indices, keep), dims, values, out, false);
    }

    fn backward(
        &self,
        inputs: &[View<'_, T>],
        _output: &[T],
        saved: &Saved<T>,
        gradient: &[T],
        sinks: &mut [Option<Sink<'_, T>>],
    ) {
        let Some(Sink { values, add }) = &mut sinks[0] else { return };
        if saved.indices.is_empty() {
            values.iter_mut().zip(gradient).for_each(|(dx, g)| *dx = if *add { *dx + *g } else { *g });
        } else {
            self.map((&saved.indices, saved.arrays[0][0]), inputs[0].dims, gradient, values, *add);
        }
    }
}
