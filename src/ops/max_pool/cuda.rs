//! Largest values of windows on a device: `kernels/pools.cu`.

use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::Planner;
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target, Twin};
use crate::ops::max_pool::MaxPool;

pub struct OnDevice<'a>(pub &'a MaxPool);

impl OnDevice<'_> {
    /// Planes of input and output, kernel, stride, padding.
    fn sizes(&self, dims: &[usize]) -> [usize; 10] {
        let (sizes, w) = (self.0.sizes(dims), self.0.window);
        let [[h, width], [oh, ow]] = [sizes.input, sizes.output];
        let ([kh, kw], [sy, sx], [py, px]) = (w.kernel, w.stride, w.padding);
        [h, width, oh, ow, kh, kw, sy, sx, py, px]
    }
}

/// Keeps where in its plane each maximum lies.
impl Twin for OnDevice<'_> {
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, _pass: Pass) -> Kept {
        let places = planner.take("places of maxima", output.length);
        let call = planner.each("max_pool_fwd_f32", output.length).read(inputs[0].at()).write(output).write(places);
        call.ints(self.sizes(inputs[0].dims)).int(output.length).run();
        Kept { spans: vec![places], nested: Vec::new() }
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
        let call = planner.each("max_pool_bwd_f32", span.length).read(gradient).read(left.kept.spans[0]);
        call.sink(span, add).ints(self.sizes(inputs[0].dims)).int(span.length).run();
    }
}
