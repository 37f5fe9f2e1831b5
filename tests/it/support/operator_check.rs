//! One check for every operator: gradients of the f64 reference against finite differences, the f32 path against the
//! reference, sinks that add or are absent, and the same bits for any number of threads.

use crate::support::formula::draw;
use nasperf_pipe::ops::operator::{Kernel, Mode, Operator, Real, Saved, Sink, View};
use std::sync::Arc;

pub struct Case {
    pub op: Arc<dyn Operator>,
    pub inputs: Vec<(Vec<usize>, Vec<f64>)>,
    /// Largest difference of the f32 path, relative to the array's largest value.
    pub tolerance: f64,
    /// Step of the finite differences; 0 leaves them out (non-smooth at the given inputs).
    pub step: f64,
}

impl Case {
    /// Inputs of these dimensions from the formula, in −2..2.
    pub fn new(op: Arc<dyn Operator>, dims: &[&[usize]]) -> Case {
        let input = |(stream, dims): (usize, &&[usize])| {
            let values = draw(stream as u64, dims.iter().product());
            (dims.to_vec(), values.into_iter().map(|v| 4.0 * v).collect())
        };
        Case { op, inputs: dims.iter().enumerate().map(input).collect(), tolerance: 2e-6, step: 1e-5 }
    }
}

/// Output, statistics, and one gradient per input.
pub struct Results<T> {
    pub output: Vec<T>,
    pub statistics: Vec<T>,
    pub gradients: Vec<Vec<T>>,
}

/// Forward and backward in training, step 3, with the upstream gradient `draw(77, …)`.
pub fn run<T: Real>(case: &Case) -> Results<T>
where
    dyn Operator: Kernel<T>,
{
    let dims: Vec<&[usize]> = case.inputs.iter().map(|(d, _)| d.as_slice()).collect();
    let size: usize = case.op.output(&dims).unwrap().iter().product();
    let inputs: Vec<Vec<T>> = case.inputs.iter().map(|(_, v)| v.iter().map(|v| T::of(*v)).collect()).collect();
    let views: Vec<View<'_, T>> = inputs.iter().zip(&dims).map(|(values, dims)| View { values, dims }).collect();
    let op: &dyn Operator = &*case.op;
    let (mut output, mut saved) = (vec![T::nan(); size], Saved::default());
    Kernel::<T>::forward(op, &views, Mode::Train { step: 3 }, &mut output, &mut saved);
    assert_eq!(saved.statistics.len(), op.statistics(&dims), "{op:?}: number of statistics");
    let upstream: Vec<T> = draw(77, size).into_iter().map(T::of).collect();
    let mut gradients: Vec<Vec<T>> = inputs.iter().map(|v| vec![T::nan(); v.len()]).collect();
    // only what the operator says that it reads
    let reads = op.reads();
    let kept: Vec<View<'_, T>> = views
        .iter()
        .zip(reads.inputs)
        .map(|(view, read)| View { values: if *read { view.values } else { &[] }, dims: view.dims })
        .collect();
    let seen: &[T] = if reads.output { &output } else { &[] };
    let mut sinks: Vec<Option<Sink<'_, T>>> =
        gradients.iter_mut().map(|values| Some(Sink { values, add: false })).collect();
    Kernel::<T>::backward(op, &kept, seen, &saved, &upstream, &mut sinks);
    // added to what is there, and one at a time
    for (asked, first) in gradients.iter().enumerate() {
        let mut added = vec![T::of(0.5); first.len()];
        let mut sinks: Vec<Option<Sink<'_, T>>> = gradients.iter().map(|_| None).collect();
        sinks[asked] = Some(Sink { values: &mut added, add: true });
        Kernel::<T>::backward(op, &kept, seen, &saved, &upstream, &mut sinks);
        let scale = first.iter().fold(1.0, |m: f64, v| m.max(v.double().abs()));
        for (a, f) in added.iter().zip(first) {
            let difference = (a.double() - 0.5 - f.double()).abs();
            assert!(difference <= 3e-6 * scale, "{op:?}: input {asked}: alone and added {a:?}, else {f:?}");
        }
    }
    Results { output, statistics: saved.statistics, gradients }
}

fn close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let difference = (f64::from(*f) - e).abs();
        assert!(difference <= tolerance * scale, "{what}[{i}]: {f} instead of {e} (largest {scale})");
    }
}

/// Sum of output times upstream gradient, in f64.
fn loss(case: &Case) -> f64 {
    let dims: Vec<&[usize]> = case.inputs.iter().map(|(d, _)| d.as_slice()).collect();
    let views: Vec<View<'_, f64>> = case.inputs.iter().map(|(dims, values)| View { values, dims }).collect();
    let size: usize = case.op.output(&dims).unwrap().iter().product();
    let mut out = vec![0.0; size];
    Kernel::<f64>::forward(&*case.op, &views, Mode::Train { step: 3 }, &mut out, &mut Saved::default());
    out.iter().zip(draw(77, size)).map(|(a, b)| a * b).sum()
}

pub fn check(mut case: Case) {
    let name = format!("{:?} of {:?}", case.op, case.inputs.iter().map(|(d, _)| d).collect::<Vec<_>>());
    let reference = run::<f64>(&case);
    let threads = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
    let fast = threads(1).install(|| run::<f32>(&case));
    close(&format!("{name}: output"), &fast.output, &reference.output, case.tolerance);
    close(&format!("{name}: statistics"), &fast.statistics, &reference.statistics, case.tolerance);
    for (input, (f, r)) in fast.gradients.iter().zip(&reference.gradients).enumerate() {
        close(&format!("{name}: gradient {input}"), f, r, case.tolerance);
    }
    for n in [2, 3] {
        let other = threads(n).install(|| run::<f32>(&case));
        let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&other.output), bits(&fast.output), "{name}: output on {n} threads");
        for (input, (a, b)) in other.gradients.iter().zip(&fast.gradients).enumerate() {
            assert_eq!(bits(a), bits(b), "{name}: gradient {input} on {n} threads");
        }
    }
    if case.step == 0.0 {
        return;
    }
    for input in 0..case.inputs.len() {
        let n = case.inputs[input].1.len();
        let scale = reference.gradients[input].iter().fold(1e-3, |m: f64, v| m.max(v.abs()));
        for at in (0..n).step_by((n / 40).max(1)) {
            let value = case.inputs[input].1[at];
            case.inputs[input].1[at] = value + case.step;
            let above = loss(&case);
            case.inputs[input].1[at] = value - case.step;
            let numeric = (above - loss(&case)) / (2.0 * case.step);
            case.inputs[input].1[at] = value;
            let found = reference.gradients[input][at];
            let allowed = 1e-6 * scale.max(numeric.abs());
            assert!(
                (found - numeric).abs() <= allowed,
                "{name}: d input {input}[{at}] is {found}, by differences {numeric}"
            );
        }
    }
}
