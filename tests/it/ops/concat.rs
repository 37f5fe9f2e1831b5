//! Arrays side by side.

use crate::support::operator_check::{Case, check};
use candle_core::{Device, Tensor};
use nasperf_pipe::ops::apply::{Pass, apply};
use nasperf_pipe::ops::concat::Concat;
use nasperf_pipe::ops::operator::{Definition, Operator};
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

#[test]
fn strided_inputs_are_read_by_their_strides() {
    let x = Tensor::new(&[[1f32, 2.0], [3.0, f32::NAN]], &Device::Cpu).unwrap();
    let op: Arc<dyn Operator> = Arc::new(Concat { axis: 1, inputs: 2 });
    let y = apply(&op, &[&x.t().unwrap(), &x], Pass::Train { step: 0 }).unwrap().0.to_vec2::<f32>().unwrap();
    assert_eq!((&y[0][..], y[1][0], y[1][2]), (&[1., 3., 1., 2.][..], 2., 3.));
    assert!(y[1][1].is_nan() && y[1][3].is_nan());
}
