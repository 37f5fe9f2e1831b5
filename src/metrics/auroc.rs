//! Area under the ROC curve of one label. Knows no network.

use crate::metrics::thresholds::thresholds;

/// Probability that a random positive scores above a random negative, ties counted ½ (task specification §2.5): the
/// trapezoidal area. Counted in integers, so exact up to the last division.
/// `None` where one of the two classes is missing. NaN where a score is NaN, whatever the labels are.
pub fn auroc(scores: &[f32], positive: &[bool]) -> Option<f64> {
    let Some(found) = thresholds(scores, positive) else {
        return Some(f64::NAN);
    };
    let last = found.last()?;
    if last.positives == 0 || last.negatives == 0 {
        return None;
    }
    let (mut twice, mut above) = (0u128, 0u64);
    let mut negatives = 0u64;
    for at in &found {
        // negatives of this threshold lose to all positives above it, and tie with those beside them
        twice += u128::from(at.negatives - negatives) * u128::from(above + at.positives);
        (above, negatives) = (at.positives, at.negatives);
    }
    Some(twice as f64 / (2.0 * last.positives as f64 * last.negatives as f64))
}

#[cfg(test)]
mod tests {
    use super::auroc;

    #[test]
    fn ties_of_the_specification() {
        // task specification §16
        let labels = [true, false, true, true, false, false];
        let found = auroc(&[0.9, 0.9, 0.7, 0.2, 0.2, 0.1], &labels).unwrap();
        assert!((found - 2.0 / 3.0).abs() < 1e-15, "{found}");
    }

    #[test]
    fn undefined_and_broken_differ() {
        assert_eq!(auroc(&[], &[]), None);
        assert_eq!(auroc(&[0.1, 0.2], &[true, true]), None);
        assert_eq!(auroc(&[0.1, 0.2], &[false, false]), None);
        assert_eq!(auroc(&[0.2, 0.2], &[false, true]), Some(0.5));
        assert_eq!(auroc(&[0.1, 0.2], &[true, false]), Some(0.0));
        assert!(auroc(&[f32::NAN, 0.2], &[true, true]).unwrap().is_nan());
    }
}
