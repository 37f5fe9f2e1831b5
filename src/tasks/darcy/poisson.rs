//! Exact solver of the discrete Poisson equation with constant coefficient and zero border: sine transform along rows,
//! tridiagonal systems along columns. Knows no varying coefficient.

use crate::tasks::darcy::sine::{SineScratch, SineTransform};
use std::f64::consts::PI;

/// Solves 4u_ij − u_{i±1,j} − u_{i,j±1} = r_ij on m×m interior points.
pub struct Poisson {
    m: usize,
    sine: SineTransform,
    /// Pivots of the tridiagonal elimination, for row i and mode k: 1/(d_k − pivot of row i−1), d_k = 4 − 2cos(πk/(m+1)).
    pivots: Vec<f64>,
}

impl Poisson {
    /// For `m` > 0 interior points per axis.
    pub fn new(m: usize) -> Self {
        let diagonal: Vec<f64> = (1..=m).map(|k| 4.0 - 2.0 * (PI * k as f64 / (m + 1) as f64).cos()).collect();
        let mut pivots = vec![0.0; m * m];
        for i in 0..m {
            for k in 0..m {
                let above = if i == 0 { 0.0 } else { pivots[(i - 1) * m + k] };
                pivots[i * m + k] = 1.0 / (diagonal[k] - above);
            }
        }
        Poisson { m, sine: SineTransform::new(m), pivots }
    }

    pub fn scratch(&self) -> SineScratch {
        self.sine.scratch()
    }

    /// Replaces the right side (m·m values, row by row) by the solution.
    pub fn solve(&self, values: &mut [f64], scratch: &mut SineScratch) {
        let m = self.m;
        self.sine.rows(values, scratch);
        // The transform is its own inverse up to 2/(m+1), applied on the way down.
        let scale = 2.0 / (m + 1) as f64;
        for i in 0..m {
            let (above, row) = values.split_at_mut(i * m);
            let row = &mut row[..m];
            let pivots = &self.pivots[i * m..(i + 1) * m];
            if i == 0 {
                for (value, pivot) in row.iter_mut().zip(pivots) {
                    *value = *value * scale * pivot;
                }
            } else {
                for ((value, pivot), above) in row.iter_mut().zip(pivots).zip(&above[(i - 1) * m..]) {
                    *value = (*value * scale + above) * pivot;
                }
            }
        }
        for i in (0..m.saturating_sub(1)).rev() {
            let (row, below) = values.split_at_mut((i + 1) * m);
            let pivots = &self.pivots[i * m..(i + 1) * m];
            for ((value, pivot), below) in row[i * m..].iter_mut().zip(pivots).zip(&below[..m]) {
                *value += pivot * below;
            }
        }
        self.sine.rows(values, scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::Poisson;
    use crate::data::synthetic::{Purpose, Stream};

    #[test]
    fn the_solution_satisfies_the_equation() {
        for m in [1, 2, 5, 8, 31] {
            let mut stream = Stream::new("darcy", "test", Purpose::Noise, m as u64, None);
            let right: Vec<f64> = (0..m * m).map(|_| stream.normal()).collect();
            let poisson = Poisson::new(m);
            let mut u = right.clone();
            poisson.solve(&mut u, &mut poisson.scratch());
            let at = |i: isize, j: isize| {
                let inside = 0..m as isize;
                if inside.contains(&i) && inside.contains(&j) { u[i as usize * m + j as usize] } else { 0.0 }
            };
            for i in 0..m as isize {
                for j in 0..m as isize {
                    let left = 4.0 * at(i, j) - at(i - 1, j) - at(i + 1, j) - at(i, j - 1) - at(i, j + 1);
                    assert!((left - right[i as usize * m + j as usize]).abs() < 1e-10);
                }
            }
        }
    }
}
