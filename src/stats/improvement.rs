//! Relative improvement over a baseline, in error form. Knows no method.

/// `100 · (baseline − error) / baseline`, in percent; `None` where the baseline leaves no meaning.
///
/// This definition gives the paper's Table 3 from its Table 2. Equal errors improve by 0 whatever they are; otherwise a
/// baseline that is zero or negative cannot be divided by.
pub fn relative_improvement(baseline: f64, error: f64) -> Option<f64> {
    if !baseline.is_finite() || !error.is_finite() {
        return None;
    }
    if baseline == error {
        return Some(0.0);
    }
    if baseline <= 0.0 {
        return None;
    }
    Some(100.0 * (baseline - error) / baseline).filter(|p| p.is_finite())
}

#[cfg(test)]
mod tests {
    use super::relative_improvement;

    #[test]
    fn is_a_share_of_the_baseline() {
        assert_eq!(relative_improvement(4.0, 3.0), Some(25.0));
        assert_eq!(relative_improvement(4.0, 8.0), Some(-100.0));
        assert_eq!(relative_improvement(0.3, 0.3), Some(0.0));
        assert_eq!(relative_improvement(2.0, 0.0), Some(100.0));
    }

    #[test]
    fn has_no_value_without_a_positive_baseline() {
        assert_eq!(relative_improvement(0.0, 1.0), None);
        assert_eq!(relative_improvement(-1.0, 1.0), None);
        assert_eq!(relative_improvement(0.0, 0.0), Some(0.0));
        assert_eq!(relative_improvement(f64::NAN, 1.0), None);
        assert_eq!(relative_improvement(1.0, f64::INFINITY), None);
        assert_eq!(relative_improvement(f64::MIN_POSITIVE, f64::MAX), None);
    }
}
