//! Kernels of losses and optimisers against their CPU twins.

use super::executor::{Memory, executor};
use super::shim::Order;
use crate::support::formula::draw;
use candle_core::{Device, Tensor, Var};
use nasperf_pipe::ops::launch::plan::Span;
use nasperf_pipe::ops::launch::planner::Planner;
use nasperf_pipe::ops::loss::Loss;
use nasperf_pipe::ops::loss::cuda::{Form, Targets, value_and_gradient};
use nasperf_pipe::ops::operator::{Kernel, Mode, Saved, Sink, View};
use nasperf_pipe::training::adam::{Adam, AdamParams};
use nasperf_pipe::training::launches::{AdamState, adapt, exponentiate};
use nasperf_pipe::training::{clip, exponentiated_gradient};
use std::sync::Arc;

fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|v| *v as f32).collect()
}

fn close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(*f) - e).abs() <= tolerance * scale, "{what}[{i}]: {f} instead of {e} (largest {scale})");
    }
}

/// The loss's value and gradient by z (`dims`, the formula times 8) against the f64 reference.
fn check(op: Loss, form: Form, dims: &[usize]) {
    let z: Vec<f64> = draw(3, dims.iter().product()).into_iter().map(|v| f64::from((8.0 * v) as f32)).collect();
    let (view, mut value, mut gradient) = ([View { values: &z, dims }], [0.0], vec![0.0; z.len()]);
    op.forward(&view, Mode::Train { step: 0 }, &mut value, &mut Saved::default());
    let mut sinks = [Some(Sink { values: &mut gradient, add: false })];
    op.backward(&view, &value, &Saved::default(), &[1.0], &mut sinks);
    let words = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
    let (targets, weights) = match &op {
        Loss::CrossEntropy { classes, .. } => (classes.to_vec(), None),
        Loss::WeightedBceWithLogits { targets, weights } => (words(targets), Some(words(weights))),
        Loss::BceWithLogits { targets } | Loss::MeanSquared { targets } | Loss::RelativeL2 { targets } => {
            (words(targets), None)
        }
    };
    let mut planner = Planner::default();
    let (at, values) = (planner.outside("z", z.len()), planner.outside("targets", targets.len()));
    let of_weights: Option<Span> = weights.as_ref().map(|w| planner.outside("weights", w.len()));
    let (loss, dz) = (planner.outside("loss", 1), planner.outside("dz", z.len()));
    value_and_gradient(&mut planner, form, (at, dims), Targets { values, weights: of_weights }, loss, dz);
    let plan = planner.finish().unwrap();
    for order in [Order::Forward, Order::Backward, Order::Random(3)] {
        let Some(executor) = executor() else { return };
        let mut memory = Memory::new(executor, &plan);
        memory.write(at, &single(&z));
        memory.write_words(values, &targets);
        if let (Some(span), Some(weights)) = (of_weights, &weights) {
            memory.write_words(span, weights);
        }
        memory.run(order).unwrap_or_else(|error| panic!("{form:?}: {error}"));
        close(&format!("{form:?} of {dims:?}: value"), &memory.read(loss), &value, 2e-6);
        close(&format!("{form:?} of {dims:?}: gradient"), &memory.read(dz), &gradient, 3e-6);
    }
}

#[test]
fn losses() {
    let floats = |n: usize, f: fn(f64) -> f64| Arc::new(single(&draw(9, n).into_iter().map(f).collect::<Vec<_>>()));
    let label = |v: f64| f64::from(u8::from(v > 0.0));
    for (rows, k) in [(5, 7), (11, 100), (1, 2)] {
        let classes = Arc::new((0..rows as u32).map(|i| i * 7 % k as u32).collect::<Vec<_>>());
        for smoothing in [0.0, 0.1] {
            let op = Loss::CrossEntropy { classes: classes.clone(), smoothing };
            check(op, Form::CrossEntropy { smoothing }, &[rows, k]);
        }
        let n = rows * k;
        check(Loss::BceWithLogits { targets: floats(n, label) }, Form::BceWithLogits, &[rows, k]);
        let weights = floats(n, |v| 1.0 + v);
        check(
            Loss::WeightedBceWithLogits { targets: floats(n, label), weights },
            Form::WeightedBceWithLogits,
            &[rows, k],
        );
        check(Loss::MeanSquared { targets: floats(n, |v| v) }, Form::MeanSquared, &[rows, k]);
        check(Loss::RelativeL2 { targets: floats(n, |v| 1.0 + v) }, Form::RelativeL2, &[rows, k]);
    }
    check(Loss::RelativeL2 { targets: floats(2 * 19 * 17, |v| 1.0 + v) }, Form::RelativeL2, &[2, 1, 19, 17]);
}

#[test]
fn adam_moves_as_on_the_cpu() {
    let params = AdamParams { betas: (0.5, 0.999), epsilon: 1e-8, weight_decay: 1e-3 };
    let n = 700;
    let theta = Var::from_vec(draw(1, n), n, &Device::Cpu).unwrap();
    let mut adam = Adam::new(params, &theta);
    let mut planner = Planner::default();
    let [values, gradient, first, second] =
        ["theta", "gradient", "first", "second"].map(|name| planner.outside(name, n));
    let now = planner.outside("now", 3);
    adapt(&mut planner, params, AdamState { values, first, second }, gradient, now);
    let plan = planner.finish().unwrap();
    let Some(executor) = executor() else { return };
    let mut memory = Memory::new(executor, &plan);
    memory.write(values, &single(&draw(1, n)));
    memory.write(first, &vec![0.0; n]);
    memory.write(second, &vec![0.0; n]);
    for step in 1..=3 {
        let g = draw(10 + step, n);
        adam.step(&theta, &Tensor::from_vec(g.clone(), n, &Device::Cpu).unwrap(), 6e-4, 0.5).unwrap();
        memory.write(gradient, &single(&g));
        let corrected = |beta: f64| 1.0 - beta.powi(step as i32);
        memory.write(now, &single(&[6e-4 / corrected(0.5), 0.5, corrected(0.999).sqrt()]));
        memory.run(Order::Random(step as u32)).unwrap();
        close(&format!("step {step}"), &memory.read(values), &theta.to_vec1().unwrap(), 1e-6);
    }
}

#[test]
fn exponentiated_gradients_keep_rows_apart() {
    let (starts, n) = (vec![0, 8, 16, 30, 100], 100);
    let mut expected: Vec<f64> = draw(1, n).into_iter().map(|v| 1.0 + v).collect();
    let g = draw(2, n);
    let mut planner = Planner::default();
    let (values, gradient, now) = (planner.outside("p", n), planner.outside("g", n), planner.outside("now", 1));
    exponentiate(&mut planner, values, gradient, now, starts.clone());
    let plan = planner.finish().unwrap();
    let Some(executor) = executor() else { return };
    let mut memory = Memory::new(executor, &plan);
    memory.write(values, &single(&expected));
    memory.write(gradient, &single(&g));
    memory.write(now, &[0.1]);
    memory.run(Order::Backward).unwrap();
    for row in starts.windows(2) {
        let row = row[0] as usize..row[1] as usize;
        exponentiated_gradient::step(&mut expected[row.clone()], &g[row.clone()], row.len(), 0.1);
    }
    close("p", &memory.read(values), &expected, 1e-6);
}

#[test]
fn clipping_scales_by_the_global_norm() {
    let n = 1500;
    let g = draw(4, n);
    let norm = g.iter().map(|v| v * v).sum::<f64>().sqrt();
    for limit in [norm / 3.0, norm * 2.0] {
        let mut planner = Planner::default();
        let (gradient, scale) = (planner.outside("g", n), planner.outside("scale", 1));
        nasperf_pipe::training::launches::clip(&mut planner, gradient, limit, scale);
        let plan = planner.finish().unwrap();
        let Some(executor) = executor() else { return };
        let mut memory = Memory::new(executor, &plan);
        memory.write(gradient, &single(&g));
        memory.run(Order::Random(1)).unwrap();
        close("scale", &memory.read(scale), &[clip::factor(norm, limit)], 1e-6);
    }
}
