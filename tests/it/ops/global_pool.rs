//! Mean over a plane or its top left window.

use crate::support::operator_check::{Case, check};
use candle_core::{Device, Tensor};
use nasperf_pipe::ops::apply::{Pass, apply};
use nasperf_pipe::ops::global_pool::GlobalPool;
use nasperf_pipe::ops::operator::{Definition, Operator};
use std::sync::Arc;

#[test]
fn agrees_with_its_reference_and_with_differences() {
    for window in [None, Some(2), Some(8)] {
        for dims in [[2usize, 3, 5, 7], [1, 1, 1, 9], [3, 2, 1, 1], [2, 20, 50, 61]] {
            check(Case::new(Arc::new(GlobalPool { window }), &[&dims]));
        }
    }
}

#[test]
fn planes_without_positions_are_refused() {
    let error = GlobalPool { window: None }.output(&[&[2, 3, 0, 4]]).unwrap_err();
    assert!(error.contains("global_pool") && error.contains("[2, 3, 0, 4]"), "{error}");
}

#[test]
fn a_mean_of_many_large_values_keeps_its_digits_and_strides_are_followed() {
    let op: Arc<dyn Operator> = Arc::new(GlobalPool { window: None });
    let pooled = |x: &Tensor| apply(&op, &[x], Pass::Train { step: 0 }).unwrap().0.to_vec2::<f32>().unwrap();
    let x = Tensor::full(12_345_679f32, (1, 1, 300, 400), &Device::Cpu).unwrap();
    assert_eq!(pooled(&x), [[12_345_679.0]]);
    let x = Tensor::new(&[[[[1f32, f32::NAN], [2.0, 4.0]]]], &Device::Cpu).unwrap();
    let y = pooled(&x.transpose(1, 3).unwrap());
    assert!(y[0][0] == 1.5 && y[0][1].is_nan());
}
