//! Every second position, the input of FactorizedReduce.

use crate::support::operator_check::{Case, check};
use nasperf_pipe::ops::operator::{Kernel, Mode, Saved, View};
use nasperf_pipe::ops::subsample::Subsample;
use std::sync::Arc;

#[test]
fn agrees_with_its_reference_and_with_differences() {
    for offset in [0, 1] {
        for dims in [[2usize, 3, 4, 6], [1, 1, 5, 7], [2, 2, 1, 9], [3, 1, 1, 8], [1, 2, 3, 1]] {
            check(Case::new(Arc::new(Subsample { offset }), &[&dims]));
        }
    }
}

#[test]
fn an_odd_side_is_continued_by_zeros_and_a_series_keeps_its_height() {
    let run = |offset, dims: &[usize]| {
        let x: Vec<f64> = (1..=dims.iter().product::<usize>()).map(|v| v as f64).collect();
        let size = (dims[2].div_ceil(2)) * dims[3].div_ceil(2);
        let mut out = vec![f64::NAN; size];
        let view = View { values: &x, dims };
        Subsample { offset }.forward(&[view], Mode::Train { step: 0 }, &mut out, &mut Saved::default());
        out
    };
    assert_eq!(run(0, &[1, 1, 3, 3]), [1.0, 3.0, 7.0, 9.0]);
    assert_eq!(run(1, &[1, 1, 3, 3]), [5.0, 0.0, 0.0, 0.0]);
    assert_eq!(run(1, &[1, 1, 1, 5]), [2.0, 4.0, 0.0]);
}
