//! Products with weights, of rows and of positions.

use crate::support::operator_check::{Case, check};
use candle_core::{Device, Result, Tensor, Var};
use nasperf_pipe::ops::apply::{Pass, apply};
use nasperf_pipe::ops::linear::Linear;
use nasperf_pipe::ops::operator::{Definition, Operator};
use std::sync::Arc;

fn case(bias: bool, x: &[usize], outputs: usize) -> Case {
    let (weight, shift) = ([outputs, x[1]], [outputs]);
    let dims: &[&[usize]] = if bias { &[x, &weight, &shift] } else { &[x, &weight] };
    Case::new(Arc::new(Linear { bias, positions: x.len() > 2 }), dims)
}

fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let op: Arc<dyn Operator> = Arc::new(Linear { bias: false, positions: false });
    Ok(apply(&op, &[x, weight], Pass::Train { step: 0 })?.0)
}

#[test]
fn agrees_with_its_reference_and_with_differences() {
    for bias in [false, true] {
        for (x, outputs) in [
            (&[1usize, 1][..], 1),
            (&[5, 7], 3),
            (&[33, 20], 9),
            (&[33, 64], 10),
            (&[19, 4, 1, 6], 3),
            (&[2, 3, 5, 7], 1),
            (&[1, 9, 4, 3], 2),
            (&[3, 6, 11], 4),
            (&[2, 5, 5, 7], 7),
            (&[1, 1, 1, 1], 1),
        ] {
            check(case(bias, x, outputs));
        }
    }
}

#[test]
fn agrees_where_work_spans_many_tasks() {
    for (x, outputs) in
        [(&[300usize, 150][..], 130), (&[19, 7, 50, 51], 1), (&[19, 6, 12, 31], 3), (&[17, 30, 9, 11], 40)]
    {
        check(Case { step: 0.0, ..case(true, x, outputs) });
    }
}

#[test]
fn output_and_gradients_match_a_hand_worked_case() {
    let x = Var::new(&[[1f32, 2.0, 3.0], [4.0, 5.0, 6.0]], &Device::Cpu).unwrap();
    let w = Var::new(&[[1f32, 0.0, -1.0], [2.0, 1.0, 0.5]], &Device::Cpu).unwrap();
    let y = linear(&x, &w).unwrap();
    assert_eq!(y.to_vec2::<f32>().unwrap(), [[-2.0, 5.5], [-2.0, 16.0]]);
    let g = Tensor::new(&[[1f32, 2.0], [3.0, -1.0]], &Device::Cpu).unwrap();
    let gradients = (y * g).unwrap().sum_all().unwrap().backward().unwrap();
    let found = |v: &Var| gradients.get(v).unwrap().to_vec2::<f32>().unwrap();
    assert_eq!(found(&x), [[5.0, 2.0, 0.0], [1.0, -1.0, -3.5]]);
    assert_eq!(found(&w), [[13.0, 17.0, 21.0], [-2.0, -1.0, 0.0]]);
    assert!(linear(&w, &w.t().unwrap()).is_err());
}

#[test]
fn strides_are_followed_and_what_is_not_a_number_stays_in_its_row() {
    let x = Tensor::new(&[[1f32, f32::NAN], [2.0, 1.0], [3.0, f32::INFINITY]], &Device::Cpu).unwrap();
    let w = Tensor::new(&[[1f32, 1.0, 1.0], [0.0, 2.0, 0.0]], &Device::Cpu).unwrap();
    let y = linear(&x.t().unwrap(), &w).unwrap().to_vec2::<f32>().unwrap();
    assert_eq!(y[0], [6.0, 4.0]);
    assert!(y[1].iter().all(|v| v.is_nan()), "0·NaN is NaN");
    // the head of a dense network: one position spoilt, the others not
    let x = Tensor::new(&[[[1f32, f32::NAN, 2.0], [1.0, 0.0, 5.0]]], &Device::Cpu).unwrap();
    let w = Tensor::new(&[[2f32, 1.0]], &Device::Cpu).unwrap();
    let op: Arc<dyn Operator> = Arc::new(Linear { bias: false, positions: true });
    let y = apply(&op, &[&x, &w], Pass::Train { step: 0 }).unwrap().0.to_vec3::<f32>().unwrap();
    assert!(y[0][0][0] == 3.0 && y[0][0][1].is_nan() && y[0][0][2] == 9.0);
}

#[test]
fn wrong_dimensions_are_named() {
    assert_eq!(Linear { bias: true, positions: false }.output(&[&[2, 3], &[4, 3], &[4]]), Ok(vec![2, 4]));
    let rows = Linear { bias: true, positions: false };
    let error = |op: Linear, dims: &[&[usize]]| op.output(dims).unwrap_err();
    assert!(error(rows, &[&[2, 3], &[4, 3]]).contains("3 inputs were expected, found 2"));
    assert!(error(rows, &[&[2, 3], &[4, 5], &[4]]).contains("x of 5 features"));
    assert!(error(rows, &[&[2, 3], &[4, 3], &[3]]).contains("a bias of 4 values was expected, found [3]"));
    assert!(error(rows, &[&[2, 3, 5], &[4, 3], &[4]]).contains("(N,I) and (O,I)"));
    assert!(error(Linear { positions: true, ..rows }, &[&[2, 3], &[4, 3], &[4]]).contains("(N,I,…)"));
}
