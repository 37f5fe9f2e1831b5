//! Discrete sine transform (DST-I) of the rows of a matrix, by a complex Fourier transform of half the usual length,
//! two rows at a time. Knows no equation.

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlannerScalar};
use std::f64::consts::PI;
use std::sync::Arc;

/// F_k = Σ_j f_j·sin(πjk/N) for j, k in 1..N, where rows hold m = N − 1 values; applied twice it gives N/2 times the row.
pub struct SineTransform {
    m: usize,
    fft: Arc<dyn Fft<f64>>,
    /// sin(πj/N)
    sines: Vec<f64>,
}

/// Working memory of a transform.
pub struct SineScratch {
    buffer: Vec<Complex<f64>>,
    fft: Vec<Complex<f64>>,
}

impl SineTransform {
    /// For rows of `m` > 0 values.
    pub fn new(m: usize) -> Self {
        let length = m + 1;
        let sines = (0..length).map(|j| (PI * j as f64 / length as f64).sin()).collect();
        // Scalar: the same bits on every machine of a platform.
        SineTransform { m, fft: FftPlannerScalar::new().plan_fft_forward(length), sines }
    }

    pub fn scratch(&self) -> SineScratch {
        let zero = Complex::new(0.0, 0.0);
        SineScratch { buffer: vec![zero; self.m + 1], fft: vec![zero; self.fft.get_inplace_scratch_len()] }
    }

    /// Transforms each row of `m` values in place.
    ///
    /// With y_j = sin(πj/N)(f_j + f_{N−j}) + ½(f_j − f_{N−j}) and its Fourier transform Y, F_{2k} = −Im Y_k and
    /// F_{2k+1} − F_{2k−1} = Re Y_k (Press et al., *Numerical Recipes*, §12.4.1; it holds for every N). The running sum loses
    /// about three digits of sixteen, which its use as a preconditioner does not feel.
    pub fn rows(&self, values: &mut [f64], scratch: &mut SineScratch) {
        let (m, length) = (self.m, self.m + 1);
        for pair in values.chunks_mut(2 * m) {
            let (first, second) = pair.split_at_mut(m);
            let two = !second.is_empty();
            scratch.buffer[0] = Complex::new(0.0, 0.0);
            for j in 1..length {
                let fold = |row: &[f64]| {
                    let (here, there) = (row[j - 1], row[m - j]);
                    self.sines[j] * (here + there) + 0.5 * (here - there)
                };
                scratch.buffer[j] = Complex::new(fold(first), if two { fold(second) } else { 0.0 });
            }
            self.fft.process_with_scratch(&mut scratch.buffer, &mut scratch.fft);
            let z = &scratch.buffer;
            let (mut odd1, mut odd2) = (0.5 * z[0].re, 0.5 * z[0].im);
            first[0] = odd1;
            if two {
                second[0] = odd2;
            }
            for k in 1..=m / 2 {
                let (here, there) = (z[k], z[length - k]);
                first[2 * k - 1] = -0.5 * (here.im - there.im);
                odd1 += 0.5 * (here.re + there.re);
                if two {
                    second[2 * k - 1] = 0.5 * (here.re - there.re);
                    odd2 += 0.5 * (here.im + there.im);
                }
                if 2 * k < m {
                    first[2 * k] = odd1;
                    if two {
                        second[2 * k] = odd2;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SineTransform;
    use crate::data::synthetic::{Purpose, Stream};
    use std::f64::consts::PI;

    #[test]
    fn the_fast_transform_is_the_definition() {
        for m in [1, 2, 3, 6, 7, 14, 19, 83] {
            let mut stream = Stream::new("darcy", "test", Purpose::Noise, m as u64, None);
            let rows: Vec<f64> = (0..3 * m).map(|_| stream.normal()).collect();
            let transform = SineTransform::new(m);
            let mut fast = rows.clone();
            transform.rows(&mut fast, &mut transform.scratch());
            for (row, fast) in rows.chunks(m).zip(fast.chunks(m)) {
                for k in 1..=m {
                    let angle = PI * k as f64 / (m + 1) as f64;
                    let plain: f64 = row.iter().zip(1..).map(|(f, j)| f * (angle * f64::from(j)).sin()).sum();
                    assert!((plain - fast[k - 1]).abs() < 1e-11, "m {m}, k {k}: {plain} {}", fast[k - 1]);
                }
            }
        }
    }
}
