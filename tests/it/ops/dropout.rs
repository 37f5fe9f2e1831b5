//! Dropout of values and of samples.

use crate::support::operator_check::{Case, check};
use nasperf_pipe::ops::dropout::{Dropout, Unit};
use nasperf_pipe::ops::operator::{Kernel, Mode, Saved, View};
use nasperf_pipe::seed::Purpose;
use std::sync::Arc;

fn dropout(unit: Unit, rate: f64) -> Dropout {
    Dropout::new(unit, rate, Purpose::new(0, "test", "dropout"))
}

fn ones(op: Dropout, dims: &[usize], mode: Mode<'_, f32>) -> Vec<f32> {
    let x = vec![1f32; dims.iter().product()];
    let mut out = vec![f32::NAN; x.len()];
    op.forward(&[View { values: &x, dims }], mode, &mut out, &mut Saved::default());
    out
}

#[test]
fn agrees_with_its_reference_and_with_differences() {
    for unit in [Unit::Value, Unit::Sample] {
        for rate in [0.0, 0.3] {
            check(Case::new(Arc::new(dropout(unit, rate)), &[&[7, 3, 20, 30]]));
            check(Case::new(Arc::new(dropout(unit, rate)), &[&[1, 1]]));
        }
    }
}

#[test]
fn drops_the_given_share_anew_at_each_step_and_rests_in_evaluation() {
    let (first, second) = (Mode::Train { step: 0 }, Mode::Train { step: 1 });
    let y = ones(dropout(Unit::Value, 0.3), &[100, 100], first);
    let dropped = y.iter().filter(|v| **v == 0.0).count();
    assert!((2800..3200).contains(&dropped), "{dropped}");
    assert!(y.iter().all(|v| *v == 0.0 || (*v - 1.0 / 0.7).abs() < 1e-6));
    assert_ne!(y, ones(dropout(Unit::Value, 0.3), &[100, 100], second));
    let rows = ones(dropout(Unit::Sample, 0.5), &[400, 5], first);
    assert!(rows.chunks(5).all(|row| row.iter().all(|v| *v == row[0])));
    let dropped = rows.chunks(5).filter(|row| row[0] == 0.0).count();
    assert!((150..250).contains(&dropped), "{dropped}");
    assert!(ones(dropout(Unit::Value, 0.3), &[9], Mode::Evaluate { running: &[] }).iter().all(|v| *v == 1.0));
}
