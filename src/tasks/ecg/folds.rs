//! Which recordings train, validate and test: scikit-learn's shuffle split with random state 0, by recording
//! (task specification §10.3). Knows no file and no window.

use crate::data::numpy_random::permutation;

/// Share of recordings that the final run tests on, that the search holds out, and that of the latter it tests on.
const FINAL_TEST: f64 = 0.1;
const HELD_OUT: f64 = 0.2;
const SEARCH_TEST: f64 = 0.5;
/// Random state of every split.
const STATE: u32 = 0;

/// Numbers of recordings, in the order of the split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folds {
    /// What the final run trains on; the search trains on those from `searched` on.
    pub train: Vec<usize>,
    pub searched: usize,
    /// What the final run is scored on.
    pub test: Vec<usize>,
    /// What the search is scored on. Part of these are in `test` (fidelity register, Q15).
    pub validation: Vec<usize>,
    /// What upstream's search logs beside, never selects by, and this program does not score.
    pub search_test: Vec<usize>,
}

/// How many of `n` are held out: ⌈f·n⌉ in double precision, as scikit-learn has it.
fn held_out(share: f64, n: usize) -> usize {
    (share * n as f64).ceil() as usize
}

/// NumPy's permutation of 0..n; counts are below 2³².
fn shuffled(n: usize) -> Vec<usize> {
    permutation(n as u32, STATE).into_iter().map(|number| number as usize).collect()
}

/// The folds of `n` recordings.
pub fn folds(n: usize) -> Folds {
    let order = shuffled(n);
    let (test, train) = order.split_at(held_out(FINAL_TEST, n));
    let (held, searched) = order.split_at(held_out(HELD_OUT, n));
    let again = shuffled(held.len());
    let (search_test, validation) = again.split_at(held_out(SEARCH_TEST, held.len()));
    let pick = |places: &[usize]| places.iter().map(|place| held[*place]).collect();
    Folds {
        train: train.to_vec(),
        searched: train.len() - searched.len(),
        test: test.to_vec(),
        validation: pick(validation),
        search_test: pick(search_test),
    }
}

#[cfg(test)]
mod tests {
    use super::{Folds, folds};

    #[test]
    fn the_official_folds_are_those_of_the_specification() {
        // task specification §16
        let Folds { train, searched, test, validation, search_test } = folds(8528);
        assert_eq!((train.len(), train.len() - searched, test.len()), (7675, 6822, 853));
        assert_eq!((validation.len(), search_test.len()), (853, 853));
        assert_eq!(train[..5], [4865, 6526, 6813, 5793, 5183]);
        assert_eq!(train[searched..][..5], [6692, 3768, 1352, 2434, 4431]);
        assert_eq!(train[train.len() - 5..], [4373, 7891, 4859, 3264, 2732]);
        assert_eq!(test[..5], [2044, 2916, 274, 6817, 4750]);
        assert_eq!(validation[..5], [7757, 6966, 5341, 1912, 2938]);
        assert_eq!(search_test[..5], [4773, 3424, 3338, 4089, 2990]);
        let shared = |fold: &[usize]| fold.iter().filter(|n| test.contains(n)).count();
        assert_eq!((shared(&validation), shared(&search_test)), (429, 424));
        assert_eq!(shared(&train), 0);
        let leaked = validation.iter().filter(|n| train[searched..].contains(n)).count();
        assert_eq!(leaked, 0);
    }

    #[test]
    fn every_recording_stands_once_in_each_split() {
        for n in [10, 24, 60, 800, 801] {
            let folds = folds(n);
            let mut last: Vec<usize> = folds.train.iter().chain(&folds.test).copied().collect();
            last.sort_unstable();
            assert_eq!(last, (0..n).collect::<Vec<_>>());
            let searched = &folds.train[folds.searched..];
            let mut search: Vec<usize> =
                searched.iter().chain(&folds.validation).chain(&folds.search_test).copied().collect();
            search.sort_unstable();
            assert_eq!(search, (0..n).collect::<Vec<_>>());
        }
    }
}
