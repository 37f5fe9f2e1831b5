//! Average precision of one label. Knows no network.

use crate::metrics::thresholds::thresholds;

/// Σ (Rₙ − Rₙ₋₁) · Pₙ over the thresholds from high to low, precision P and recall R, without interpolation: the definition
/// of scikit-learn 1.x, `sklearn/metrics/_ranking.py`. Samples with equal scores form one threshold.
/// `None` where there is no positive. NaN where a score is NaN, whatever the labels are.
pub fn average_precision(scores: &[f32], positive: &[bool]) -> Option<f64> {
    let Some(found) = thresholds(scores, positive) else {
        return Some(f64::NAN);
    };
    let all = found.last().map_or(0, |last| last.positives);
    if all == 0 {
        return None;
    }
    let (mut sum, mut before) = (0.0, 0);
    for at in &found {
        let precision = at.positives as f64 / (at.positives + at.negatives) as f64;
        sum += (at.positives - before) as f64 * precision;
        before = at.positives;
    }
    Some(sum / all as f64)
}

#[cfg(test)]
mod tests {
    use super::average_precision;

    #[test]
    fn ties_of_the_specification() {
        // task specification §16
        let labels = [true, false, true, true, false, false];
        let found = average_precision(&[0.9, 0.9, 0.7, 0.2, 0.2, 0.1], &labels).unwrap();
        assert!((found - 0.588_888_888_9).abs() < 1e-9, "{found}");
    }

    #[test]
    fn undefined_and_broken_differ() {
        assert_eq!(average_precision(&[], &[]), None);
        assert_eq!(average_precision(&[0.3], &[false]), None);
        assert_eq!(average_precision(&[0.3], &[true]), Some(1.0));
        assert!(average_precision(&[0.3, f32::NAN], &[true, false]).unwrap().is_nan());
        assert!(average_precision(&[f32::NAN], &[false]).unwrap().is_nan());
    }
}
