//! Convolution in the frequencies.

use crate::support::operator_check::{Case, check};
use nasperf_pipe::ops::operator::{Definition, Kernel, Mode, Saved, View};
use nasperf_pipe::ops::spectral::Spectral;
use std::f64::consts::TAU;
use std::sync::Arc;

#[test]
fn agrees_with_its_reference_and_with_differences() {
    for stride in [1, 2] {
        for (x, weights) in [
            ([2usize, 3, 6, 8], [3usize, 2, 4, 2, 2]),
            ([1, 2, 5, 3], [2, 3, 6, 3, 2]),
            ([2, 2, 1, 9], [2, 2, 1, 3, 2]),
            ([1, 1, 1, 1], [1, 2, 4, 2, 2]),
        ] {
            check(Case::new(Arc::new(Spectral { stride }), &[&x, &weights]));
        }
    }
}

#[test]
fn a_wave_that_is_kept_comes_back_and_one_beyond_is_gone() {
    let run = |frequency: f64| {
        let x: Vec<f64> = (0..16).map(|at| (TAU * frequency * f64::from(at) / 16.0).cos()).collect();
        // one matrix of 1 for all three frequencies
        let weights = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0];
        let views = [View { values: &x, dims: &[1, 1, 1, 16] }, View { values: &weights, dims: &[1, 1, 1, 3, 2] }];
        let mut out = vec![f64::NAN; 16];
        Spectral { stride: 1 }.forward(&views, Mode::Train { step: 0 }, &mut out, &mut Saved::default());
        (x, out)
    };
    let (x, out) = run(2.0);
    assert!(x.iter().zip(&out).all(|(x, y)| (x - y).abs() < 1e-12), "{out:?}");
    assert!(run(3.0).1.iter().all(|y| y.abs() < 1e-12));
}

#[test]
fn what_does_not_fit_is_refused() {
    let spectral = Spectral { stride: 2 };
    assert_eq!(spectral.output(&[&[2, 3, 7, 4], &[3, 5, 4, 2, 2]]), Ok(vec![2, 5, 4, 2]));
    assert_eq!(spectral.output(&[&[2, 3, 1, 7], &[3, 5, 1, 2, 2]]), Ok(vec![2, 5, 1, 4]));
    for wrong in [[2usize, 5, 4, 2, 2], [3, 5, 1, 2, 2], [3, 5, 4, 2, 1], [3, 5, 3, 2, 2], [3, 0, 4, 2, 2]] {
        assert!(spectral.output(&[&[2, 3, 7, 4], &wrong]).is_err(), "{wrong:?}");
    }
}
