//! One pass over all trained values: an optimiser's rule applied in place, chunk by chunk. Knows no rule.

use crate::ops::operator::Real;
use crate::ops::values;
use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor, bail};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};
use std::sync::Mutex;

/// Values per task, whatever the number of threads.
pub const CHUNK: usize = 1 << 14;

/// What an optimiser remembers of each trained value, in numbers of the kind that the values have.
#[derive(Clone, Debug, PartialEq)]
pub enum Memory {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Memory {
    /// `count` zeros of the kind that `theta` has.
    pub fn zeros(theta: &Tensor, count: usize) -> Memory {
        match theta.dtype() {
            candle_core::DType::F64 => Memory::F64(vec![0.0; count]),
            _ => Memory::F32(vec![0.0; count]),
        }
    }
}

/// The rule for one chunk in either kind of number: values, gradient, memory (as many numbers per value as it has).
pub trait Rule: Sync {
    fn apply<T: Real>(&self, values: &mut [T], gradient: &[T], memory: &mut [T]);
    /// Numbers remembered per value; a chunk's memory lies together, one such row after the other.
    fn rows(&self) -> usize;
}

struct Update<'a, R> {
    rule: &'a R,
    memory: Mutex<&'a mut Memory>,
}

/// Applies `rule` to all of `theta`, of one dimension.
///
/// Errors: gradient or memory of another length or kind.
pub fn update<R: Rule>(theta: &Tensor, gradient: &Tensor, memory: &mut Memory, rule: &R) -> Result<()> {
    theta.inplace_op2(&gradient.contiguous()?, &Update { rule, memory: Mutex::new(memory) })
}

impl<R: Rule> Update<'_, R> {
    fn run<T: Real>(&self, values: &mut [T], gradient: &[T], memory: &mut [T]) -> Result<()> {
        let rows = self.rule.rows();
        if gradient.len() != values.len() || memory.len() != rows * values.len() {
            bail!("update: {} values, {} of a gradient, {} remembered", values.len(), gradient.len(), memory.len());
        }
        let pairs = values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        if rows == 0 {
            pairs.for_each(|(v, g)| self.rule.apply(v, g, &mut []));
        } else {
            pairs.zip(memory.par_chunks_mut(rows * CHUNK)).for_each(|((v, g), m)| self.rule.apply(v, g, m));
        }
        Ok(())
    }
}

impl<R: Rule> InplaceOp2 for Update<'_, R> {
    fn name(&self) -> &'static str {
        "update"
    }

    fn cpu_fwd(&self, theta: &mut CpuStorage, tl: &Layout, gradient: &CpuStorage, gl: &Layout) -> Result<()> {
        let Some((start, end)) = tl.contiguous_offsets() else { bail!("update: contiguous values were expected") };
        let mut memory = self.memory.lock().expect("no panic while locked");
        match (theta, &mut **memory) {
            (CpuStorage::F32(theta), Memory::F32(memory)) => {
                self.run(&mut theta[start..end], values::of_storage("update", gradient, gl)?, memory)
            }
            (CpuStorage::F64(theta), Memory::F64(memory)) => {
                self.run(&mut theta[start..end], values::of_storage("update", gradient, gl)?, memory)
            }
            _ => bail!("update: values and memory of one kind, f32 or f64, were expected"),
        }
    }
}
