//! Error of predicted distances between residues of one protein that are far apart in sequence and close in space, in Å.
//! Knows no network and no file.

/// Which pairs count: at least `separation` apart in sequence, and truly at most `cutoff` Å apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pairs {
    pub separation: usize,
    pub cutoff: f32,
}

/// In the order of the results: MAE8 first, then its siblings (task specification §8.5, step 6).
pub const PAIRS: [Pairs; 4] = [
    Pairs { separation: 24, cutoff: 8.0 },
    Pairs { separation: 12, cutoff: 8.0 },
    Pairs { separation: 24, cutoff: 12.0 },
    Pairs { separation: 12, cutoff: 12.0 },
];

/// Padding on each side of a protein on its canvas, in residues (task specification §8.2, step 3).
pub const PAD: usize = 5;

/// Predicted distances below this become this, in Å (task specification §8.5, step 3).
const SMALLEST: f64 = 0.01;

/// Of one protein and one kind of pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ContactError {
    pub pairs: u64,
    /// Mean |truth − prediction| in Å; `None` where there is no pair. NaN where a prediction is NaN.
    pub mean: Option<f64>,
}

/// Errors for each of [`PAIRS`] (task specification §8.5, steps 2 to 6). `map` is what the network gave and `truth` the
/// distances, both row-major `side` × `side` in Å, with the protein of `length` residues from row and column `pad` on. Residues
/// beyond the canvas are left out. The mean over proteins is [`crate::metrics::defined::mean_of_defined`].
pub fn contact_errors(map: &[f32], truth: &[f32], side: usize, length: usize, pad: usize) -> [ContactError; 4] {
    assert!(map.len() == side * side && truth.len() == side * side, "a canvas is {side} by {side}");
    let length = length.min(side.saturating_sub(pad));
    let nearest = PAIRS.map(|p| p.separation).into_iter().min().unwrap_or(0);
    let (mut sums, mut counts) = ([0f64; 4], [0u64; 4]);
    for j in 0..length {
        for k in j + nearest..length {
            let (upper, lower) = ((j + pad) * side + k + pad, (k + pad) * side + j + pad);
            let distance = truth[upper];
            let (above, below) = (f64::from(map[upper]), f64::from(map[lower]));
            // the upper triangle is averaged first, then once more with the lower one, as upstream does
            let predicted = (floored(below) + floored((below + above) / 2.0)) / 2.0;
            let error = (f64::from(distance) - predicted).abs();
            for (kind, pairs) in PAIRS.iter().enumerate() {
                if k - j >= pairs.separation && distance <= pairs.cutoff {
                    sums[kind] += error;
                    counts[kind] += 1;
                }
            }
        }
    }
    std::array::from_fn(|kind| {
        let pairs = counts[kind];
        ContactError { pairs, mean: (pairs > 0).then(|| sums[kind] / pairs as f64) }
    })
}

/// Keeps NaN, which `max` would not.
fn floored(distance: f64) -> f64 {
    if distance < SMALLEST { SMALLEST } else { distance }
}

#[cfg(test)]
mod tests {
    use super::{ContactError, PAD, contact_errors};

    /// The toy of task specification §16.
    fn toy(side: usize, length: usize) -> (Vec<f32>, Vec<f32>) {
        let map = (0..side * side).map(|at| 5.0 + 0.01 * (at / side) as f32 + 0.02 * (at % side) as f32).collect();
        let mut truth = vec![100f32; side * side];
        for a in 0..length {
            for b in 0..length {
                let value = match (a.abs_diff(b) < 24, (a + b) % 2) {
                    (true, _) => 3.0,
                    (false, 0) => 6.0,
                    _ => 9.0,
                };
                truth[(a + PAD) * side + b + PAD] = value;
            }
        }
        (map, truth)
    }

    #[test]
    fn vectors_of_the_specification() {
        let (map, truth) = toy(512, 40);
        let found = contact_errors(&map, &truth, 512, 40, PAD);
        let expected = [(0.336_667, 72), (2.196_594, 342), (1.749_265, 136), (2.376_589, 406)];
        for (found, (mean, pairs)) in found.iter().zip(expected) {
            assert!((found.mean.unwrap() - mean).abs() < 1e-6, "{found:?} instead of {mean}");
            assert_eq!(found.pairs, pairs);
        }
        // a longer length only adds padding, which is far away
        assert_eq!(contact_errors(&map, &truth, 512, 600, PAD), found);
    }

    #[test]
    fn without_pairs_there_is_no_mean_and_nan_stays() {
        let (mut map, truth) = toy(64, 40);
        assert_eq!(contact_errors(&map, &truth, 64, 12, PAD), [ContactError::default(); 4]);
        assert_eq!(contact_errors(&map, &truth, 64, 0, PAD), [ContactError::default(); 4]);
        map[PAD * 64 + PAD + 30] = f32::NAN;
        let broken = contact_errors(&map, &truth, 64, 40, PAD);
        let nan = broken.map(|e| e.mean.unwrap().is_nan());
        assert_eq!(nan, [true; 4]);
    }

    #[test]
    fn tiny_predictions_are_raised_before_the_second_mean() {
        let side = 40;
        let (_, truth) = toy(side, 30);
        let mut map = vec![-7f32; side * side];
        map[5 * side + 5 + 24] = 9.0;
        let found = contact_errors(&map, &truth, side, 25, PAD)[0];
        // lower −7 → 0.01; mean of both 1; then (0.01 + 1) / 2
        assert!((found.mean.unwrap() - (6.0 - 0.505)).abs() < 1e-12 && found.pairs == 1, "{found:?}");
    }
}
