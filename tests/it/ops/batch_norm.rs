//! Batch normalisation: all forms in training, evaluation, and what a large mean, a large plane or an odd value does.

use crate::support::formula::draw;
use crate::support::operator_check::{Case, check};
use candle_core::{DType, Device, Tensor, Var};
use nasperf_pipe::ops::apply::{Pass, apply};
use nasperf_pipe::ops::batch_norm::BatchNorm;
use nasperf_pipe::ops::operator::{Definition, Kernel, Mode, Operator, Real, Saved, Sink, View};
use std::sync::Arc;

const PLAIN: BatchNorm = BatchNorm { affine: false, relu: false, residual: false, eps: 1e-5 };

fn forms() -> Vec<BatchNorm> {
    let bits = |i: usize| BatchNorm { affine: i & 1 > 0, relu: i & 2 > 0, residual: i & 4 > 0, eps: 1e-5 };
    (0..8).map(bits).collect()
}

fn dims(op: &BatchNorm, x: &[usize]) -> Vec<Vec<usize>> {
    let mut dims = vec![x.to_vec()];
    if op.affine {
        dims.extend([vec![x[1]], vec![x[1]]]);
    }
    if op.residual {
        dims.push(x.to_vec());
    }
    dims
}

#[test]
fn agrees_with_its_reference_and_with_differences() {
    for op in forms() {
        for x in [&[2usize, 3, 5, 7][..], &[1, 1, 1, 5], &[6, 4], &[3, 2, 11], &[1, 2, 9, 16]] {
            let dims = dims(&op, x);
            check(Case::new(Arc::new(op), &dims.iter().map(Vec::as_slice).collect::<Vec<_>>()));
        }
    }
}

#[test]
fn agrees_where_planes_and_batches_span_many_tasks() {
    for op in forms() {
        for x in [&[2usize, 3, 100, 101][..], &[40, 33, 6, 7], &[2, 3, 40_000]] {
            let dims = dims(&op, x);
            let case = Case::new(Arc::new(op), &dims.iter().map(Vec::as_slice).collect::<Vec<_>>());
            check(Case { step: 0.0, ..case });
        }
    }
}

/// Output and gradients of x, scale, shift while evaluating, with mean 0.3 + c/4 and variance 0.5 + c for channel c.
fn evaluated<T: Real>(op: &BatchNorm, dims: &[usize], x: &[f64]) -> Vec<Vec<f64>>
where
    BatchNorm: Kernel<T>,
{
    let of = |values: &[f64]| values.iter().map(|v| T::of(*v)).collect::<Vec<T>>();
    let (channels, size) = (dims[1], x.len());
    let (x, gamma, beta) = (of(x), of(&draw(5, channels)), of(&draw(6, channels)));
    let running: Vec<f64> = (0..2 * channels)
        .map(|i| if i < channels { 0.3 + i as f64 / 4.0 } else { 0.5 + (i - channels) as f64 })
        .collect();
    let c = [channels];
    let views =
        [View { values: &x, dims }, View { values: &gamma, dims: &c[..] }, View { values: &beta, dims: &c[..] }];
    let (mut out, mut saved) = (vec![T::nan(); size], Saved::default());
    op.forward(&views, Mode::Evaluate { running: &of(&running) }, &mut out, &mut saved);
    assert!(saved.statistics.is_empty());
    let mut gradients = [vec![T::nan(); size], vec![T::nan(); channels], vec![T::nan(); channels]];
    let mut sinks: Vec<Option<Sink<'_, T>>> =
        gradients.iter_mut().map(|values| Some(Sink { values, add: false })).collect();
    op.backward(&views, &[], &saved, &of(&draw(77, size)), &mut sinks);
    std::iter::once(&out).chain(&gradients).map(|v| v.iter().map(|v| v.double()).collect()).collect()
}

#[test]
fn evaluation_agrees_with_its_reference() {
    for relu in [false, true] {
        let op = BatchNorm { affine: true, relu, residual: false, eps: 1e-3 };
        let dims = [3, 5, 7, 9];
        let x: Vec<f64> = draw(1, 945).into_iter().map(|v| 4.0 * v).collect();
        let (fast, reference) = (evaluated::<f32>(&op, &dims, &x), evaluated::<f64>(&op, &dims, &x));
        for (f, r) in fast.iter().zip(&reference) {
            let scale = r.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
            assert!(f.iter().zip(r).all(|(f, r)| (f - r).abs() <= 2e-6 * scale));
        }
        // the gradient of x by hand: no way through statistics
        let g = draw(77, 945);
        for (at, d) in reference[1].iter().enumerate() {
            let c = at / 63 % 5;
            let open = !relu || reference[0][at] > 0.0;
            let expected = if open { g[at] * draw(5, 5)[c] / (0.5 + c as f64 + 1e-3).sqrt() } else { 0.0 };
            assert!((d - expected).abs() < 1e-12);
        }
    }
}

#[test]
fn evaluation_uses_the_given_statistics() {
    let x = Tensor::new(&[[1f32, 10.0], [3.0, 20.0]], &Device::Cpu).unwrap();
    let gamma = Tensor::new(&[2f32, 1.0], &Device::Cpu).unwrap();
    let beta = Tensor::new(&[0.5f32, 0.0], &Device::Cpu).unwrap();
    let op: Arc<dyn Operator> = Arc::new(BatchNorm { affine: true, eps: 0.0, ..PLAIN });
    let evaluate = |x: &Tensor| {
        let pass = Pass::Evaluate { running: vec![1.0, 10.0, 4.0, 100.0] };
        apply(&op, &[x, &gamma, &beta], pass).unwrap().0.to_vec2::<f32>().unwrap()
    };
    assert_eq!(evaluate(&x), [[0.5, 0.0], [2.5, 1.0]]);
    assert_eq!(evaluate(&x.narrow(0, 1, 1).unwrap()), [[2.5, 1.0]]);
}

#[test]
fn a_large_mean_does_not_swallow_the_variance() {
    let x: Vec<f32> = (0..64).map(|i| 1e4 + (i % 2) as f32).collect();
    let x = Tensor::from_vec(x, (8, 1, 8), &Device::Cpu).unwrap();
    let op: Arc<dyn Operator> = Arc::new(BatchNorm { eps: 0.0, ..PLAIN });
    let (y, statistics) = apply(&op, &[&x], Pass::Train { step: 0 }).unwrap();
    assert_eq!(statistics[0], 10000.5);
    assert!(y.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().all(|v| (v.abs() - 1.0).abs() < 1e-6));
}

/// Images whose levels lie far apart, and a mean that f32 cannot hold: sums about one fixed value would lose digits.
#[test]
fn planes_of_very_different_levels_keep_their_digits() {
    let (n, plane) = (6, 1000);
    let level = |i: usize| [0.0, 3e3, -2e3, 1e3 + 1.0 / 3.0, 7.0, 0.1][i];
    let values: Vec<f64> = draw(1, n * plane).into_iter().enumerate().map(|(i, v)| v + level(i / plane)).collect();
    let values: Vec<f64> = values.into_iter().map(|v| f64::from(v as f32)).collect();
    let mut case = Case::new(Arc::new(PLAIN), &[&[n, 1, plane]]);
    case.inputs[0].1 = values.clone();
    check(Case { step: 0.0, ..case });
    // and a constant shift changes nothing that f32 could still tell
    let mut case = Case::new(Arc::new(PLAIN), &[&[n, 1, plane]]);
    case.inputs[0].1 = draw(1, n * plane).into_iter().map(|v| f64::from((v + 4096.125) as f32)).collect();
    check(Case { step: 0.0, ..case });
}

#[test]
fn one_odd_value_spoils_its_channel_only() {
    let mut values: Vec<f32> = draw(1, 3 * 2 * 9).into_iter().map(|v| v as f32).collect();
    for odd in [f32::NAN, f32::INFINITY] {
        values[9 + 8] = odd;
        let x = Tensor::from_vec(values.clone(), (3, 2, 9), &Device::Cpu).unwrap();
        let op: Arc<dyn Operator> = Arc::new(BatchNorm { relu: true, ..PLAIN });
        let y = apply(&op, &[&x], Pass::Train { step: 0 }).unwrap().0.to_vec3::<f32>().unwrap();
        assert!(y.iter().all(|image| image[0].iter().all(|v| v.is_finite())));
        assert!(y.iter().all(|image| image[1].iter().all(|v| v.is_nan())), "as in PyTorch");
    }
}

#[test]
fn strided_inputs_are_read_by_their_strides() {
    let x = Tensor::new(&[[1f32, 10.0, 5.0], [3.0, 20.0, 5.5]], &Device::Cpu).unwrap();
    let op: Arc<dyn Operator> = Arc::new(BatchNorm { eps: 0.0, ..PLAIN });
    let (y, statistics) = apply(&op, &[&x.t().unwrap()], Pass::Train { step: 0 }).unwrap();
    let (z, same) = apply(&op, &[&x.t().unwrap().contiguous().unwrap()], Pass::Train { step: 0 }).unwrap();
    assert_eq!(y.to_vec2::<f32>().unwrap(), z.to_vec2::<f32>().unwrap());
    assert_eq!(statistics, same);
    assert!((statistics[0] - 16.0 / 3.0).abs() < 1e-6 && (statistics[1] - 28.5 / 3.0).abs() < 1e-6);
}

#[test]
fn gradients_reach_all_inputs_through_candles_graph() {
    let x = Var::from_vec(draw(1, 24), (2, 3, 4), &Device::Cpu).unwrap();
    let gamma = Var::ones(3, DType::F64, &Device::Cpu).unwrap();
    let op: Arc<dyn Operator> = Arc::new(BatchNorm { affine: true, ..PLAIN });
    let beta = Var::zeros(3, DType::F64, &Device::Cpu).unwrap();
    let y = apply(&op, &[&x, &gamma, &beta], Pass::Train { step: 0 }).unwrap().0;
    let gradients = y.sum_all().unwrap().backward().unwrap();
    let of = |v: &Var| gradients.get(v).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
    assert!(of(&x).iter().all(|v| v.abs() < 1e-12), "a sum of normalised values does not move");
    assert_eq!(of(&beta), [8.0; 3]);
    assert!(of(&gamma).iter().all(|v| v.abs() < 1e-12));
}

#[test]
fn wrong_dimensions_are_named() {
    let op = BatchNorm { affine: true, residual: true, ..PLAIN };
    let error = |dims: &[&[usize]]| op.output(dims).unwrap_err();
    assert!(error(&[&[2, 3]]).contains("4 inputs were expected, found 1"));
    assert!(error(&[&[2, 3], &[3], &[4], &[2, 3]]).contains("3 values were expected, found [3] and [4]"));
    assert!(error(&[&[2, 3], &[3], &[3], &[2, 4]]).contains("[2, 3] was expected, found [2, 4]"));
    assert!(error(&[&[2], &[3], &[3], &[2]]).contains("(N,C,…)"));
    let one = PLAIN.trains(&[&[1, 3, 1, 1]]).unwrap_err();
    assert!(one.contains("more than one value per channel"), "PyTorch refuses it too: {one}");
    assert!(PLAIN.trains(&[&[1, 3, 1, 2]]).is_ok());
}
