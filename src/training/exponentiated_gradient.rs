//! Exponentiated gradient on rows that sum to 1 (Li et al., "Geometry-aware gradient algorithms for neural architecture
//! search", ICLR 2021; the update of `NB360:darts/gaea/search/optimizer.py`). Knows no search.

use crate::ops::operator::Real;

/// p ← p·exp(−rate·g), then each row of `width` values is divided by its sum. Rows that sum to something else before, such
/// as the ones that a search begins with, sum to 1 afterwards. Sums run in `f64`, in order.
pub fn step<T: Real>(values: &mut [T], gradient: &[T], width: usize, rate: f64) {
    assert!(width > 0 && values.len() == gradient.len() && values.len().is_multiple_of(width), "rows of {width}");
    for (row, gradient) in values.chunks_exact_mut(width).zip(gradient.chunks_exact(width)) {
        let moved: Vec<f64> = row.iter().zip(gradient).map(|(p, g)| p.double() * (-rate * g.double()).exp()).collect();
        let sum: f64 = moved.iter().sum();
        row.iter_mut().zip(moved).for_each(|(p, m)| *p = T::of(m / sum));
    }
}

#[cfg(test)]
mod tests {
    use super::step;

    fn close(found: &[f64], expected: &[f64]) {
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() < 5e-9, "{f} instead of {e}");
        }
    }

    #[test]
    fn matches_the_vectors_of_the_specification() {
        // methods §4.4
        let gradient = [0.5, -0.5, 0.25, 0.0, 0.0, 0.0, 0.0, -1.0];
        let mut row = [1.0; 8];
        step(&mut row, &gradient, 8, 0.1);
        let expected = [0.11768299, 0.13005982, 0.12066215, 0.12371673, 0.12371673, 0.12371673, 0.12371673, 0.13672813];
        close(&row, &expected);
        step(&mut row, &gradient, 8, 0.1);
        let expected = [0.11058013, 0.13506287, 0.11624969, 0.12220994, 0.12220994, 0.12220994, 0.12220994, 0.14926756];
        close(&row, &expected);
        let mut joint = [1.0; 14];
        let gradient = [0.3, -0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1];
        step(&mut joint, &gradient, 14, 0.1);
        close(&joint, &[0.06990928, 0.07423223, 0.07132154]);
    }

    #[test]
    fn rows_do_not_mix() {
        let mut rows = [1f32, 3.0, 2.0, 2.0];
        step(&mut rows, &[0.0; 4], 2, 0.1);
        assert_eq!(rows, [0.25, 0.75, 0.5, 0.5]);
    }
}
