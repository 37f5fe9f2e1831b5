//! Mean over all positions of a plane.

use crate::support::operator_check::{Case, check};
use candle_core::{Device, Tensor};
use nasperf_pipe::ops::global_pool::{GlobalPool, global_pool};
use nasperf_pipe::ops::operator::Definition;
use std::sync::Arc;

#[test]
fn agrees_with_its_reference_and_with_differences() {
    for dims in [&[1usize, 1, 1, 1][..], &[2, 3, 5, 7], &[3, 2, 41], &[4, 5], &[2, 2, 200, 201]] {
        check(Case::new(Arc::new(GlobalPool), &[dims]));
    }
}

#[test]
fn a_mean_of_many_large_values_keeps_its_digits_and_strides_are_followed() {
    let x = Tensor::full(12_345_679f32, (1, 1, 120_000), &Device::Cpu).unwrap();
    assert_eq!(global_pool(&x).unwrap().to_vec2::<f32>().unwrap(), [[12_345_679.0]]);
    let x = Tensor::new(&[[[1f32, f32::NAN], [2.0, 4.0]]], &Device::Cpu).unwrap();
    let y = global_pool(&x.transpose(1, 2).unwrap()).unwrap().to_vec2::<f32>().unwrap();
    assert!(y[0][0] == 1.5 && y[0][1].is_nan());
}

#[test]
fn wrong_dimensions_are_named() {
    assert!(GlobalPool.output(&[&[3]]).unwrap_err().contains("(N,C,…)"));
    assert!(GlobalPool.output(&[&[3, 4, 0]]).is_err());
}
