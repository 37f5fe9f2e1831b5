//! F1 of each class and their plain mean. Knows no network.

/// 2TP / (2TP + FP + FN) of each class 0..`classes`; 0 where the denominator is 0: the class occurs in neither list
/// (task specification §2.5). Panics where the lengths differ or a label is no class: whoever makes labels checks them.
pub fn f1(truth: &[u32], predicted: &[u32], classes: usize) -> Vec<f64> {
    assert_eq!(truth.len(), predicted.len(), "a sample has one label and one prediction");
    let (mut hits, mut mentions) = (vec![0u64; classes], vec![0u64; classes]);
    for (t, p) in truth.iter().zip(predicted) {
        let (t, p) = (*t as usize, *p as usize);
        assert!(t < classes && p < classes, "label {t} and prediction {p} of {classes} classes");
        hits[t] += u64::from(t == p);
        // 2TP + FP + FN is how often a class occurs in both lists together
        mentions[t] += 1;
        mentions[p] += 1;
    }
    let score =
        |(hits, mentions): (&u64, &u64)| if *mentions == 0 { 0.0 } else { 2.0 * *hits as f64 / *mentions as f64 };
    hits.iter().zip(&mentions).map(score).collect()
}

/// Unweighted mean of the classes' F1; absent classes count with their 0. NaN without classes.
pub fn macro_f1(truth: &[u32], predicted: &[u32], classes: usize) -> f64 {
    f1(truth, predicted, classes).iter().sum::<f64>() / classes as f64
}

#[cfg(test)]
mod tests {
    use super::{f1, macro_f1};

    #[test]
    fn matches_a_hand_worked_case() {
        let (truth, predicted) = ([0, 0, 1, 1, 2], [0, 1, 1, 1, 0]);
        assert_eq!(f1(&truth, &predicted, 4), [0.5, 0.8, 0.0, 0.0]);
        assert!((macro_f1(&truth, &predicted, 4) - 0.325).abs() < 1e-15);
        assert_eq!(f1(&[], &[], 2), [0.0, 0.0]);
    }
}
