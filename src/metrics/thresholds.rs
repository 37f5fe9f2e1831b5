//! How many positives and negatives lie at or above each threshold of a score. Knows no curve.

/// What a rule "positive where the score is at least this" finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub positives: u64,
    pub negatives: u64,
}

/// One entry per distinct score, from the highest to the lowest; counts are cumulative, so the last entry holds all.
/// Equal scores are one threshold, 0 and −0 among them; infinities are scores like others. Empty without scores.
/// `None` where a score is NaN: it has no rank.
pub fn thresholds(scores: &[f32], positive: &[bool]) -> Option<Vec<Found>> {
    assert_eq!(scores.len(), positive.len(), "a score has one label");
    let mut keys = Vec::with_capacity(scores.len());
    for (score, positive) in scores.iter().zip(positive) {
        if score.is_nan() {
            return None;
        }
        keys.push(u64::from(rank(*score)) << 1 | u64::from(*positive));
    }
    sort(&mut keys);
    let (mut found, mut here) = (Vec::new(), Found { positives: 0, negatives: 0 });
    for (i, key) in keys.iter().enumerate() {
        here.positives += key & 1;
        here.negatives += 1 - (key & 1);
        if keys.get(i + 1).is_none_or(|next| next >> 1 != key >> 1) {
            found.push(here);
        }
    }
    Some(found)
}

/// Bits of a key, and of them those that one pass of the sort looks at.
const BITS: usize = 33;
const DIGIT: usize = 11;

/// Sorts keys of 33 bits: by three digits of 11, lowest first, each pass keeping the order of the one before. Several times
/// faster than by comparison, from some hundred keys on.
fn sort(keys: &mut Vec<u64>) {
    const BUCKETS: usize = 1 << DIGIT;
    if keys.len() < 400 {
        keys.sort_unstable();
        return;
    }
    let digit = |key: u64, pass: usize| (key >> (pass * DIGIT)) as usize & (BUCKETS - 1);
    let mut starts = vec![[0usize; BUCKETS]; BITS / DIGIT];
    for key in keys.iter() {
        for (pass, counts) in starts.iter_mut().enumerate() {
            counts[digit(*key, pass)] += 1;
        }
    }
    let mut sorted = vec![0u64; keys.len()];
    for (pass, counts) in starts.iter_mut().enumerate() {
        let mut start = 0;
        for count in counts.iter_mut() {
            start += std::mem::replace(count, start);
        }
        for key in keys.iter() {
            let place = &mut counts[digit(*key, pass)];
            sorted[*place] = *key;
            *place += 1;
        }
        std::mem::swap(keys, &mut sorted);
    }
}

/// An integer that is smaller for a larger score, and equal for equal ones.
fn rank(score: f32) -> u32 {
    // adding zero turns −0 into 0
    let bits = (score + 0.0).to_bits();
    // IEEE 754 orders magnitudes as integers; negative numbers run backwards
    let ascending = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    !ascending
}

#[cfg(test)]
mod tests {
    use super::{Found, rank, sort, thresholds};

    #[test]
    fn ties_are_one_threshold_and_counts_cumulate() {
        let found = thresholds(&[0.9, -0.0, 0.9, 0.0], &[true, false, false, true]).unwrap();
        let expected = [Found { positives: 1, negatives: 1 }, Found { positives: 2, negatives: 2 }];
        assert_eq!(found, expected);
        assert_eq!(thresholds(&[], &[]), Some(Vec::new()));
        assert_eq!(thresholds(&[f32::NAN], &[true]), None);
    }

    #[test]
    fn many_keys_are_sorted_as_few_are() {
        for count in [0u64, 1, 399, 400, 5000] {
            // multiplying by an odd number mixes; the last keys have all bits
            let mut keys: Vec<u64> = (0..count).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 31).collect();
            keys.extend([(1 << 33) - 1, 0, 1 << 32, 1 << 32]);
            let mut expected = keys.clone();
            expected.sort_unstable();
            sort(&mut keys);
            assert_eq!(keys, expected, "{count}");
        }
    }

    #[test]
    fn ranks_run_against_scores() {
        let scores = [f32::INFINITY, f32::MAX, 1.0, 1e-45, 0.0, -1e-45, -1.0, f32::MIN, f32::NEG_INFINITY];
        let ranks = scores.map(rank);
        let rising = ranks.is_sorted_by(|a, b| a < b);
        assert!(rising);
        assert_eq!(rank(0.0), rank(-0.0));
    }
}
