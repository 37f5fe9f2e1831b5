//! Sums of one to five arrays.

use crate::support::operator_check::{Case, check};
use candle_core::{Device, Tensor, Var};
use nasperf_pipe::ops::add::Add;
use nasperf_pipe::ops::apply::{Pass, apply};
use nasperf_pipe::ops::operator::{Definition, Operator};
use std::sync::Arc;

#[test]
fn agrees_with_its_reference_and_with_differences() {
    for terms in [1, 2, 3, 5] {
        for dims in [&[1usize, 1, 1, 1][..], &[2, 3, 5, 7], &[3, 20_001]] {
            check(Case::new(Arc::new(Add { terms }), &vec![dims; terms]));
        }
    }
}

#[test]
fn an_input_used_twice_gets_both_gradients_and_strides_are_followed() {
    let x = Var::new(&[[1f32, f32::NAN], [3.0, f32::INFINITY]], &Device::Cpu).unwrap();
    let op: Arc<dyn Operator> = Arc::new(Add { terms: 2 });
    let y = apply(&op, &[&x, &x.t().unwrap()], Pass::Train { step: 0 }).unwrap().0;
    let values = y.to_vec2::<f32>().unwrap();
    assert_eq!((values[0][0], values[1][1]), (2.0, f32::INFINITY));
    assert!(values[0][1].is_nan() && values[1][0].is_nan());
    let upstream = Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &Device::Cpu).unwrap();
    let loss = apply(&op, &[&x, &x.t().unwrap()], Pass::Train { step: 0 }).unwrap().0.broadcast_mul(&upstream).unwrap();
    let gradients = loss.sum_all().unwrap().backward().unwrap();
    assert_eq!(gradients.get(&x).unwrap().to_vec2::<f32>().unwrap(), [[2.0, 5.0], [5.0, 8.0]]);
}

#[test]
fn wrong_dimensions_are_named() {
    assert!(Add { terms: 2 }.output(&[&[2, 3], &[3, 2]]).unwrap_err().contains("[2, 3] were expected, found [3, 2]"));
    assert!(Add { terms: 2 }.output(&[&[2, 3]]).unwrap_err().contains("here 2, were expected, found 1"));
    assert!(Add { terms: 0 }.output(&[]).is_err());
}
