//! y = x·Wᵀ for rows of features, with gradients of both. Knows no layer; a bias is the caller's.

use crate::ops::matmul::{Matrix, multiply};
use crate::ops::values;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

struct Linear;

/// `x` (N,I) and `weight` (O,I) to (N,O).
pub fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op2(&weight.contiguous()?, Linear)
}

/// (N, I, O)
fn sizes(x: &[usize], w: &[usize]) -> Result<(usize, usize, usize)> {
    match (x, w) {
        (&[n, i], &[o, j]) if i == j => Ok((n, i, o)),
        _ => bail!("linear: shapes (N,I) and (O,I) were expected, found {x:?} and {w:?}"),
    }
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout, w: &CpuStorage, wl: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, i, o) = sizes(xl.dims(), wl.dims())?;
        let left = Matrix { values: values::of_storage("linear", x, xl)?, rows: i, columns: 1 };
        let right = Matrix { values: values::of_storage("linear", w, wl)?, rows: 1, columns: i };
        let mut out = vec![0f32; n * o];
        multiply(n, o, i, left, right, &mut out, o, false);
        Ok((CpuStorage::F32(out), Shape::from((n, o))))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _y: &Tensor, g: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (n, i, o) = sizes(x.dims(), w.dims())?;
        let mut dx = vec![0f32; n * i];
        let mut dw = vec![0f32; o * i];
        values::with(g, |g| {
            values::with(w, |w| {
                let (left, right) =
                    (Matrix { values: g, rows: o, columns: 1 }, Matrix { values: w, rows: i, columns: 1 });
                multiply(n, i, o, left, right, &mut dx, i, false);
                Ok(())
            })?;
            values::with(x, |x| {
                let (left, right) =
                    (Matrix { values: g, rows: 1, columns: o }, Matrix { values: x, rows: i, columns: 1 });
                multiply(o, i, n, left, right, &mut dw, i, false);
                Ok(())
            })
        })?;
        Ok((Some(Tensor::from_vec(dx, x.shape(), x.device())?), Some(Tensor::from_vec(dw, w.shape(), w.device())?)))
    }
}

#[cfg(test)]
mod tests {
    use super::linear;
    use candle_core::{Device, Tensor, Var};

    #[test]
    fn output_and_gradients_match_a_hand_worked_case() {
        let x = Var::new(&[[1f32, 2.0, 3.0], [4.0, 5.0, 6.0]], &Device::Cpu).unwrap();
        let w = Var::new(&[[1f32, 0.0, -1.0], [2.0, 1.0, 0.5]], &Device::Cpu).unwrap();
        let y = linear(&x, &w).unwrap();
        assert_eq!(y.to_vec2::<f32>().unwrap(), [[-2.0, 5.5], [-2.0, 16.0]]);
        let g = Tensor::new(&[[1f32, 2.0], [3.0, -1.0]], &Device::Cpu).unwrap();
        let gradients = (y * g).unwrap().sum_all().unwrap().backward().unwrap();
        let found = |v: &Var| gradients.get(v).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(found(&x), [[5.0, 2.0, 0.0], [1.0, -1.0, -3.5]]);
        assert_eq!(found(&w), [[13.0, 17.0, 21.0], [-2.0, -1.0, 0.0]]);
        assert!(linear(&w, &Tensor::zeros((2, 2), candle_core::DType::F32, &Device::Cpu).unwrap()).is_err());
    }
}
