//! A program as launches on a device: what nobody reads again is given back, gradients that meet are added in place, as on the CPU.
//! Knows no optimiser and no device.

use crate::nn::program::{Program, Source, Step};
use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::Planner;
use crate::ops::launch::table::twin;
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target};
use crate::ops::operator::Operator;
use std::any::Any;

/// The program that an operator is.
///
/// Errors: it is another one.
pub fn program(op: &dyn Operator) -> Result<&Program, String> {
    let any: &dyn Any = op;
    any.downcast_ref().ok_or_else(|| format!("{}: a program was expected", op.name()))
}

/// What a forward pass in training leaves.
#[derive(Debug)]
pub struct Tape {
    dims: Vec<Vec<usize>>,
    /// Values that some backward pass reads; 0 is the input.
    values: Vec<Option<Span>>,
    kept: Vec<Kept>,
}

/// Where an input of a step lies and its dimensions.
fn given<'a>(source: &'a Source, inputs: &[Given<'a>], values: &[Option<Span>], dims: &'a [Vec<usize>]) -> Given<'a> {
    match source {
        Source::Value(0) => inputs[0],
        Source::Value(value) => Given { span: values[*value], dims: &dims[*value] },
        Source::Slice { input, range, dims } => Given { span: Some(inputs[*input].at().part(range.clone())), dims },
    }
}

fn all_given<'a>(
    step: &'a Step,
    inputs: &[Given<'a>],
    values: &[Option<Span>],
    dims: &'a [Vec<usize>],
) -> Vec<Given<'a>> {
    step.inputs.iter().map(|source| given(source, inputs, values, dims)).collect()
}

/// Appends a forward pass of inputs as the program takes them; `output` receives what the last step writes.
///
/// Errors: dimensions that do not fit, an operator without kernels.
pub fn forward(
    program: &Program,
    planner: &mut Planner,
    inputs: &[Given<'_>],
    output: Span,
    pass: Pass,
) -> Result<Tape, String> {
    let dims = program.dims(&inputs.iter().map(|g| g.dims).collect::<Vec<_>>())?;
    let mut values: Vec<Option<Span>> = vec![None; program.steps.len() + 1];
    let (mut kept, mut seen) = (Vec::new(), 0); // statistics handed out so far
    for (at, step) in program.steps.iter().enumerate() {
        let target = match at + 1 < program.steps.len() {
            true => planner.take(step.op.name(), dims[at + 1].iter().product()),
            false => output,
        };
        let of: Vec<&[usize]> = step.inputs.iter().map(|source| source.dims(&dims)).collect();
        let own = seen..seen + step.op.statistics(&of);
        seen = own.end;
        let own = match pass {
            Pass::Train { step, statistics } => Pass::Train { step, statistics: statistics.part(own) },
            Pass::Evaluate { running } => Pass::Evaluate { running: running.part(own) },
        };
        let left = twin(&*step.op)?.forward(planner, &all_given(step, inputs, &values, &dims), target, own);
        values[at + 1] = Some(target);
        let training = matches!(pass, Pass::Train { .. });
        match training {
            true => kept.push(left),
            false => left.give(planner),
        }
        for source in &step.inputs {
            if let Source::Value(value @ 1..) = source
                && program.last_read[*value] == at
                && !(training && program.kept[*value])
                && let Some(span) = values[*value].take()
            {
                planner.give(span);
            }
        }
    }
    Ok(Tape { dims, values, kept })
}

/// Appends the backward pass: gradients of the inputs that are asked for, from that of the output. What the forward pass left is
/// given back as it goes.
///
/// Errors: as `forward`.
pub fn backward(
    program: &Program,
    planner: &mut Planner,
    inputs: &[Given<'_>],
    step: Span,
    tape: Tape,
    gradient: Span,
    sinks: &[Option<Target>],
) -> Result<(), String> {
    let Tape { dims, mut values, kept } = tape;
    let wanted: Vec<bool> = sinks.iter().map(Option::is_some).collect();
    let asked = program.asked(&wanted);
    for Target { span, add } in sinks[1..].iter().flatten() {
        if !add {
            planner.each("fill_f32", span.length).write(*span).float(0.0).int(span.length).run();
        }
    }
    let mut gradients: Vec<Option<Span>> = vec![None; program.steps.len() + 1];
    let mut first = sinks[0]; // added to once it is written
    for ((at, own), kept) in program.steps.iter().enumerate().zip(kept).rev() {
        let last = at + 1 == program.steps.len();
        let upstream = gradients[at + 1].take();
        if let Some(upstream) = upstream.or(last.then_some(gradient)).filter(|_| asked[at + 1]) {
            let mut targets: Vec<Option<Target>> = Vec::with_capacity(own.inputs.len());
            for source in &own.inputs {
                targets.push(match source {
                    Source::Value(0) => first.as_mut().map(|target| {
                        let now = *target;
                        target.add = true;
                        now
                    }),
                    Source::Value(value) if asked[*value] => Some(match gradients[*value] {
                        Some(span) => Target { span, add: true },
                        None => {
                            let span = planner.take("gradient", dims[*value].iter().product());
                            gradients[*value] = Some(span);
                            Target { span, add: false }
                        }
                    }),
                    Source::Value(_) => None,
                    Source::Slice { input, range, .. } => {
                        sinks[*input].map(|target| Target { span: target.span.part(range.clone()), add: true })
                    }
                });
            }
            let left = Left { output: values[at + 1], kept: &kept, step };
            let seen = all_given(own, inputs, &values, &dims);
            twin(&*own.op)?.backward(planner, &seen, left, upstream, &targets);
        }
        kept.give(planner);
        upstream.into_iter().for_each(|span| planner.give(span));
        if let Some(span) = values[at + 1].take().filter(|_| !last) {
            planner.give(span);
        }
    }
    if let Some(Target { span, add: false }) = first {
        planner.each("fill_f32", span.length).write(span).float(0.0).int(span.length).run();
    }
    Ok(())
}
