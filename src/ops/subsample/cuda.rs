//! Every second position on a device: `kernels/subsample.cu`.

use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::Planner;
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target, Twin};
use crate::ops::subsample::{Subsample, axis};

pub struct OnDevice<'a>(pub &'a Subsample);

impl OnDevice<'_> {
    /// Height, width, those of the output, strides, first positions.
    fn sizes(&self, dims: &[usize]) -> [usize; 8] {
        let (h, w) = (dims[2], dims[3]);
        let ((sy, oy), (sx, ox)) = (axis(h, self.0.offset), axis(w, self.0.offset));
        [h, w, h.div_ceil(sy), w.div_ceil(sx), sy, sx, oy, ox]
    }
}

impl Twin for OnDevice<'_> {
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, _pass: Pass) -> Kept {
        let call = planner.each("subsample_fwd_f32", output.length).read(inputs[0].at()).write(output);
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
        let call = planner.each("subsample_bwd_f32", span.length).read(gradient).sink(span, add);
        call.ints(self.sizes(inputs[0].dims)).int(span.length).run();
    }
}
