//! ‖prediction − truth‖₂ / ‖truth‖₂ of one sample. Knows no field and no batch.

/// Both of the same length, in physical units. Infinite or NaN where the truth is zero.
pub fn relative_l2(prediction: &[f32], truth: &[f32]) -> f64 {
    assert_eq!(prediction.len(), truth.len(), "a prediction has the shape of its truth");
    let (mut difference, mut norm) = (0f64, 0f64);
    for (p, t) in prediction.iter().zip(truth) {
        let (p, t) = (f64::from(*p), f64::from(*t));
        difference += (p - t) * (p - t);
        norm += t * t;
    }
    (difference / norm).sqrt()
}

#[cfg(test)]
mod tests {
    use super::relative_l2;

    #[test]
    fn matches_a_hand_worked_case() {
        assert_eq!(relative_l2(&[3.0, 5.0], &[3.0, 4.0]), 0.2);
        assert_eq!(relative_l2(&[0.0, 0.0], &[3.0, 4.0]), 1.0);
        assert!(relative_l2(&[1.0], &[0.0]).is_infinite());
    }
}
