//! Dropout of values and of samples: what is drawn, and when nothing is.

use crate::support::operator_check::{Case, check, run};
use candle_core::{DType, Device, Tensor};
use nasperf_pipe::ops::apply::{Pass, apply};
use nasperf_pipe::ops::dropout::{Dropout, Unit};
use nasperf_pipe::ops::operator::{Definition, Operator};
use nasperf_pipe::seed::Purpose;
use std::sync::Arc;

fn dropout(rate: f64) -> Dropout {
    Dropout::new(Unit::Value, rate, Purpose::new(0, "test", "dropout"))
}

fn drop_path(rate: f64) -> Dropout {
    Dropout::new(Unit::Sample, rate, Purpose::new(0, "test", "drop path"))
}

#[test]
fn both_agree_with_differences() {
    for dims in [&[1usize][..], &[3, 5, 7], &[2, 2, 91, 101]] {
        for rate in [0.0, 0.3] {
            check(Case::new(Arc::new(dropout(rate)), &[dims]));
            check(Case::new(Arc::new(drop_path(rate)), &[dims]));
        }
    }
}

fn of_ones(op: impl Operator + 'static, dims: &[usize], pass: Pass) -> Vec<f32> {
    let op: Arc<dyn Operator> = Arc::new(op);
    let x = Tensor::ones(dims, DType::F32, &Device::Cpu).unwrap();
    apply(&op, &[&x], pass).unwrap().0.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn the_given_share_is_dropped_and_the_rest_keeps_the_mean() {
    for (rate, count) in [(0.3f64, 100_000usize), (0.6, 40_000)] {
        let y = of_ones(dropout(rate), &[count], Pass::Train { step: 0 });
        let dropped = y.iter().filter(|v| **v == 0.0).count() as f64 / count as f64;
        assert!((dropped - rate).abs() < 5.0 * (0.25 / count as f64).sqrt(), "{dropped}");
        assert!(y.iter().all(|v| *v == 0.0 || (f64::from(*v) - 1.0 / (1.0 - rate)).abs() < 1e-6));
    }
    let y = of_ones(drop_path(0.2), &[5000, 3], Pass::Train { step: 0 });
    let dropped = y.chunks_exact(3).filter(|sample| **sample == [0.0; 3]).count();
    let kept = y.chunks_exact(3).filter(|sample| **sample == [1.25; 3]).count();
    assert!(dropped + kept == 5000 && (850..1150).contains(&dropped), "{dropped}");
}

#[test]
fn draws_differ_by_step_place_and_purpose_and_repeat() {
    let draw = |op, step| of_ones(op, &[40_000], Pass::Train { step });
    let first = draw(dropout(0.5), 7);
    assert_eq!(first, draw(dropout(0.5), 7));
    let other = Dropout::new(Unit::Value, 0.5, Purpose::new(0, "test", "another layer"));
    for values in [draw(dropout(0.5), 8), draw(other, 7)] {
        let same = first.iter().zip(&values).filter(|(a, b)| a == b).count();
        assert!((19_000..21_000).contains(&same), "{same} of 40000 alike");
    }
    // the second stream of a step is not the first again
    let same = first.iter().zip(&first[1 << 12..]).filter(|(a, b)| a == b).count();
    assert!((17_200..18_700).contains(&same), "{same} of {} alike", 40_000 - (1 << 12));
    let paths = |step| of_ones(drop_path(0.5), &[64, 1], Pass::Train { step });
    assert!(paths(1) == paths(1) && paths(1) != paths(2));
}

#[test]
fn single_and_double_precision_draw_the_same() {
    for op in [Arc::new(dropout(0.4)) as Arc<dyn Operator>, Arc::new(drop_path(0.4))] {
        let case = Case::new(op, &[&[50, 3, 11]]);
        let (single, double) = (run::<f32>(&case), run::<f64>(&case));
        assert!(single.output.iter().zip(&double.output).all(|(a, b)| (*a == 0.0) == (*b == 0.0)));
    }
}

#[test]
fn evaluation_and_rate_zero_change_nothing() {
    let evaluate = || Pass::Evaluate { running: Vec::new() };
    assert_eq!(of_ones(dropout(0.5), &[100], evaluate()), [1.0; 100]);
    assert_eq!(of_ones(drop_path(0.5), &[100], evaluate()), [1.0; 100]);
    assert_eq!(of_ones(dropout(0.0), &[100], Pass::Train { step: 1 }), [1.0; 100]);
    assert_eq!(of_ones(drop_path(0.0), &[100], Pass::Train { step: 1 }), [1.0; 100]);
}

#[test]
fn what_is_not_a_number_stays_so_and_strides_are_followed() {
    let x = Tensor::new(&[[f32::NAN, 1.0], [f32::INFINITY, 2.0]], &Device::Cpu).unwrap();
    for step in 0..8 {
        let op: Arc<dyn Operator> = Arc::new(dropout(0.5));
        let y = apply(&op, &[&x.t().unwrap()], Pass::Train { step }).unwrap().0.to_vec2::<f32>().unwrap();
        assert!(y[0][0].is_nan() && !y[0][1].is_finite(), "0·∞ is NaN, as in PyTorch");
        assert!([0.0, 2.0].contains(&y[1][0]) && [0.0, 4.0].contains(&y[1][1]));
    }
}

#[test]
fn scalars_are_refused() {
    assert!(dropout(0.1).output(&[&[]]).unwrap_err().contains("with dimensions"));
}

#[test]
#[should_panic(expected = "a rate in 0..1 was expected, found 1")]
fn a_rate_of_one_is_refused() {
    dropout(1.0);
}
