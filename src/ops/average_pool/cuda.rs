//! Means of windows on a device: `kernels/pools.cu`.

use crate::ops::average_pool::AveragePool;
use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::Planner;
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target, Twin};

pub struct OnDevice<'a>(pub &'a AveragePool);

impl OnDevice<'_> {
    /// Planes of input and output, kernel, stride, padding, whether padding counts.
    fn sizes(&self, dims: &[usize]) -> [usize; 11] {
        let (sizes, w) = (self.0.sizes(dims), self.0.window);
        let [[h, width], [oh, ow]] = [sizes.input, sizes.output];
        let ([kh, kw], [sy, sx], [py, px]) = (w.kernel, w.stride, w.padding);
        [h, width, oh, ow, kh, kw, sy, sx, py, px, usize::from(self.0.count_padding)]
    }
}

impl Twin for OnDevice<'_> {
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, _pass: Pass) -> Kept {
        let call = planner.each("average_pool_fwd_f32", output.length).read(inputs[0].at()).write(output);
        call.ints(self.sizes(inputs[0].dims)).int(output.length).run();
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
        let call = planner.each("average_pool_bwd_f32", span.length).read(gradient).sink(span, add);
        call.ints(self.sizes(inputs[0].dims)).int(span.length).run();
    }
}
