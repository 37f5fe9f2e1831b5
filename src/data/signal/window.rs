//! Window functions. Knows no transform.

use std::f64::consts::TAU;

/// Hann window of `n` samples, periodic: 0.5 − 0.5·cos(2πi/n). Its first value is 0, its last one is not.
pub fn hann_periodic(n: usize) -> Vec<f64> {
    (0..n).map(|i| 0.5 - 0.5 * (TAU * i as f64 / n as f64).cos()).collect()
}

/// Kaiser window at `x` from its centre in half widths: I₀(β·√(1 − x²)) / I₀(β); 0 beyond −1..1.
/// (Kaiser & Schafer, "On the use of the I₀-sinh window for spectrum analysis", IEEE TASSP 28, 1980.)
pub fn kaiser(x: f64, beta: f64) -> f64 {
    let rest = 1.0 - x * x;
    if rest < 0.0 { 0.0 } else { bessel_i0(beta * rest.sqrt()) / bessel_i0(beta) }
}

/// The β for an attenuation above 50 dB (Kaiser, "Nonrecursive digital filter design using the I₀-sinh window function", 1974).
pub fn kaiser_beta(attenuation_db: f64) -> f64 {
    0.1102 * (attenuation_db - 8.7)
}

/// Modified Bessel function of order 0 by its power series Σ (x²/4)ᵏ / k!².
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > sum * f64::EPSILON * 0.25 {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::{bessel_i0, hann_periodic, kaiser, kaiser_beta};

    #[test]
    fn hann_of_four_is_known() {
        let found = hann_periodic(4);
        for (found, expected) in found.iter().zip([0.0, 0.5, 1.0, 0.5]) {
            assert!((found - expected).abs() < 1e-15);
        }
    }

    #[test]
    fn bessel_and_kaiser_have_their_tabled_values() {
        // Abramowitz & Stegun 9.8: I₀(1), I₀(5), I₀(10)
        for (x, expected) in
            [(0.0, 1.0), (1.0, 1.266_065_877_752_008_4), (5.0, 27.239_871_823_604_44), (10.0, 2_815.716_628_466_254)]
        {
            assert!((bessel_i0(x) / expected - 1.0).abs() < 1e-13, "{x}");
        }
        assert_eq!(kaiser(0.0, 8.0), 1.0);
        assert_eq!(kaiser(1.01, 8.0), 0.0);
        assert!((kaiser(-1.0, 5.0) - 1.0 / 27.239_871_823_604_44).abs() < 1e-13);
        assert!((kaiser_beta(100.0) - 10.061_26).abs() < 1e-9);
    }
}
