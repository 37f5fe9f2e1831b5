//! Element-wise dropout: each value is 0 with probability `rate`, else divided by 1 − rate. Knows no network.

use crate::seed::Stream;
use candle_core::{Result, Tensor, bail};

/// Any shape; `rate` in 0..1. The mask is drawn in row-major order from `stream`.
pub fn dropout(x: &Tensor, rate: f64, mut stream: Stream) -> Result<Tensor> {
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
