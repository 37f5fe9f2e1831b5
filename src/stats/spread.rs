//! Mean, sample standard deviation and median of a few numbers. Knows no task and no seed.

/// Arithmetic mean; `None` for no numbers. The caller fixes the order, so that equal sets give equal bits.
pub fn mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    // Dividing first keeps the sum of huge values finite; the correction makes the mean of equal values exact.
    let count = values.len() as f64;
    let plain = values.iter().sum::<f64>() / count;
    let first = if plain.is_finite() { plain } else { values.iter().map(|v| v / count).sum() };
    let correction = values.iter().map(|v| (v - first) / count).sum::<f64>();
    Some(if correction.is_finite() { first + correction } else { first })
}

/// Sample standard deviation (divisor n − 1); `None` for fewer than two numbers, where it does not exist.
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let centre = mean(values)?;
    // Scaled by the largest deviation, so that neither tiny nor huge values leave the range of f64.
    let scale = values.iter().map(|v| (v - centre).abs()).fold(0.0, f64::max);
    if scale == 0.0 {
        return Some(0.0);
    }
    let sum = values.iter().map(|v| ((v - centre) / scale).powi(2)).sum::<f64>();
    Some(scale * (sum / (values.len() - 1) as f64).sqrt())
}

/// The middle value, or the mean of the two middle ones; `None` for no numbers. Sorted by `total_cmp`.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(sorted[middle - 1].midpoint(sorted[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::{mean, median, standard_deviation};

    #[test]
    fn agrees_with_a_hand_calculation() {
        // numpy.mean, numpy.std(ddof=1) and numpy.median of the same numbers.
        let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        assert_eq!(mean(&values), Some(5.0));
        assert!((standard_deviation(&values).unwrap() - 2.138_089_935_299_395).abs() < 1e-15);
        assert_eq!(median(&values), Some(4.5));
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
    }

    #[test]
    fn few_numbers() {
        assert_eq!(mean(&[]), None);
        assert_eq!(median(&[]), None);
        assert_eq!(standard_deviation(&[]), None);
        assert_eq!(standard_deviation(&[3.0]), None);
        assert_eq!(standard_deviation(&[0.1, 0.1, 0.1]), Some(0.0));
        assert_eq!(mean(&[0.1, 0.1, 0.1]), Some(0.1));
    }

    #[test]
    fn extreme_numbers_stay_in_range() {
        assert_eq!(mean(&[f64::MAX, f64::MAX]), Some(f64::MAX));
        assert_eq!(median(&[f64::MAX, f64::MAX]), Some(f64::MAX));
        assert!(standard_deviation(&[1e300, -1e300]).unwrap().is_finite());
        assert!(standard_deviation(&[1e-300, 3e-300]).unwrap() > 0.0);
    }
}
