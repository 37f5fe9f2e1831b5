//! Some neighbouring channels on a device: `kernels/narrow.cu`.

use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::Planner;
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target, Twin};
use crate::ops::narrow::Narrow;

pub struct OnDevice<'a>(pub &'a Narrow);

impl OnDevice<'_> {
    /// Channels of the input, the first of the output, how many, values of a plane.
    fn sizes(&self, dims: &[usize]) -> [usize; 4] {
        [dims[1], self.0.start, self.0.count, dims[2..].iter().product()]
    }
}

impl Twin for OnDevice<'_> {
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, _pass: Pass) -> Kept {
        let call = planner.each("narrow_fwd_f32", output.length).read(inputs[0].at()).write(output);
        let call = call.ints(self.sizes(inputs[0].dims)).int(output.length);
        call.moves(output.length, output.length).run();
        Kept::default()
    }

    fn backward(
        &self,
        planner: &mut Planner,
        inputs: &[Given<'_>],
        _left: Left<'_>,
        gradient: Span,
        sinks: &[Option<Target>],
    ) {
        let Some(Target { span, add }) = sinks[0] else { return };
        let call = planner.each("narrow_bwd_f32", span.length).read(gradient).sink(span, add);
        call.ints(self.sizes(inputs[0].dims)).int(span.length).run();
    }
}
