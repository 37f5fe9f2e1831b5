//! The four losses: formulas, and the values at which candle's own fail.

use crate::support::formula::draw;
use crate::support::operator_check::{Case, check};
use candle_core::{Device, Tensor, Var};
use nasperf_pipe::ops::apply::{Pass, apply};
use nasperf_pipe::ops::bce_with_logits::BceWithLogits;
use nasperf_pipe::ops::cross_entropy::{CrossEntropy, cross_entropy};
use nasperf_pipe::ops::mse::Mse;
use nasperf_pipe::ops::operator::{Definition, Operator};
use nasperf_pipe::ops::relative_l2::{Decode, RelativeL2};
use std::sync::Arc;

fn singles(stream: u64, count: usize, shift: f64) -> Arc<Vec<f32>> {
    Arc::new(draw(stream, count).into_iter().map(|v| (v + shift) as f32).collect())
}

fn classes(n: usize, k: usize) -> Arc<Vec<u32>> {
    Arc::new((0..n).map(|i| ((7 * i + 3) % k) as u32).collect())
}

#[test]
fn all_agree_with_differences() {
    for (n, k) in [(1, 1), (1, 3), (5, 7), (70, 11)] {
        for smoothing in [0.0, 0.1] {
            check(Case::new(Arc::new(CrossEntropy { classes: classes(n, k), smoothing }), &[&[n, k]]));
        }
    }
    for dims in [&[1usize][..], &[3, 5], &[2, 1, 37, 41]] {
        let count = dims.iter().product();
        for weights in [None, Some(singles(8, count, 0.5))] {
            check(Case::new(Arc::new(BceWithLogits { targets: singles(9, count, 0.5), weights }), &[dims]));
        }
        check(Case::new(Arc::new(Mse { targets: singles(9, count, 0.0) }), &[dims]));
        let (targets, values) = (singles(9, count, 1.0), count / dims[0]);
        check(Case::new(Arc::new(RelativeL2 { targets: targets.clone(), decode: None }), &[dims]));
        let decode = Some(Decode { scale: singles(10, values, 2.0), mean: singles(11, values, 0.0) });
        check(Case::new(Arc::new(RelativeL2 { targets, decode }), &[dims]));
    }
    check(Case { step: 0.0, ..Case::new(Arc::new(Mse { targets: singles(9, 40_001, 0.0) }), &[&[40_001]]) });
}

/// Loss and gradient of `op` at `x`.
fn at(op: impl Operator + 'static, x: &[f32], dims: &[usize]) -> (f32, Vec<f32>) {
    let x = Var::from_vec(x.to_vec(), dims, &Device::Cpu).unwrap();
    let op: Arc<dyn Operator> = Arc::new(op);
    let loss = apply(&op, &[&x], Pass::Train { step: 0 }).unwrap().0;
    assert_eq!(loss.dims(), [1]);
    let gradients = loss.backward().unwrap();
    (loss.to_vec1().unwrap()[0], gradients.get(&x).unwrap().flatten_all().unwrap().to_vec1().unwrap())
}

#[test]
fn cross_entropy_matches_the_formula_even_for_large_logits() {
    let logits = [[1f32, 2.0, 0.5], [500.0, 0.0, -500.0]];
    let x = Var::new(&logits, &Device::Cpu).unwrap();
    let loss = cross_entropy(&x, &Tensor::new(&[2u32, 1], &Device::Cpu).unwrap()).unwrap();
    let z: f64 = logits[0].iter().map(|v| f64::from(*v).exp()).sum();
    let expected = ((z.ln() - 0.5) + 500.0) / 2.0;
    assert!((f64::from(loss.to_scalar::<f32>().unwrap()) - expected).abs() < 1e-4);
    let gradients = loss.backward().unwrap();
    let found = gradients.get(&x).unwrap().to_vec2::<f32>().unwrap();
    for k in 0..3 {
        let expected = (f64::from(logits[0][k]).exp() / z - f64::from(u8::from(k == 2))) / 2.0;
        assert!((f64::from(found[0][k]) - expected).abs() < 1e-6);
    }
    assert_eq!(found[1], [0.5, -0.5, 0.0]);
}

#[test]
fn smoothed_labels_give_all_classes_a_share() {
    // three equal logits: −log p = ln 3 for all, p − label = 1/3 − (0.9 + 0.1/3) at the class
    let op = CrossEntropy { classes: Arc::new(vec![1]), smoothing: 0.1 };
    let (loss, d) = at(op, &[2.0; 3], &[1, 3]);
    assert!((loss - 3f32.ln()).abs() < 1e-6);
    assert!((d[0] - 0.3).abs() < 1e-6 && (d[1] + 0.6).abs() < 1e-6 && (d[2] - 0.3).abs() < 1e-6);
}

/// candle_nn::loss::binary_cross_entropy_with_logit gives an infinite or undefined loss and gradient here, and NaN from 20 on
/// with the right label.
#[test]
fn binary_cross_entropy_is_finite_at_two_hundred() {
    let op = |y: f32| BceWithLogits { targets: Arc::new(vec![y]), weights: None };
    for z in [20f32, 200.0, 1e6] {
        assert_eq!(at(op(0.0), &[z], &[1]), (z, vec![1.0]));
        assert_eq!(at(op(1.0), &[-z], &[1]), (z, vec![-1.0]));
        let (right, d) = at(op(1.0), &[z], &[1]);
        assert!((0.0..1e-8).contains(&right) && d[0].abs() < 1e-8);
        let (right, d) = at(op(0.0), &[-z], &[1]);
        assert!((0.0..1e-8).contains(&right) && d[0].abs() < 1e-8);
    }
    let (even, d) = at(op(0.5), &[0.0], &[1]);
    assert!((even - 2f32.ln()).abs() < 1e-7 && d == [0.0]);
}

#[test]
fn relative_errors_are_summed_and_a_perfect_sample_has_no_gradient() {
    let op = RelativeL2 { targets: Arc::new(vec![3.0, 4.0, 1.0, 0.0]), decode: None };
    let (loss, d) = at(op, &[3.0, 4.0, 1.0, 2.0], &[2, 2]);
    assert_eq!((loss, d), (2.0, vec![0.0, 0.0, 0.0, 1.0]));
}

#[test]
fn what_is_not_a_number_makes_the_loss_so() {
    let odd = [1.0, f32::NAN, 0.5, 2.0];
    let four = singles(1, 4, 1.0);
    assert!(at(CrossEntropy { classes: classes(2, 2), smoothing: 0.0 }, &odd, &[2, 2]).0.is_nan());
    assert!(at(BceWithLogits { targets: four.clone(), weights: None }, &odd, &[4]).0.is_nan());
    assert!(at(Mse { targets: four.clone() }, &odd, &[4]).0.is_nan());
    assert!(at(RelativeL2 { targets: four, decode: None }, &odd, &[2, 2]).0.is_nan());
}

#[test]
fn strides_are_followed() {
    let x = Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &Device::Cpu).unwrap();
    let op: Arc<dyn Operator> = Arc::new(Mse { targets: Arc::new(vec![1.0, 3.0, 2.0, 5.0]) });
    let loss = apply(&op, &[&x.t().unwrap()], Pass::Train { step: 0 }).unwrap().0;
    assert_eq!(loss.to_vec1::<f32>().unwrap(), [0.25]);
}

#[test]
fn wrong_targets_are_named() {
    let error = |op: &dyn Definition, dims: &[usize]| op.output(&[dims]).unwrap_err();
    let op = CrossEntropy { classes: Arc::new(vec![0, 5]), smoothing: 0.0 };
    assert!(error(&op, &[2, 5]).contains("classes below 5 were expected, found 5"));
    assert!(error(&op, &[3, 9]).contains("2 rows were expected for as many classes, found 3"));
    assert!(error(&op, &[2, 9, 1]).contains("(N,K)"));
    assert!(error(&CrossEntropy { smoothing: 1.0, ..op }, &[2, 9]).contains("a smoothing in 0..1"));
    let op = BceWithLogits { targets: singles(1, 6, 0.5), weights: Some(singles(1, 5, 0.5)) };
    assert!(error(&op, &[2, 3]).contains("6 targets and weights were expected for [2, 3], found 6 and 5"));
    assert!(error(&Mse { targets: singles(1, 6, 0.5) }, &[7]).contains("7 targets were expected for [7], found 6"));
    let decode = Some(Decode { scale: singles(1, 3, 0.0), mean: singles(1, 2, 0.0) });
    let op = RelativeL2 { targets: singles(1, 6, 0.5), decode };
    assert!(error(&op, &[2, 3]).contains("scales and means of 3 values were expected, found 3 and 2"));
}
