//! Losses: gradients, extreme logits (where candle's own BCE gives NaN), targets that do not fit.

use crate::support::formula::draw;
use crate::support::operator_check::{Case, check, run};
use nasperf_pipe::ops::loss::Loss;
use nasperf_pipe::ops::operator::{Definition, Kernel, Mode, Saved, View};
use std::sync::Arc;

fn floats(stream: u64, count: usize) -> Arc<Vec<f32>> {
    Arc::new(draw(stream, count).into_iter().map(|v| v as f32 + 0.5).collect())
}

#[test]
fn agree_with_their_reference_and_with_differences() {
    for smoothing in [0.0, 0.1] {
        let classes = Arc::new(vec![2, 0, 4, 4]);
        check(Case::new(Arc::new(Loss::CrossEntropy { classes, smoothing }), &[&[4, 5]]));
    }
    check(Case::new(Arc::new(Loss::BceWithLogits { targets: floats(1, 21) }), &[&[3, 7]]));
    let weighted = Loss::WeightedBceWithLogits { targets: floats(1, 21), weights: floats(4, 21) };
    check(Case::new(Arc::new(weighted), &[&[3, 7]]));
    check(Case::new(Arc::new(Loss::MeanSquared { targets: floats(2, 60) }), &[&[2, 1, 5, 6]]));
    check(Case::new(Arc::new(Loss::RelativeL2 { targets: floats(3, 60) }), &[&[2, 1, 5, 6]]));
}

#[test]
fn extreme_logits_give_finite_values() {
    let targets = Arc::new(vec![1.0, 0.0, 1.0, 0.0]);
    let case = Case {
        op: Arc::new(Loss::BceWithLogits { targets }),
        inputs: vec![(vec![1, 4], vec![200.0, 200.0, -200.0, -200.0])],
        tolerance: 0.0,
        step: 0.0,
    };
    let found = run::<f32>(&case);
    assert_eq!(found.output, [100.0]); // two of four are wrong by 200
    let upstream = draw(77, 1)[0] as f32;
    assert_eq!(found.gradients[0], [0.0, upstream * 0.25, -upstream * 0.25, 0.0]);
    let classes = Arc::new(vec![1]);
    let op = Arc::new(Loss::CrossEntropy { classes, smoothing: 0.0 });
    let case = Case { op, inputs: vec![(vec![1, 3], vec![500.0, 0.0, -500.0])], tolerance: 0.0, step: 0.0 };
    assert_eq!(run::<f32>(&case).output, [500.0]);
}

#[test]
fn a_class_that_is_ruled_out_costs_nothing() {
    let op = Arc::new(Loss::CrossEntropy { classes: Arc::new(vec![0]), smoothing: 0.0 });
    let inputs = vec![(vec![1, 3], vec![1.0, f64::NEG_INFINITY, 1.0])];
    let found = run::<f64>(&Case { op, inputs, tolerance: 0.0, step: 0.0 });
    assert!((found.output[0] - 2f64.ln()).abs() < 1e-12);
    let half = 0.5 * draw(77, 1)[0];
    let expected = [-half, 0.0, half];
    assert!(found.gradients[0].iter().zip(expected).all(|(d, e)| (d - e).abs() < 1e-15), "{:?}", found.gradients);
}

#[test]
fn a_sample_without_difference_has_no_gradient() {
    let op = Arc::new(Loss::RelativeL2 { targets: Arc::new(vec![3.0, 4.0, 1.0, 0.0]) });
    let inputs = vec![(vec![2, 2], vec![3.0, 4.0, 1.0, 2.0])];
    let found = run::<f64>(&Case { op, inputs, tolerance: 0.0, step: 0.0 });
    assert_eq!((found.output[0], found.gradients[0][..3].to_vec()), (2.0, vec![0.0; 3]));
}

#[test]
fn what_is_not_a_number_stays_so() {
    let loss = Loss::BceWithLogits { targets: Arc::new(vec![1.0, 0.0]) };
    let mut out = [0f32];
    for wrong in [f32::NAN, f32::INFINITY] {
        let view = View { values: &[wrong, 0.0], dims: &[2] };
        loss.forward(&[view], Mode::Train { step: 0 }, &mut out, &mut Saved::default());
        assert!(!out[0].is_finite(), "{wrong} gives {}", out[0]);
    }
}

#[test]
fn targets_that_do_not_fit_are_refused() {
    let classes = Arc::new(vec![0, 7]);
    let error = Loss::CrossEntropy { classes, smoothing: 0.0 }.output(&[&[2, 7]]).unwrap_err();
    assert!(error.contains("cross_entropy") && error.contains("[2, 7]"), "{error}");
    let weighted = Loss::WeightedBceWithLogits { targets: floats(0, 6), weights: floats(1, 5) };
    assert!(weighted.output(&[&[2, 3]]).unwrap_err().contains("6 values, and as many weights as 5"));
    assert!(Loss::MeanSquared { targets: floats(0, 5) }.output(&[&[2, 3]]).is_err());
}
