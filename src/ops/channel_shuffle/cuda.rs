//! Channels dealt out on a device: `kernels/channel_shuffle.cu`.

use crate::ops::channel_shuffle::ChannelShuffle;
use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::Planner;
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target, Twin};

pub struct OnDevice<'a>(pub &'a ChannelShuffle);

fn planes(planner: &mut Planner, dims: &[usize], from: Span, to: Target, groups: usize) {
    let call = planner.each("channel_shuffle_f32", from.length).read(from).sink(to.span, to.add);
    call.ints([dims[1], groups, dims[2..].iter().product(), from.length]).run();
}

impl Twin for OnDevice<'_> {
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, _pass: Pass) -> Kept {
        let to = Target { span: output, add: false };
        planes(planner, inputs[0].dims, inputs[0].at(), to, self.0.groups);
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
        let Some(sink) = sinks[0] else { return };
        planes(planner, inputs[0].dims, gradient, sink, inputs[0].dims[1] / self.0.groups);
    }
}
