//! Means of planes on a device: `kernels/global_pool.cu`.

use crate::ops::global_pool::GlobalPool;
use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::Planner;
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target, Twin};

pub struct OnDevice<'a>(pub &'a GlobalPool);

impl Twin for OnDevice<'_> {
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, _pass: Pass) -> Kept {
        let (h, w, rows, columns) = self.0.sizes(inputs[0].dims);
        let call = planner.each("global_pool_fwd_f32", 32 * output.length).read(inputs[0].at()).write(output);
        call.ints([output.length, h, w, rows, columns]).run();
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
        let (h, w, rows, columns) = self.0.sizes(inputs[0].dims);
        let call = planner.each("global_pool_bwd_f32", span.length).read(gradient).sink(span, add);
        call.ints([h, w, rows, columns, span.length]).run();
    }
}
