//! Some channels of an input.

use crate::support::operator_check::{Case, check};
use nasperf_pipe::ops::narrow::Narrow;
use nasperf_pipe::ops::operator::Definition;
use std::sync::Arc;

#[test]
fn agrees_with_its_reference_and_with_differences() {
    check(Case::new(Arc::new(Narrow { start: 1, count: 2 }), &[&[2, 4, 3, 5]]));
    check(Case::new(Arc::new(Narrow { start: 0, count: 1 }), &[&[3, 1, 7]]));
}

#[test]
fn what_does_not_fit_is_refused() {
    let narrow = Narrow { start: 1, count: 2 };
    assert_eq!(narrow.output(&[&[2, 3, 4]]), Ok(vec![2, 2, 4]));
    for wrong in [&[&[2usize, 2, 4][..]][..], &[&[2]], &[&[2, 3], &[2, 3]], &[]] {
        assert!(narrow.output(wrong).is_err(), "{wrong:?}");
    }
}
