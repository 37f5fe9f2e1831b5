//! Planes resampled to a size. Candle's upsample_nearest2d overwrites the gradient that its input already has from elsewhere
//! and fails at ratios that are not whole; its upsample_bilinear2d has no backward pass.

use crate::support::operator_check::{Case, check};
use candle_core::{Device, Tensor, Var};
use nasperf_pipe::ops::apply::{Pass, apply};
use nasperf_pipe::ops::operator::{Definition, Operator};
use nasperf_pipe::ops::upsample::{Interpolation, Upsample};
use std::sync::Arc;

const KINDS: [Interpolation; 3] = [
    Interpolation::Nearest,
    Interpolation::Bilinear { align_corners: false },
    Interpolation::Bilinear { align_corners: true },
];

#[test]
fn agrees_with_its_reference_and_with_differences() {
    for interpolation in KINDS {
        for (dims, size) in [
            ([2, 3, 5, 7], [10, 14]),
            ([1, 1, 1, 1], [3, 2]),
            ([1, 2, 6, 9], [4, 5]),
            ([2, 1, 4, 3], [4, 3]),
            ([1, 2, 7, 3], [1, 13]),
            ([3, 2, 1, 21], [1, 50]),
        ] {
            check(Case::new(Arc::new(Upsample { size, interpolation }), &[&dims]));
        }
        let case = Case::new(Arc::new(Upsample { size: [55, 49], interpolation }), &[&[3, 7, 30, 31]]);
        check(Case { step: 0.0, ..case });
    }
}

fn resampled(size: [usize; 2], interpolation: Interpolation, x: &Tensor) -> Tensor {
    let op: Arc<dyn Operator> = Arc::new(Upsample { size, interpolation });
    apply(&op, &[x], Pass::Train { step: 0 }).unwrap().0
}

fn flat(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn one_row_by_hand() {
    let x = Tensor::new(&[[[[1f32, 3.0, 11.0]]]], &Device::Cpu).unwrap();
    let row = |width, kind| flat(&resampled([1, width], kind, &x));
    assert_eq!(row(6, KINDS[0]), [1., 1., 3., 3., 11., 11.]);
    assert_eq!(row(5, KINDS[0]), [1., 1., 3., 3., 11.]);
    assert_eq!(row(6, KINDS[1]), [1., 1.5, 2.5, 5., 9., 11.]);
    assert_eq!(row(5, KINDS[2]), [1., 2., 3., 7., 11.]);
    assert_eq!(row(1, KINDS[2]), [1.]);
}

#[test]
fn an_input_that_feeds_something_else_too_keeps_both_gradients() {
    for interpolation in KINDS {
        let x = Var::new(&[[[[1f32, 2.0], [3.0, 4.0]]]], &Device::Cpu).unwrap();
        for first in [true, false] {
            let (big, other) = (resampled([4, 4], interpolation, &x).sum_all().unwrap(), (&*x * 10.0).unwrap());
            let other = other.sum_all().unwrap();
            let loss = if first { (big + other).unwrap() } else { (other + big).unwrap() };
            let found = flat(loss.backward().unwrap().get(&x).unwrap());
            assert!((found.iter().sum::<f32>() - 56.0).abs() < 1e-4, "{found:?}: 16 new values and 4 tens");
            assert!(found.iter().all(|d| *d >= 11.0));
        }
    }
}

#[test]
fn strides_are_followed_and_what_is_not_a_number_stays_near() {
    let x = Tensor::new(&[[[[1f32, f32::NAN], [3.0, 4.0]]]], &Device::Cpu).unwrap();
    let y = flat(&resampled([4, 4], KINDS[0], &x.t().unwrap()));
    assert_eq!((y[0], y[2], y[15]), (1.0, 3.0, 4.0));
    assert_eq!(y.iter().filter(|v| v.is_nan()).count(), 4);
    let y = flat(&resampled([3, 3], KINDS[2], &x));
    assert_eq!((y[0], y[3], y[6], y[7], y[8]), (1.0, 2.0, 3.0, 3.5, 4.0));
    assert!([1, 2, 4, 5].iter().all(|at: &usize| y[*at].is_nan()));
}

#[test]
fn wrong_dimensions_are_named() {
    let op = Upsample { size: [4, 4], interpolation: KINDS[0] };
    assert!(op.output(&[&[1, 2, 3]]).unwrap_err().contains("(N,C,H,W)"));
    assert!(Upsample { size: [0, 4], ..op }.output(&[&[1, 2, 3, 4]]).is_err());
}
