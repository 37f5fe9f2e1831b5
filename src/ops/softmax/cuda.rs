//! Softmax of rows on a device: `kernels/softmax.cu`.

use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::Planner;
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target, Twin};
use crate::ops::softmax::Softmax;

pub struct OnDevice<'a>(pub &'a Softmax);

impl Twin for OnDevice<'_> {
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, _pass: Pass) -> Kept {
        let k = *inputs[0].dims.last().expect("dimensions were checked");
        let rows = output.length / k;
        let call = planner.each("softmax_fwd_f32", 32 * rows).read(inputs[0].at()).write(output);
        call.read_if(None).ints([k, rows]).run();
        Kept::default()
    }

    fn backward(
        &self,
        planner: &mut Planner,
        inputs: &[Given<'_>],
        left: Left<'_>,
        gradient: Span,
        sinks: &[Option<Target>],
    ) {
        let Some(Target { span, add }) = sinks[0] else { return };
        let (output, k) = (left.output.expect("values that `reads` names"), *inputs[0].dims.last().expect("checked"));
        let rows = span.length / k;
        let call = planner.each("softmax_bwd_f32", 32 * rows).read(output).read(gradient).sink(span, add);
        call.read_if(None).ints([k, rows]).run();
    }
}
