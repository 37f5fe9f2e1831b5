//! ReLU, with the two rows where candle differs: the gradient at exactly 0, and values that are not numbers.

use crate::support::operator_check::{Case, check};
use candle_core::{Device, Tensor, Var};
use nasperf_pipe::ops::relu::{Relu, relu};
use std::sync::Arc;

#[test]
fn agrees_with_its_reference_and_with_differences() {
    for dims in [&[1usize, 1, 1, 1][..], &[2, 3, 5, 7], &[3, 70_001]] {
        check(Case::new(Arc::new(Relu), &[dims]));
    }
}

#[test]
fn the_gradient_at_zero_is_zero() {
    let x = Var::new(&[-1.5f32, -0.0, 0.0, 2.0, 1e-30], &Device::Cpu).unwrap();
    let y = relu(&x).unwrap();
    assert_eq!(y.to_vec1::<f32>().unwrap(), [0.0, 0.0, 0.0, 2.0, 1e-30]);
    let upstream = Tensor::new(&[1f32, 2.0, 3.0, 4.0, 5.0], &Device::Cpu).unwrap();
    let gradients = (y * upstream).unwrap().sum_all().unwrap().backward().unwrap();
    assert_eq!(gradients.get(&x).unwrap().to_vec1::<f32>().unwrap(), [0.0, 0.0, 0.0, 4.0, 5.0]);
}

#[test]
fn what_is_not_a_number_stays_so() {
    let x = Tensor::new(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY], &Device::Cpu).unwrap();
    let y = relu(&x).unwrap().to_vec1::<f32>().unwrap();
    assert!(y[0].is_nan() && y[1] == f32::INFINITY && y[2] == 0.0);
}

#[test]
fn strided_inputs_are_read_by_their_strides() {
    let x = Tensor::new(&[[-1f32, 2.0], [3.0, -4.0]], &Device::Cpu).unwrap();
    assert_eq!(relu(&x.t().unwrap()).unwrap().to_vec2::<f32>().unwrap(), [[0.0, 3.0], [2.0, 0.0]]);
}
