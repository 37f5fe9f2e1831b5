//! Steps of training and search as launches on a device: forward, loss, backward, update, running statistics, in one plan. What
//! changes from step to step is memory, so that the plan, or a graph captured from it, serves all of them. Knows no space, no schedule
//! and no device.

use crate::nn::launches::{backward, forward};
use crate::nn::parameters::Buffer;
use crate::nn::program::Program;
use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::{Planner, THREADS};
use crate::ops::launch::tile::SUM_WORDS;
use crate::ops::launch::twin::{Given, Pass, Target};
use crate::ops::loss::cuda::{Form, Targets, value_and_gradient};
use crate::ops::operator::Definition;
use crate::training::adam::AdamParams;
use crate::training::sgd::SgdParams;

/// Arrays of a network that outlive a step.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// All trained values.
    pub theta: Span,
    /// Architecture parameters, where the program takes them.
    pub architecture: Option<Span>,
    pub running: Span,
    /// What each step does to `running`, value by value (`momenta`).
    pub momenta: Span,
}

/// What the caller fills for each step, and reads after it.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// (N,C,H,W).
    pub x: Span,
    pub targets: Targets,
    /// The optimiser step, for dropout: one word.
    pub step: Span,
    /// The network's output and the loss.
    pub output: Span,
    pub loss: Span,
}

/// Which of a program's flat arrays gets its gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    Weights,
    Architecture,
}

/// The momentum of each running value.
pub fn momenta(buffers: &[Buffer]) -> Vec<f32> {
    buffers.iter().flat_map(|buffer| std::iter::repeat_n(buffer.momentum as f32, buffer.range.len())).collect()
}

/// Dimensions of the output for inputs (N,C,H,W).
///
/// Errors: they do not fit.
pub fn output_dims(program: &Program, x: &[usize], state: &State) -> Result<Vec<usize>, String> {
    let flat = [Some(state.theta), state.architecture].map(|span| span.map(|span| [span.length]));
    let flat: Vec<&[usize]> = flat.iter().flatten().map(|dims| &dims[..]).collect();
    program.output(&[&[x], &flat[..]].concat())
}

/// Everything that a program takes: activations, then flat arrays.
fn inputs<'a>(x: (Span, &'a [usize]), flat: &'a [(Span, [usize; 1])]) -> Vec<Given<'a>> {
    let flat = flat.iter().map(|(span, dims)| Given { span: Some(*span), dims });
    std::iter::once(Given { span: Some(x.0), dims: x.1 }).chain(flat).collect()
}

fn flat(state: &State) -> Vec<(Span, [usize; 1])> {
    [Some(state.theta), state.architecture].into_iter().flatten().map(|span| (span, [span.length])).collect()
}

/// A forward pass of `x` (N,C,H,W) by running statistics.
///
/// Errors: dimensions that do not fit, an operator without kernels.
pub fn evaluate(
    planner: &mut Planner,
    program: &Program,
    x: (Span, &[usize]),
    state: &State,
    output: Span,
) -> Result<(), String> {
    let flat = flat(state);
    forward(program, planner, &inputs(x, &flat), output, Pass::Evaluate { running: state.running }).map(drop)
}

/// Loss, gradient of one half, and moved running statistics. The gradient's memory is the caller's to give back.
///
/// Errors: dimensions that do not fit, an operator without kernels.
pub fn gradient(
    planner: &mut Planner,
    program: &Program,
    (x, form): (&[usize], Form),
    state: &State,
    batch: &Batch,
    half: Half,
) -> Result<Span, String> {
    let dims = output_dims(program, x, state)?;
    let flat = flat(state);
    let inputs = inputs((batch.x, x), &flat);
    let statistics = planner.take("statistics", state.running.length);
    let pass = Pass::Train { step: batch.step, statistics };
    let tape = forward(program, planner, &inputs, batch.output, pass)?;
    let upstream = planner.take("gradient of the output", batch.output.length);
    value_and_gradient(planner, form, (batch.output, &dims), batch.targets, batch.loss, upstream);
    let wanted = 1 + usize::from(half == Half::Architecture);
    let own = planner.take("gradient of parameters", inputs[wanted].size());
    let sinks: Vec<Option<Target>> =
        (0..inputs.len()).map(|i| (i == wanted).then_some(Target { span: own, add: false })).collect();
    backward(program, planner, &inputs, batch.step, tape, upstream, &sinks)?;
    planner.give(upstream);
    let n = state.running.length;
    if n > 0 {
        planner.each("running_f32", n).update(state.running).read(statistics).read(state.momenta).int(n).run();
    }
    planner.give(statistics);
    Ok(own)
}

/// The factor that brings the gradient's norm down to `limit`, one word.
pub fn clip(planner: &mut Planner, gradient: Span, limit: f64, scale: Span) {
    let blocks = gradient.length.div_ceil(THREADS);
    let parts = planner.take("squares", blocks);
    let call = planner.each("squares_f32", gradient.length).read(gradient).write(parts);
    call.int(gradient.length).shared(SUM_WORDS).run();
    // sums of doubles: two words each
    let call = planner.call("clip_f32", [1, 1, 1], THREADS).read(parts).write(scale);
    call.int(blocks).float(limit).shared(2 * SUM_WORDS).run();
    planner.give(parts);
}

/// One step of stochastic gradient descent on `theta`. `now`: rate, then the gradient's scale, which clipping to a global norm of
/// `limit` writes and else the caller.
pub fn descend(
    planner: &mut Planner,
    params: SgdParams,
    limit: Option<f64>,
    (theta, gradient, velocity): (Span, Span, Span),
    now: Span,
) {
    let n = theta.length;
    if let Some(limit) = limit {
        clip(planner, gradient, limit, now.part(1..2));
    }
    let call = planner.each("sgd_f32", n).update(theta).read(gradient).update(velocity).read(now);
    let call = call.float(params.momentum).float(params.weight_decay);
    call.int(usize::from(params.nesterov)).int(n).run();
}

/// What Adam moves: values, first and second moments.
#[derive(Clone, Copy, Debug)]
pub struct AdamState {
    pub values: Span,
    pub first: Span,
    pub second: Span,
}

/// One step of Adam. `now`: rate/(1 − β₁ᵗ), the gradient's scale, √(1 − β₂ᵗ).
pub fn adapt(planner: &mut Planner, params: AdamParams, state: AdamState, gradient: Span, now: Span) {
    let (AdamState { values, first, second }, n) = (state, gradient.length);
    let AdamParams { betas, epsilon, weight_decay } = params;
    let call = planner.each("adam_f32", n).update(values).read(gradient).update(first).update(second).read(now);
    call.float(betas.0).float(betas.1).float(epsilon).float(weight_decay).int(n).run();
}

/// One exponentiated-gradient step; `starts` lists where each row that sums to 1 begins, and the end. `now`: the rate.
pub fn exponentiate(planner: &mut Planner, values: Span, gradient: Span, now: Span, starts: Vec<u32>) {
    let rows = starts.len() - 1;
    let starts = planner.table(starts);
    let call = planner.each("exponentiated_gradient_f32", 32 * rows).update(values).read(gradient).read(now);
    call.read(starts).int(rows).run();
}
