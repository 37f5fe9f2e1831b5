//! A mixed cell on a device: `kernels/mixed_cell_fwd.cu`, `kernels/mixed_cell_bwd.cu`. One launch does what all edges that leave
//! the states of a round have in common, so that their number depends on nodes and not on edges or primitives.

mod backward;
mod forward;
mod layout;

use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::Planner;
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target, Twin};
use crate::ops::mixed_cell::MixedCell;
use crate::ops::mixed_cell::cuda::layout::Layout;

pub struct OnDevice<'a>(pub &'a MixedCell);

/// States from outside that the kernels have pointers for.
pub const MOST_INPUTS: usize = 2;

/// What forward and backward both work on.
struct Cell<'a> {
    layout: Layout<'a>,
    /// States from outside.
    inputs: Vec<Span>,
    theta: Span,
    output: Span,
}

impl Cell<'_> {
    /// The values of a state, from its first to the end of the array that they lie in.
    fn state(&self, s: usize) -> Span {
        match s.checked_sub(self.inputs.len()) {
            None => self.inputs[s],
            Some(node) => self.output.part(node * self.layout.node_size()..self.output.length),
        }
    }

    /// The values of a round's states, the second where there is one.
    fn states(&self, round: usize) -> (Span, Option<Span>) {
        let states = self.layout.states(round);
        (self.state(states.start), (states.len() == 2).then(|| self.state(states.start + 1)))
    }

    fn of<'a>(cell: &'a MixedCell, inputs: &[Given<'_>], output: Span) -> Cell<'a> {
        let dims: Vec<&[usize]> = inputs.iter().map(|given| given.dims).collect();
        let shape = cell.shape(&dims).expect("dimensions were checked");
        let (states, theta) = inputs.split_at(cell.inputs);
        let states: Vec<Span> = states.iter().map(Given::at).collect();
        Cell { layout: Layout::new(cell, shape), inputs: states, theta: theta[0].at(), output }
    }
}

/// Keeps all tensors before a norm, the norms, and where the maxima of each state's pool lie.
impl Twin for OnDevice<'_> {
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, pass: Pass) -> Kept {
        forward::run(planner, &Cell::of(self.0, inputs, output), pass)
    }

    fn backward(
        &self,
        planner: &mut Planner,
        inputs: &[Given<'_>],
        left: Left<'_>,
        gradient: Span,
        sinks: &[Option<Target>],
    ) {
        let output = left.output.expect("values that `reads` names");
        backward::run(planner, &Cell::of(self.0, inputs, output), left.kept, gradient, sinks);
    }
}
