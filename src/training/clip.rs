//! Clipping a gradient by its global norm, as `torch.nn.utils.clip_grad_norm_` does it. Knows no optimiser.

use crate::ops::operator::Real;
use crate::ops::values;
use crate::training::update::CHUNK;
use candle_core::{DType, Result, Tensor};
use rayon::prelude::{ParallelIterator, ParallelSlice};

/// Euclidean norm of all values, summed in `f64` in fixed chunks.
pub fn norm(gradient: &Tensor) -> Result<f64> {
    fn squares<T: Real>(values: &[T]) -> f64 {
        let of = |chunk: &[T]| chunk.iter().map(|v| v.double() * v.double()).sum::<f64>();
        let parts: Vec<f64> = values.par_chunks(CHUNK).map(of).collect();
        parts.into_iter().sum()
    }
    let sum = match gradient.dtype() {
        DType::F64 => values::with::<f64, _>(gradient, |v| Ok(squares(v)))?,
        _ => values::with::<f32, _>(gradient, |v| Ok(squares(v)))?,
    };
    Ok(sum.sqrt())
}

/// The factor that brings a gradient of this norm down to `limit`: 1 where it is not above. PyTorch's 1e-6 beside the norm.
pub fn factor(norm: f64, limit: f64) -> f64 {
    (limit / (norm + 1e-6)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::{factor, norm};
    use candle_core::{Device, Tensor};

    #[test]
    fn long_gradients_shrink_and_short_ones_stay() {
        let long = Tensor::new(&[3f32, 0.0, -4.0], &Device::Cpu).unwrap();
        assert_eq!(norm(&long).unwrap(), 5.0);
        assert!((factor(5.0, 2.5) - 2.5 / (5.0 + 1e-6)).abs() < 1e-15);
        assert_eq!(factor(5.0, 6.0), 1.0);
        let many = Tensor::ones(100_000, candle_core::DType::F64, &Device::Cpu).unwrap();
        assert!((norm(&many).unwrap() - 100_000f64.sqrt()).abs() < 1e-9);
    }
}
