//! Means over windows of a plane and over the whole plane, composed of operators whose gradients are right in candle
//! (its own pooling is not). Knows no layer.

use candle_core::{Result, Tensor, bail};

/// `x` (N,C,H,W) to (N,C,H/k,W/k): windows of k×k side by side; rows and columns that do not fill a window are dropped.
pub fn windows(x: &Tensor, k: usize) -> Result<Tensor> {
    let (n, c, height, width) = x.dims4()?;
    if k == 0 || height < k || width < k {
        bail!("average_pool: a window of {k}×{k} does not fit a plane of {height}×{width}");
    }
    let (rows, columns) = (height / k, width / k);
    let x = x.narrow(2, 0, rows * k)?.narrow(3, 0, columns * k)?.contiguous()?;
    x.reshape((n, c, rows, k, columns, k))?.mean(5)?.mean(3)
}

/// `x` (N,C,…) to (N,C).
pub fn global(x: &Tensor) -> Result<Tensor> {
    x.flatten_from(2)?.mean(2)
}

#[cfg(test)]
mod tests {
    use super::{global, windows};
    use candle_core::{Device, Tensor, Var};

    #[test]
    fn a_ragged_plane_keeps_its_whole_windows_only() {
        // 3×5 plane, windows of 2: one row of two windows; the last row and column get no gradient.
        let x = Var::from_vec((0..15).map(|v| v as f32).collect(), (1, 1, 3, 5), &Device::Cpu).unwrap();
        let y = windows(&x, 2).unwrap();
        assert_eq!(y.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [3.0, 5.0]);
        let upstream = Tensor::from_vec(vec![4f32, 8.0], (1, 1, 1, 2), &Device::Cpu).unwrap();
        let gradients = (y * upstream).unwrap().sum_all().unwrap().backward().unwrap();
        let found = gradients.get(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(found, [1., 1., 2., 2., 0., 1., 1., 2., 2., 0., 0., 0., 0., 0., 0.]);
        assert!(windows(&x, 4).is_err());
    }

    #[test]
    fn the_global_mean_spreads_its_gradient_evenly() {
        let x = Var::from_vec((0..12).map(|v| v as f32).collect(), (1, 2, 2, 3), &Device::Cpu).unwrap();
        let y = global(&x).unwrap();
        assert_eq!(y.to_vec2::<f32>().unwrap(), [[2.5, 8.5]]);
        let gradients = y.sum_all().unwrap().backward().unwrap();
        let found = gradients.get(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(found.iter().all(|v| (v - 1.0 / 6.0).abs() < 1e-7));
    }
}
