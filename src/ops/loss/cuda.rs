//! Losses on a device: `kernels/loss.cu`. Targets change from batch to batch, so they are memory that the caller fills, not a part of
//! the plan.

use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::{Planner, THREADS};
use crate::ops::launch::tile::SUM_WORDS;

/// A loss without its targets; see `Loss`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    CrossEntropy { smoothing: f64 },
    BceWithLogits,
    WeightedBceWithLogits,
    MeanSquared,
    RelativeL2,
}

/// What the caller fills for each batch: classes (N), or a target per value; a weight per value where the form has them.
#[derive(Clone, Copy, Debug)]
pub struct Targets {
    pub values: Span,
    pub weights: Option<Span>,
}

/// The value (one word) and the gradient by `z` of dimensions `dims`.
pub fn value_and_gradient(
    planner: &mut Planner,
    form: Form,
    (z, dims): (Span, &[usize]),
    targets: Targets,
    value: Span,
    gradient: Span,
) {
    let (rows, n) = (dims[0], z.length);
    let (kernel, blocks, parts, divisor) = match form {
        Form::CrossEntropy { .. } => ("cross_entropy_f32", (32 * rows).div_ceil(THREADS), rows, rows),
        Form::BceWithLogits | Form::WeightedBceWithLogits => {
            ("binary_cross_entropy_f32", n.div_ceil(THREADS), n.div_ceil(THREADS), n)
        }
        Form::MeanSquared => ("mean_squared_f32", n.div_ceil(THREADS), n.div_ceil(THREADS), n),
        Form::RelativeL2 => ("relative_l2_f32", rows, rows, 1),
    };
    let partial = planner.take("parts of the loss", parts);
    let call = planner.call(kernel, [blocks, 1, 1], THREADS).read(z).read(targets.values);
    let weighted = matches!(form, Form::BceWithLogits | Form::WeightedBceWithLogits);
    let call = if weighted { call.read_if(targets.weights) } else { call };
    let call = call.write(partial).write(gradient).shared(SUM_WORDS);
    match form {
        Form::CrossEntropy { smoothing } => call.ints([rows, n / rows]).float(smoothing).run(),
        Form::RelativeL2 => call.int(n / rows).run(),
        _ => call.int(n).run(),
    }
    let call = planner.call("loss_total_f32", [1, 1, 1], 32).read(partial).write(value);
    call.int(parts).float(divisor as f64).run();
    planner.give(partial);
}
