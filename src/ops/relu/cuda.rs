//! ReLU on a device: `kernels/relu.cu`.

use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::Planner;
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target, Twin};
use crate::ops::relu::Relu;

pub struct OnDevice<'a>(pub &'a Relu);

impl Twin for OnDevice<'_> {
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, _pass: Pass) -> Kept {
        planner.each("relu_fwd_f32", output.length).read(inputs[0].at()).write(output).int(output.length).run();
        Kept::default()
    }

    fn backward(
        &self,
        planner: &mut Planner,
        _inputs: &[Given<'_>],
        left: Left<'_>,
        gradient: Span,
        sinks: &[Option<Target>],
    ) {
        let Some(Target { span, add }) = sinks[0] else { return };
        let output = left.output.expect("values that `reads` names");
        let call = planner.each("relu_bwd_f32", span.length).read(output).read(gradient);
        call.sink(span, add).int(span.length).run();
    }
}
