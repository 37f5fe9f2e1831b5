//! What an operator's form for a device is: forward and backward that append launches to a plan. Knows no operator.

use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::Planner;

/// One input: where its values lie and its dimensions. In a backward pass the values are gone where the operator says that it
/// does not read them (`Definition::reads`).
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    pub span: Option<Span>,
    pub dims: &'a [usize],
}

impl Given<'_> {
    /// Where the values lie.
    ///
    /// Panics where they are gone: the operator reads what it said that it does not.
    pub fn at(&self) -> Span {
        self.span.expect("values that `reads` names")
    }

    /// Number of values.
    pub fn size(&self) -> usize {
        self.dims.iter().product()
    }
}

/// Where the gradient of one input goes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub span: Span,
    /// Add to what is there; else every value is replaced.
    pub add: bool,
}

/// How a forward pass is meant. What changes from step to step is read from memory, so that a plan stays valid.
#[derive(Clone, Copy, Debug)]
pub enum Pass {
    Train {
        /// The optimiser step that dropout draws for: one word.
        step: Span,
        /// Receives the operator's batch statistics.
        statistics: Span,
    },
    Evaluate {
        /// The running values of the operator's statistics.
        running: Span,
    },
}

/// What a forward pass leaves for the backward pass.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    pub spans: Vec<Span>,
    /// What the parts of an operator made of others left, in their order.
    pub nested: Vec<Kept>,
}

impl Kept {
    pub fn give(self, planner: &mut Planner) {
        self.spans.into_iter().for_each(|span| planner.give(span));
        self.nested.into_iter().for_each(|kept| kept.give(planner));
    }
}

/// What a backward pass may read besides its inputs.
#[derive(Clone, Copy, Debug)]
pub struct Left<'a> {
    /// Where the operator reads its output.
    pub output: Option<Span>,
    pub kept: &'a Kept,
    /// The step of the forward pass.
    pub step: Span,
}

/// An operator on a device. Gradients only follow a forward pass in training.
pub trait Twin {
    /// Writes every value of `output`.
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, pass: Pass) -> Kept;

    /// Adds to or replaces the gradients that are asked for: one per input. What was kept stays; the caller gives it back.
    fn backward(
        &self,
        planner: &mut Planner,
        inputs: &[Given<'_>],
        left: Left<'_>,
        gradient: Span,
        sinks: &[Option<Target>],
    );
}

/// The sink as parameters of a launch (`Call::sink_if`).
pub fn parameters(sink: &Option<Target>) -> Option<(Span, bool)> {
    sink.map(|target| (target.span, target.add))
}
