//! Dropout on a device: `kernels/dropout.cu`. The very draws of the CPU, made again in the backward pass.

use crate::ops::dropout::{CHUNK, Dropout, Rate, Unit};
use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::Planner;
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target, Twin};

pub struct OnDevice<'a>(pub &'a Dropout);

impl OnDevice<'_> {
    fn map(&self, planner: &mut Planner, dims: &[usize], from: Span, to: Target, step: Span) {
        let (most, steps, epochs) = match self.0.rate {
            Rate::Fixed(rate) => (rate, 0, 0),
            Rate::Rising(ramp) => (ramp.most, ramp.steps.max(1), ramp.epochs.max(1)),
        };
        let bits = most.to_bits();
        let word = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let rate = planner.table(vec![bits as u32, (bits >> 32) as u32, word(steps), word(epochs)]);
        let (unit, chunk) = match self.0.unit {
            Unit::Value => (1, CHUNK),
            Unit::Sample => (dims.iter().skip(1).product::<usize>().max(1), 1),
        };
        let [low, high] = self.0.purpose.key();
        let call = planner.each("dropout_f32", from.length).read(from).sink(to.span, to.add).read(step).read(rate);
        call.unsigned(low).unsigned(high).ints([unit, chunk, from.length]).run();
    }
}

impl Twin for OnDevice<'_> {
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, pass: Pass) -> Kept {
        let to = Target { span: output, add: false };
        match pass {
            Pass::Train { step, .. } => self.map(planner, inputs[0].dims, inputs[0].at(), to, step),
            Pass::Evaluate { .. } => {
                let call = planner.each("add_bwd_f32", output.length).read(inputs[0].at()).sink(output, false);
                call.sink_if(None).sink_if(None).sink_if(None).int(output.length).run();
            }
        }
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
        if let Some(sink) = sinks[0] {
            self.map(planner, inputs[0].dims, gradient, sink, left.step);
        }
    }
}
