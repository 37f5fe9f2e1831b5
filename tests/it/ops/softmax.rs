//! Softmax over the last dimension. Candle's softmax_last_dim has no gradient and says nothing about it.

use crate::support::operator_check::{Case, check};
use candle_core::{Device, Tensor, Var};
use nasperf_pipe::ops::operator::Definition;
use nasperf_pipe::ops::softmax::{Softmax, softmax};
use std::sync::Arc;

#[test]
fn agrees_with_its_reference_and_with_differences() {
    for dims in [&[1usize][..], &[5], &[3, 4, 7], &[1, 1], &[600, 9], &[2, 5000]] {
        check(Case::new(Arc::new(Softmax), &[dims]));
    }
}

#[test]
fn the_gradient_arrives() {
    let x = Var::new(&[[0f32, 3f32.ln()]], &Device::Cpu).unwrap();
    let y = softmax(&x).unwrap();
    let upstream = Tensor::new(&[[1f32, 0.0]], &Device::Cpu).unwrap();
    let gradients = (&y * upstream).unwrap().sum_all().unwrap().backward().unwrap();
    let (y, d) = (y.to_vec2::<f32>().unwrap(), gradients.get(&x).unwrap().to_vec2::<f32>().unwrap());
    assert!((y[0][0] - 0.25).abs() < 1e-6 && (y[0][1] - 0.75).abs() < 1e-6);
    assert!((d[0][0] - 0.1875).abs() < 1e-6 && (d[0][1] + 0.1875).abs() < 1e-6);
}

#[test]
fn large_and_odd_values() {
    let x = [[200f32, -200.0, f32::NEG_INFINITY], [1e30, 1e30, -1e30], [f32::NAN, 0.0, 1.0]];
    let y = softmax(&Tensor::new(&x, &Device::Cpu).unwrap()).unwrap().to_vec2::<f32>().unwrap();
    assert_eq!(y[..2], [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]);
    assert!(y[2].iter().all(|v| v.is_nan()));
}

#[test]
fn strides_are_followed_and_wrong_dimensions_named() {
    let x = Tensor::new(&[[0f32, 5.0], [0.0, 7.0]], &Device::Cpu).unwrap();
    assert_eq!(softmax(&x.t().unwrap()).unwrap().to_vec2::<f32>().unwrap()[0], [0.5, 0.5]);
    assert!(Softmax.output(&[&[]]).unwrap_err().contains("(…,K)"));
}
