//! Softmax over pieces; unlike candle's `softmax_last_dim` it has a gradient.

use crate::support::operator_check::{Case, check};
use nasperf_pipe::ops::operator::{Kernel, Mode, Saved, View};
use nasperf_pipe::ops::segment_softmax::SegmentSoftmax;
use std::sync::Arc;

#[test]
fn agrees_with_its_reference_and_with_differences() {
    check(Case::new(Arc::new(SegmentSoftmax { lengths: vec![8, 8, 2, 3, 1] }), &[&[22]]));
}

#[test]
fn equal_and_extreme_values() {
    let x = [3.0, 3.0, 1000.0, -1000.0, f64::NAN, 0.0];
    let mut out = [9.0; 6];
    let op = SegmentSoftmax { lengths: vec![2, 2, 2] };
    op.forward(&[View { values: &x, dims: &[6] }], Mode::Train { step: 0 }, &mut out, &mut Saved::default());
    assert_eq!(out[..4], [0.5, 0.5, 1.0, 0.0]);
    assert!(out[4].is_nan() && out[5].is_nan());
}
