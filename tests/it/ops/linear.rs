//! Fully connected rows, and the same at each position.

use crate::support::operator_check::{Case, check};
use nasperf_pipe::ops::linear::Linear;
use nasperf_pipe::ops::operator::Definition;
use std::sync::Arc;

#[test]
fn agrees_with_its_reference_and_with_differences() {
    for (n, i, o) in [(1, 1, 1), (5, 7, 3), (33, 64, 10)] {
        check(Case::new(Arc::new(Linear { bias: true, positions: false }), &[&[n, i], &[o, i], &[o]]));
        check(Case::new(Arc::new(Linear { bias: false, positions: false }), &[&[n, i], &[o, i]]));
    }
    for (n, i, o, h, w) in [(1, 1, 1, 1, 1), (3, 5, 1, 4, 7), (19, 4, 3, 1, 6)] {
        check(Case::new(Arc::new(Linear { bias: true, positions: true }), &[&[n, i, h, w], &[o, i], &[o]]));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let linear = Linear { bias: true, positions: false };
    assert!(linear.output(&[&[2, 3], &[4, 5], &[4]]).unwrap_err().contains("[4, 5]"));
    assert!(linear.output(&[&[2, 3], &[4, 3], &[3]]).is_err());
    assert_eq!(linear.output(&[&[2, 3], &[4, 3], &[4]]), Ok(vec![2, 4]));
}
