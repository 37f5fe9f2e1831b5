//! Mean and deviation of fields at each grid point, over the training samples. Knows no network.

/// Added to the deviation (`NB360:backbone/utils_grid.py`).
const EPSILON: f64 = 1e-5;

#[derive(Clone, Debug, PartialEq)]
pub struct Normaliser {
    pub mean: Vec<f32>,
    /// Unbiased standard deviation plus 1e-5.
    pub scale: Vec<f32>,
}

impl Normaliser {
    /// `fields` are samples of `points` values each, one after the other; at least one.
    pub fn fit(fields: &[f32], points: usize) -> Self {
        let count = (fields.len() / points) as f64;
        let mut mean = vec![0f64; points];
        for field in fields.chunks_exact(points) {
            mean.iter_mut().zip(field).for_each(|(m, v)| *m += f64::from(*v) / count);
        }
        let mut squares = vec![0f64; points];
        for field in fields.chunks_exact(points) {
            for ((s, v), m) in squares.iter_mut().zip(field).zip(&mean) {
                *s += (f64::from(*v) - m).powi(2);
            }
        }
        let scale = squares.iter().map(|s| ((s / (count - 1.0).max(1.0)).sqrt() + EPSILON) as f32).collect();
        Normaliser { mean: mean.iter().map(|m| *m as f32).collect(), scale }
    }

    /// (v − mean) / scale
    pub fn encode<'a>(&'a self, field: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        field.iter().zip(&self.mean).zip(&self.scale).map(|((v, m), s)| (v - m) / s)
    }

    /// v · scale + mean
    pub fn decode(&self, field: &mut [f32]) {
        field.iter_mut().zip(&self.scale).zip(&self.mean).for_each(|((v, s), m)| *v = *v * s + m);
    }
}

#[cfg(test)]
mod tests {
    use super::Normaliser;

    #[test]
    fn statistics_are_pointwise_and_unbiased() {
        // three fields of two points: (1, 5), (2, 5), (3, 5)
        let normaliser = Normaliser::fit(&[1.0, 5.0, 2.0, 5.0, 3.0, 5.0], 2);
        assert_eq!(normaliser.mean, [2.0, 5.0]);
        assert!((normaliser.scale[0] - 1.000_01).abs() < 1e-7 && (normaliser.scale[1] - 1e-5).abs() < 1e-12);
        let encoded: Vec<f32> = normaliser.encode(&[4.0, 5.0]).collect();
        assert!((encoded[0] - 2.0 / 1.000_01).abs() < 1e-6 && encoded[1] == 0.0);
        let mut back = encoded;
        normaliser.decode(&mut back);
        assert!((back[0] - 4.0).abs() < 1e-6 && back[1] == 5.0);
    }
}
