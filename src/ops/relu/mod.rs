//! y = max(x, 0), with gradient 0 at exactly 0 as in PyTorch (candle's own gives 1 there). NaN stays NaN.

use crate::ops::values;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};

/// Values per task: large enough to hide the split, independent of the number of threads.
const CHUNK: usize = 1 << 16;

struct Relu;

/// Any shape.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Relu)
}

fn map(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32 + Sync) -> Vec<f32> {
    let mut out = vec![0f32; x.len()];
    out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK).zip(y.par_chunks(CHUNK))).for_each(|(out, (x, y))| {
        for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
            *out = f(*x, *y);
        }
    });
    out
}

impl CustomOp1 for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values::of_storage("relu", storage, layout)?;
        Ok((CpuStorage::F32(map(x, x, |x, _| if x < 0.0 { 0.0 } else { x })), layout.shape().clone()))
    }

    fn bwd(&self, _x: &Tensor, y: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let dx = values::with(y, |y| values::with(gradient, |g| Ok(map(y, g, |y, g| if y > 0.0 { g } else { 0.0 }))))?;
        Ok(Some(Tensor::from_vec(dx, y.shape(), y.device())?))
    }
}

#[cfg(test)]
mod tests {
    use super::relu;
    use candle_core::{Device, Var};

    #[test]
    fn the_gradient_at_zero_is_zero() {
        let x = Var::new(&[-1.5f32, -0.0, 0.0, 2.0, 1e-30], &Device::Cpu).unwrap();
        let y = relu(&x).unwrap();
        assert_eq!(y.to_vec1::<f32>().unwrap(), [0.0, 0.0, 0.0, 2.0, 1e-30]);
        let upstream = candle_core::Tensor::new(&[1f32, 2.0, 3.0, 4.0, 5.0], &Device::Cpu).unwrap();
        let gradients = (y * upstream).unwrap().sum_all().unwrap().backward().unwrap();
        assert_eq!(gradients.get(&x).unwrap().to_vec1::<f32>().unwrap(), [0.0, 0.0, 0.0, 4.0, 5.0]);
    }
}
