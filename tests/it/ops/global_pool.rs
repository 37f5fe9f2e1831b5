//! Mean over a plane or its top left window.

use crate::support::operator_check::{Case, check};
use nasperf_pipe::ops::global_pool::GlobalPool;
use nasperf_pipe::ops::operator::Definition;
use std::sync::Arc;

#[test]
fn agrees_with_its_reference_and_with_differences() {
    for window in [None, Some(2), Some(8)] {
        for dims in [[2usize, 3, 5, 7], [1, 1, 1, 9], [3, 2, 1, 1]] {
            check(Case::new(Arc::new(GlobalPool { window }), &[&dims]));
        }
    }
}

#[test]
fn planes_without_positions_are_refused() {
    let error = GlobalPool { window: None }.output(&[&[2, 3, 0, 4]]).unwrap_err();
    assert!(error.contains("global_pool") && error.contains("[2, 3, 0, 4]"), "{error}");
}
