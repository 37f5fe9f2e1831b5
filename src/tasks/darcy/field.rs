//! Random two-valued coefficients: the sign of a Gaussian field with covariance (−Δ+9)⁻² and Neumann modes
//! (task specification §13.7; Li et al. 2021, *Fourier Neural Operator*, appendix A.3.2). Knows no equation.

use crate::data::synthetic::Stream;
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlannerScalar};
use std::f64::consts::PI;
use std::sync::Arc;

/// Values of the coefficient below and from zero of the Gaussian field.
pub const LOW: f64 = 3.0;
pub const HIGH: f64 = 12.0;

/// Draws fields on an n×n grid.
pub struct FieldMaker {
    n: usize,
    cosine: InverseCosine,
}

impl FieldMaker {
    /// `n` > 0: grid points per axis.
    pub fn new(n: usize) -> Self {
        FieldMaker { n, cosine: InverseCosine::new(n) }
    }

    /// One coefficient field, n·n values row by row, each `LOW` or `HIGH`.
    pub fn draw(&self, stream: &mut Stream) -> Vec<f64> {
        let mut field = self.gaussian(stream);
        for value in &mut field {
            *value = if *value >= 0.0 { HIGH } else { LOW };
        }
        field
    }

    /// The Gaussian field itself.
    fn gaussian(&self, stream: &mut Stream) -> Vec<f64> {
        let n = self.n;
        let mut modes = vec![0.0; n * n];
        for k1 in 0..n {
            for k2 in 0..n {
                let wave = PI * PI * ((k1 * k1 + k2 * k2) as f64) + 9.0;
                modes[k1 * n + k2] = n as f64 * 3.0 / wave * stream.normal();
            }
        }
        modes[0] = 0.0;
        self.cosine.rows(&mut modes);
        let mut modes = transpose(&modes, n);
        self.cosine.rows(&mut modes);
        transpose(&modes, n)
    }
}

fn transpose(values: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            out[j * n + i] = values[i * n + j];
        }
    }
    out
}

/// Inverse orthonormal cosine transform (DCT-III) of rows, by a complex Fourier transform of the same length (Makhoul 1980),
/// two rows at a time as real and imaginary part.
struct InverseCosine {
    n: usize,
    fft: Arc<dyn Fft<f64>>,
    /// ½·e^{iπk/2n}, times what turns orthonormal coefficients into Makhoul's and the transform into an inverse one.
    twist: Vec<Complex<f64>>,
}

impl InverseCosine {
    fn new(n: usize) -> Self {
        let twist = (0..n)
            .map(|k| {
                // orthonormal c₀ = √(1/n), cₖ = √(2/n); Makhoul's inverse is Σₖ over n with weights 1 and 2
                let scale = if k == 0 { 1.0 } else { 0.5f64.sqrt() } * (1.0 / n as f64).sqrt();
                Complex::from_polar(scale, PI * k as f64 / (2 * n) as f64)
            })
            .collect();
        // Scalar: the same bits on every machine of a platform.
        InverseCosine { n, fft: FftPlannerScalar::new().plan_fft_inverse(n), twist }
    }

    /// Transforms each of the rows of length n in place.
    fn rows(&self, values: &mut [f64]) {
        let n = self.n;
        let mut buffer = vec![Complex::new(0.0, 0.0); n];
        let mut scratch = vec![Complex::new(0.0, 0.0); self.fft.get_inplace_scratch_len()];
        let zero = vec![0.0; n];
        for pair in values.chunks_mut(2 * n) {
            let (first, second) = pair.split_at_mut(n);
            let other: &[f64] = if second.is_empty() { &zero } else { second };
            for k in 0..n {
                let (a, b) = if k == 0 { (0.0, 0.0) } else { (first[n - k], other[n - k]) };
                // V = twist·(C_k − i·C_{n−k}) of both rows; the second enters times i
                let v1 = Complex::new(first[k], -a);
                let v2 = Complex::new(other[k], -b);
                buffer[k] = self.twist[k] * (v1 + Complex::new(-v2.im, v2.re));
            }
            self.fft.process_with_scratch(&mut buffer, &mut scratch);
            for (k, value) in buffer.iter().enumerate() {
                let at = if 2 * k < n { 2 * k } else { 2 * (n - k) - 1 };
                first[at] = value.re;
                if !second.is_empty() {
                    second[at] = value.im;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FieldMaker, HIGH, InverseCosine, LOW};
    use crate::data::synthetic::{Purpose, Stream};
    use std::f64::consts::PI;

    #[test]
    fn the_fast_cosine_transform_is_the_definition() {
        for n in [1, 2, 5, 8, 21] {
            let mut stream = Stream::new("darcy", "test", Purpose::Noise, n as u64, None);
            let rows: Vec<f64> = (0..n * n).map(|_| stream.normal()).collect();
            let mut fast = rows.clone();
            InverseCosine::new(n).rows(&mut fast);
            for (row, fast) in rows.chunks(n).zip(fast.chunks(n)) {
                for (j, fast) in fast.iter().enumerate() {
                    let plain: f64 = (0..n)
                        .map(|k| {
                            let scale = if k == 0 { 1.0 } else { 2.0 } / n as f64;
                            scale.sqrt() * row[k] * (PI * ((2 * j + 1) * k) as f64 / (2 * n) as f64).cos()
                        })
                        .sum();
                    assert!((plain - fast).abs() < 1e-12, "n {n}, {j}: {plain} {fast}");
                }
            }
        }
    }

    #[test]
    fn a_field_has_two_values_of_about_equal_share() {
        let maker = FieldMaker::new(85);
        let mut high = 0;
        for index in 0..40 {
            let field = maker.draw(&mut Stream::new("darcy", "train", Purpose::Content, index, None));
            assert!(field.iter().all(|a| *a == LOW || *a == HIGH));
            high += field.iter().filter(|a| **a == HIGH).count();
        }
        let share = high as f64 / (40.0 * 85.0 * 85.0);
        assert!((share - 0.5).abs() < 0.1, "{share}");
    }

    /// Point variance of the field: Σ over modes of the squared coefficient times the mean square of the mode.
    #[test]
    fn the_gaussian_field_has_its_variance() {
        let n = 33;
        let maker = FieldMaker::new(n);
        let mut mean_square = 0.0;
        let fields = 200;
        for index in 0..fields {
            let field = maker.gaussian(&mut Stream::new("darcy", "train", Purpose::Content, index, None));
            mean_square += field.iter().map(|v| v * v).sum::<f64>() / (n * n) as f64;
        }
        // An orthonormal transform keeps the sum of squares.
        let mut expected = 0.0;
        for k in 1..n * n {
            let (k1, k2) = (k / n, k % n);
            expected += (3.0 / (PI * PI * ((k1 * k1 + k2 * k2) as f64) + 9.0)).powi(2);
        }
        let ratio = mean_square / fields as f64 / expected;
        assert!((ratio - 1.0).abs() < 0.15, "{ratio}");
    }
}
