//! One check for every operator with kernels: forward and backward under the shim, in several orders of threads, against the f64
//! reference.

use super::executor::{Memory, executor};
use super::shim::Order;
use crate::support::formula::draw;
use crate::support::operator_check::{Case, run};
use nasperf_pipe::ops::launch::plan::{Plan, Span};
use nasperf_pipe::ops::launch::planner::{Numerics, Planner};
use nasperf_pipe::ops::launch::table::twin;
use nasperf_pipe::ops::launch::twin::{Given, Left, Pass, Target};
use nasperf_pipe::ops::operator::{Kernel, Mode, Saved, View};

/// The optimiser step of `operator_check::run`.
const STEP: u32 = 3;

/// A plan of one operator, forward and backward, and where its values lie.
struct Planned {
    plan: Plan,
    inputs: Vec<Span>,
    step: Span,
    output: Span,
    statistics: Span,
    upstream: Span,
    sinks: Vec<Span>,
}

fn dims(case: &Case) -> Vec<&[usize]> {
    case.inputs.iter().map(|(d, _)| d.as_slice()).collect()
}

fn planned(case: &Case, add: bool, numerics: Numerics) -> Planned {
    let (twin, dims) = (twin(&*case.op).unwrap(), dims(case));
    let size: usize = case.op.output(&dims).unwrap().iter().product();
    let mut planner = Planner::new(numerics);
    let of = |planner: &mut Planner, name: &'static str| -> Vec<Span> {
        dims.iter().map(|d| planner.outside(name, d.iter().product())).collect()
    };
    let (inputs, sinks) = (of(&mut planner, "input"), of(&mut planner, "gradient"));
    let (step, output) = (planner.outside("step", 1), planner.outside("output", size));
    let statistics = planner.outside("statistics", case.op.statistics(&dims));
    let upstream = planner.outside("upstream", size);
    let given: Vec<Given<'_>> = inputs.iter().zip(&dims).map(|(s, dims)| Given { span: Some(*s), dims }).collect();
    let kept = twin.forward(&mut planner, &given, output, Pass::Train { step, statistics });
    // only what the operator says that it reads
    let reads = case.op.reads();
    let seen = |(g, reads): (&Given<'_>, &bool)| reads.then_some(g.span).flatten();
    let spans: Vec<Option<Span>> = given.iter().zip(reads.inputs).map(seen).collect();
    let given: Vec<Given<'_>> = spans.into_iter().zip(&dims).map(|(span, dims)| Given { span, dims }).collect();
    let targets: Vec<Option<Target>> = sinks.iter().map(|span| Some(Target { span: *span, add })).collect();
    let left = Left { output: reads.output.then_some(output), kept: &kept, step };
    twin.backward(&mut planner, &given, left, upstream, &targets);
    // nobody asks: nothing is written
    let nobody: Vec<Option<Target>> = vec![None; sinks.len()];
    twin.backward(&mut planner, &given, left, upstream, &nobody);
    kept.give(&mut planner);
    Planned { plan: planner.finish().unwrap(), inputs, step, output, statistics, upstream, sinks }
}

fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|v| *v as f32).collect()
}

fn close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let difference = (f64::from(*f) - e).abs();
        assert!(difference <= tolerance * (scale + e.abs()), "{what}[{i}]: {f} instead of {e} (largest {scale})");
    }
}

/// What a run leaves: output, statistics, gradients.
fn outcome(planned: &Planned, case: &Case, before: Option<&[Vec<f32>]>, order: Order) -> Option<Vec<Vec<f32>>> {
    let mut memory = Memory::new(executor()?, &planned.plan);
    for (span, (_, values)) in planned.inputs.iter().zip(&case.inputs) {
        memory.write(*span, &single(values));
    }
    memory.write_words(planned.step, &[STEP]);
    memory.write(planned.upstream, &single(&draw(77, planned.upstream.length)));
    for (span, values) in planned.sinks.iter().zip(before.into_iter().flatten()) {
        memory.write(*span, values);
    }
    memory.run(order).unwrap_or_else(|error| panic!("{:?}, {order:?}: {error}", case.op));
    let spans = [planned.output, planned.statistics].into_iter().chain(planned.sinks.iter().copied());
    Some(spans.map(|span| memory.read(span)).collect())
}

/// Output, statistics and all gradients, and the same bits in every order of threads and blocks.
pub fn check(case: &Case) {
    check_in(case, Numerics::F32);
}

/// The same where products are computed otherwise.
pub fn check_in(case: &Case, numerics: Numerics) {
    let name = format!("{:?} of {:?}", case.op, dims(case));
    let reference = run::<f64>(case);
    let expected: Vec<&Vec<f64>> =
        [&reference.output, &reference.statistics].into_iter().chain(&reference.gradients).collect();
    let plan = planned(case, false, numerics);
    let mut first: Option<Vec<Vec<f32>>> = None;
    for order in [Order::Forward, Order::Backward, Order::Random(5)] {
        let Some(found) = outcome(&plan, case, None, order) else { return };
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            close(&format!("{name}, {order:?}: array {i}"), found, expected, case.tolerance);
        }
        let bits = |all: &[Vec<f32>]| all.iter().flatten().map(|v| v.to_bits()).collect::<Vec<_>>();
        let first = first.get_or_insert_with(|| found.clone());
        assert!(bits(first) == bits(&found), "{name}: other bits in order {order:?}");
    }
    // gradients that are added to what is there
    let before: Vec<Vec<f32>> = plan.sinks.iter().map(|s| single(&draw(78, s.length))).collect();
    let found = outcome(&planned(case, true, numerics), case, Some(&before), Order::Random(6)).expect("a shim");
    for (i, ((found, before), expected)) in found[2..].iter().zip(&before).zip(&reference.gradients).enumerate() {
        let sum: Vec<f64> = before.iter().zip(expected).map(|(b, e)| f64::from(*b) + e).collect();
        close(&format!("{name}: gradient {i}, added"), found, &sum, case.tolerance);
    }
    if !reference.statistics.is_empty() {
        evaluated(case, &reference.statistics);
    }
}

/// The forward pass by running statistics.
fn evaluated(case: &Case, running: &[f64]) {
    let dims = dims(case);
    let views: Vec<View<'_, f64>> = case.inputs.iter().map(|(dims, values)| View { values, dims }).collect();
    let mut expected = vec![0.0; case.op.output(&dims).unwrap().iter().product()];
    Kernel::<f64>::forward(&*case.op, &views, Mode::Evaluate { running }, &mut expected, &mut Saved::default());
    let mut planner = Planner::default();
    let inputs: Vec<Span> = dims.iter().map(|d| planner.outside("input", d.iter().product())).collect();
    let (output, span) = (planner.outside("output", expected.len()), planner.outside("running", running.len()));
    let given: Vec<Given<'_>> = inputs.iter().zip(&dims).map(|(s, dims)| Given { span: Some(*s), dims }).collect();
    let kept = twin(&*case.op).unwrap().forward(&mut planner, &given, output, Pass::Evaluate { running: span });
    kept.give(&mut planner);
    let plan = planner.finish().unwrap();
    let mut memory = Memory::new(executor().expect("an executor"), &plan);
    for (span, (_, values)) in inputs.iter().zip(&case.inputs) {
        memory.write(*span, &single(values));
    }
    memory.write(span, &single(running));
    memory.run(Order::Random(7)).unwrap_or_else(|error| panic!("{:?}, evaluated: {error}", case.op));
    close(&format!("{:?} of {dims:?}, evaluated", case.op), &memory.read(output), &expected, case.tolerance);
}
