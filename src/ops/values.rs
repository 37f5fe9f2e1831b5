//! Contiguous values of tensors or of an operator's arguments. Knows no operator.

use crate::ops::operator::View;
use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, WithDType, bail};

/// The values of an operator's argument; its layout must be contiguous (callers make it so).
pub fn of_storage<'a, T: WithDType>(op: &str, storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    let values = storage.as_slice::<T>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&values[start..end]),
        None => bail!("{op}: a contiguous argument was expected, found strides {:?}", layout.stride()),
    }
}

/// Calls `f` with the values of `tensor` in row-major order; copies only where the tensor is not contiguous.
pub fn with<T: WithDType, R>(tensor: &Tensor, f: impl FnOnce(&[T]) -> Result<R>) -> Result<R> {
    with_all(&[tensor], |views| f(views[0].values))
}

/// Calls `f` with the values and dimensions of several tensors.
pub fn with_all<T: WithDType, R>(tensors: &[&Tensor], f: impl FnOnce(&[View<'_, T>]) -> Result<R>) -> Result<R> {
    let whole = tensors.iter().map(|x| x.contiguous()).collect::<Result<Vec<_>>>()?;
    let locked: Vec<_> = whole.iter().map(|x| x.storage_and_layout()).collect();
    let mut views = Vec::with_capacity(locked.len());
    for (storage, layout) in &locked {
        match &**storage {
            Storage::Cpu(cpu) => {
                views.push(View { values: of_storage("values", cpu, layout)?, dims: layout.dims() });
            }
            _ => bail!("values: a tensor on the CPU was expected"),
        }
    }
    f(&views)
}
