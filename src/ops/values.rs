//! Contiguous `f32` values of a tensor or of an operator's argument. Knows no operator.

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, bail};

/// The values of an operator's argument; its layout must be contiguous (callers make it so).
pub fn of_storage<'a>(op: &str, storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let values = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&values[start..end]),
        None => bail!("{op}: a contiguous argument was expected, found strides {:?}", layout.stride()),
    }
}

/// Calls `f` with the values of `tensor` in row-major order; copies only where the tensor is not contiguous.
pub fn with<R>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(cpu) => f(of_storage("values", cpu, layout)?),
        _ => bail!("values: a tensor on the CPU was expected"),
    }
}
