//! Softmax of segments on a device: `kernels/softmax.cu`.

use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::Planner;
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target, Twin};
use crate::ops::segment_softmax::SegmentSoftmax;

pub struct OnDevice<'a>(pub &'a SegmentSoftmax);

impl OnDevice<'_> {
    /// Where segments begin, and the end; their number.
    fn starts(&self, planner: &mut Planner) -> (Span, usize) {
        let mut starts = vec![0];
        let mut at = 0;
        for length in &self.0.lengths {
            at += length;
            starts.push(at as u32);
        }
        (planner.table(starts), self.0.lengths.len())
    }
}

impl Twin for OnDevice<'_> {
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, _pass: Pass) -> Kept {
        let (starts, segments) = self.starts(planner);
        let call = planner.each("softmax_fwd_f32", 32 * segments).read(inputs[0].at()).write(output);
        call.read(starts).ints([0, segments]).run();
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
        let (output, (starts, segments)) = (left.output.expect("values that `reads` names"), self.starts(planner));
        let call = planner.each("softmax_bwd_f32", 32 * segments).read(output).read(gradient).sink(span, add);
        call.read(starts).ints([0, segments]).run();
    }
}
