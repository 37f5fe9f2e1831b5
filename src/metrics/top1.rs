//! Top-1 classification error. Knows no network.

/// The class with the largest score; the first one of equals. `None` where a score is not finite or there is none.
pub fn predicted(scores: &[f32]) -> Option<usize> {
    if scores.iter().any(|s| !s.is_finite()) {
        return None;
    }
    let mut best: Option<usize> = None;
    for (class, score) in scores.iter().enumerate() {
        if best.is_none_or(|b| *score > scores[b]) {
            best = Some(class);
        }
    }
    best
}

/// The most frequent label; the smallest one of equals. `None` without labels.
pub fn majority(labels: &[u32]) -> Option<u32> {
    let mut counts = std::collections::BTreeMap::new();
    for label in labels {
        *counts.entry(*label).or_insert(0u64) += 1;
    }
    counts.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0))).map(|(label, _)| *label)
}

/// 100 · wrong / all.
pub fn error_percent(correct: u64, all: u64) -> f64 {
    100.0 * (all - correct) as f64 / all as f64
}

#[cfg(test)]
mod tests {
    use super::{error_percent, majority, predicted};

    #[test]
    fn ties_go_to_the_first_and_nan_to_nobody() {
        assert_eq!(predicted(&[1.0, 3.0, 3.0]), Some(1));
        assert_eq!(predicted(&[-5.0]), Some(0));
        assert_eq!(predicted(&[1.0, f32::NAN]), None);
        assert_eq!(predicted(&[]), None);
        assert_eq!(majority(&[4, 2, 2, 4, 9]), Some(2));
        assert_eq!(majority(&[]), None);
        assert_eq!(error_percent(3, 12), 75.0);
    }
}
