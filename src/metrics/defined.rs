//! Mean of the scores that exist. Knows no score.

/// Mean of the values that are there, and how many are not. NaN where none is there or one of them is NaN.
pub fn mean_of_defined(values: &[Option<f64>]) -> (f64, usize) {
    let there = values.iter().flatten().count();
    (values.iter().flatten().sum::<f64>() / there as f64, values.len() - there)
}

#[cfg(test)]
mod tests {
    use super::mean_of_defined;

    #[test]
    fn absent_values_are_counted_and_broken_ones_kept() {
        assert_eq!(mean_of_defined(&[Some(1.0), None, Some(4.0)]), (2.5, 1));
        assert!(mean_of_defined(&[Some(1.0), Some(f64::NAN)]).0.is_nan());
        let (mean, skipped) = mean_of_defined(&[None]);
        assert!(mean.is_nan() && skipped == 1);
    }
}
