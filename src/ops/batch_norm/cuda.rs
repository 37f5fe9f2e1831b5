//! Batch norm on a device: `kernels/batch_norm.cu`.

use crate::ops::batch_norm::{BatchNorm, Mask, Sizes};
use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::{Planner, THREADS};
use crate::ops::launch::tile::{SUM_WORDS, chunks};
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target, Twin, parameters};

pub struct OnDevice<'a>(pub &'a BatchNorm);

/// Least values of a part of a channel's sums.
const LEAST: usize = 1024;

/// The spans that the norm reads besides x.
struct Rest {
    scale: Option<Span>,
    shift: Option<Span>,
    residual: Option<Span>,
}

impl OnDevice<'_> {
    fn rest(&self, inputs: &[Given<'_>]) -> Rest {
        let affine = |at: usize| if self.0.affine { inputs[at].span } else { None };
        let residual = self.0.residual_at().and_then(|at| inputs[at].span);
        Rest { scale: affine(1), shift: affine(2), residual }
    }
}

/// Means and scales of (images,channels,plane): from the batch, whose statistics go to the pass, or from running values.
fn norms(planner: &mut Planner, x: Span, sizes: Sizes, eps: f64, pass: Pass) -> Span {
    let Sizes { images, channels, plane } = sizes;
    let norms = planner.take("norms", 2 * channels);
    match pass {
        Pass::Train { statistics, .. } => {
            let count = images * plane;
            let (chunk, parts) = chunks(count, LEAST);
            let partials = planner.take("partial sums", 2 * channels * parts);
            let call = planner.call("norm_sums_f32", [channels, parts, 1], THREADS).read(x).write(partials);
            call.ints([channels, plane, count, chunk]).shared(SUM_WORDS).run();
            let call = planner.each("norm_statistics_f32", channels).read(partials).write(norms).write(statistics);
            call.ints([channels, channels, count, chunk, parts]).float(eps).run();
            planner.give(partials);
        }
        Pass::Evaluate { running } => {
            let call = planner.each("norm_running_f32", channels).read(running).write(norms);
            call.ints([channels, channels]).float(eps).run();
        }
    }
    norms
}

/// Keeps mean and 1/√(variance + eps) of each channel.
impl Twin for OnDevice<'_> {
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, pass: Pass) -> Kept {
        let (x, sizes) = (inputs[0].at(), Sizes::of(inputs[0].dims).expect("dimensions were checked"));
        let norms = norms(planner, x, sizes, self.0.eps, pass);
        let Rest { scale, shift, residual } = self.rest(inputs);
        let call = planner.each("norm_apply_f32", x.length).read(x).read(norms).read_if(scale).read_if(shift);
        let call = call.read_if(residual).write(output).int(usize::from(self.0.relu));
        call.ints([sizes.channels, sizes.plane, x.length]).run();
        Kept { spans: vec![norms], nested: Vec::new() }
    }

    fn backward(
        &self,
        planner: &mut Planner,
        inputs: &[Given<'_>],
        left: Left<'_>,
        gradient: Span,
        sinks: &[Option<Target>],
    ) {
        let (x, norms) = (inputs[0].at(), left.kept.spans[0]);
        let sizes @ Sizes { channels, plane, .. } = Sizes::of(inputs[0].dims).expect("dimensions were checked");
        let Rest { scale, shift, .. } = self.rest(inputs);
        let (mask, output) = match self.0.mask() {
            Mask::None => (0, None),
            Mask::Input => (1, None),
            Mask::Output => (2, left.output),
        };
        let shift = shift.filter(|_| mask == 1); // gone by now, else
        let count = sizes.images * plane;
        let (chunk, parts) = chunks(count, LEAST);
        let (partials, sums) = (planner.take("partial sums", 2 * channels * parts), planner.take("sums", 2 * channels));
        let call = planner.call("norm_gradient_sums_f32", [channels, parts, 1], THREADS).read(x).read(gradient);
        let call = call.read(norms).read_if(scale).read_if(shift).read_if(output).write(partials);
        call.ints([mask, channels, plane, count, chunk]).shared(SUM_WORDS).run();
        let of = |at: Option<usize>| at.and_then(|at| parameters(&sinks[at]));
        let [dscale, dshift] = [1, 2].map(|at| of(self.0.affine.then_some(at)));
        let call = planner.each("norm_gradient_totals_f32", channels).read(partials).write(sums);
        call.sink_if(dscale).sink_if(dshift).ints([channels, parts]).run();
        planner.give(partials);
        let (dx, dresidual) = (of(Some(0)), of(self.0.residual_at()));
        if dx.is_some() || dresidual.is_some() {
            let call = planner.each("norm_gradient_f32", x.length).read(x).read(gradient).read(norms).read_if(scale);
            let call = call.read_if(shift).read_if(output).read(sums).sink_if(dx).sink_if(dresidual);
            call.ints([mask, channels, plane, count, x.length]).run();
        }
        planner.give(sums);
    }
}
