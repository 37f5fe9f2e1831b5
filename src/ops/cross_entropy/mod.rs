//! Mean cross-entropy of rows of logits against class numbers. Knows no task.

use candle_core::{D, Result, Tensor};

/// `logits` (N,K) and `classes` (N) of `u32` to a scalar: −log softmax of the right class, averaged over rows.
pub fn cross_entropy(logits: &Tensor, classes: &Tensor) -> Result<Tensor> {
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    let normaliser = shifted.exp()?.sum(D::Minus1)?.log()?;
    let right = shifted.gather(&classes.unsqueeze(1)?, 1)?.squeeze(1)?;
    (normaliser - right)?.mean_all()
}

#[cfg(test)]
mod tests {
    use super::cross_entropy;
    use candle_core::{Device, Tensor, Var};

    #[test]
    fn loss_and_gradient_match_the_formula_even_for_large_logits() {
        let logits = [[1f32, 2.0, 0.5], [500.0, 0.0, -500.0]];
        let x = Var::new(&logits, &Device::Cpu).unwrap();
        let loss = cross_entropy(&x, &Tensor::new(&[2u32, 1], &Device::Cpu).unwrap()).unwrap();
        let z: f64 = logits[0].iter().map(|v| f64::from(*v).exp()).sum();
        let expected = ((z.ln() - 0.5) + 500.0) / 2.0;
        assert!((f64::from(loss.to_scalar::<f32>().unwrap()) - expected).abs() < 1e-4);
        let gradients = loss.backward().unwrap();
        let found = gradients.get(&x).unwrap().to_vec2::<f32>().unwrap();
        for k in 0..3 {
            let expected = (f64::from(logits[0][k]).exp() / z - f64::from(u8::from(k == 2))) / 2.0;
            assert!((f64::from(found[0][k]) - expected).abs() < 1e-6);
        }
        assert_eq!(found[1], [0.5, -0.5, 0.0]);
    }
}
