//! Sums on a device: `kernels/add.cu`.

use crate::ops::add::Add;
use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::Planner;
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target, Twin, parameters};

pub struct OnDevice<'a>(pub &'a Add);

/// Summands of a launch.
const TERMS: usize = 4;

impl Twin for OnDevice<'_> {
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, _pass: Pass) -> Kept {
        for (at, terms) in inputs[..self.0.terms].chunks(TERMS).enumerate() {
            let call = planner.each("add_fwd_f32", output.length);
            let call = (0..TERMS).fold(call, |call, i| call.read_if(terms.get(i).map(Given::at)));
            call.sink(output, at > 0).int(output.length).run();
        }
        Kept::default()
    }

    fn backward(
        &self,
        planner: &mut Planner,
        _inputs: &[Given<'_>],
        _left: Left<'_>,
        gradient: Span,
        sinks: &[Option<Target>],
    ) {
        let wanted: Vec<&Option<Target>> = sinks.iter().filter(|sink| sink.is_some()).collect();
        for sinks in wanted.chunks(TERMS) {
            let call = planner.each("add_bwd_f32", gradient.length).read(gradient);
            let call = (0..TERMS).fold(call, |call, i| call.sink_if(sinks.get(i).and_then(|sink| parameters(sink))));
            call.int(gradient.length).run();
        }
    }
}
