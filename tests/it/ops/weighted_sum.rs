//! Sums whose weights are inputs.

use crate::support::operator_check::{Case, check};
use nasperf_pipe::ops::operator::Definition;
use nasperf_pipe::ops::weighted_sum::WeightedSum;
use std::sync::Arc;

#[test]
fn agrees_with_its_reference_and_with_differences() {
    check(Case::new(Arc::new(WeightedSum { weights: vec![3, 0] }), &[&[2, 3, 4, 5], &[2, 3, 4, 5], &[5]]));
    // several parts of a sum
    check(Case { step: 0.0, ..Case::new(Arc::new(WeightedSum { weights: vec![1] }), &[&[3, 3000], &[2]]) });
}

#[test]
fn what_does_not_fit_is_refused() {
    let sum = WeightedSum { weights: vec![0, 2] };
    assert_eq!(sum.output(&[&[2, 3], &[2, 3], &[3]]), Ok(vec![2, 3]));
    for wrong in [&[&[2usize, 3][..], &[2, 3], &[2]][..], &[&[2, 3], &[3, 2], &[3]], &[&[2, 3], &[3]], &[]] {
        assert!(sum.output(wrong).is_err(), "{wrong:?}");
    }
}
