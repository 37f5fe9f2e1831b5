//! Arrays side by side.

use crate::support::operator_check::{Case, check};
use nasperf_pipe::ops::concat::Concat;
use nasperf_pipe::ops::operator::Definition;
use std::sync::Arc;

#[test]
fn agrees_with_its_reference_and_with_differences() {
    check(Case::new(Arc::new(Concat { axis: 1, inputs: 3 }), &[&[2, 3, 4, 5], &[2, 1, 4, 5], &[2, 4, 4, 5]]));
    check(Case::new(Arc::new(Concat { axis: 0, inputs: 2 }), &[&[7], &[5]]));
    check(Case::new(Arc::new(Concat { axis: 1, inputs: 1 }), &[&[3, 2]]));
}

#[test]
fn what_does_not_fit_is_refused() {
    let concat = Concat { axis: 1, inputs: 2 };
    assert_eq!(concat.output(&[&[2, 3, 4], &[2, 5, 4]]), Ok(vec![2, 8, 4]));
    for wrong in [&[&[2usize, 3][..], &[3, 3]][..], &[&[2, 3], &[2, 3, 1]], &[&[2, 3]], &[&[2], &[2]]] {
        assert!(concat.output(wrong).is_err(), "{wrong:?}");
    }
}
