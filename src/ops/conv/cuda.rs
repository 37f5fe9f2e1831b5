//! Convolutions on a device: `kernels/conv.cu` as implicit matrix products, `kernels/depthwise.cu` where every channel has its own
//! kernel.

use crate::ops::conv::Conv;
use crate::ops::conv::sizes::Sizes;
use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::{Planner, THREADS};
use crate::ops::launch::tile::{Product, SUM_WORDS, chunks, in_parts, sum_channels};
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target, Twin};

pub struct OnDevice<'a>(pub &'a Conv);

/// Least terms of a part of a weight gradient's sums.
const LEAST: usize = 512;
/// Taps that the depthwise weight gradient holds in registers; `MOST_TAPS` of kernels/depthwise.cu.
const MOST_TAPS: usize = 25;

/// In the order of `ConvSizes` in kernels/conv.cu.
fn table(planner: &mut Planner, s: &Sizes) -> Span {
    let all = [
        [s.images, s.inputs, s.outputs, s.groups],
        [s.plane[0], s.plane[1], s.out[0], s.out[1]],
        [s.kernel[0], s.kernel[1], s.stride[0], s.stride[1]],
        [s.dilation[0], s.dilation[1], s.padding[0][0], s.padding[1][0]],
    ];
    planner.table(all.as_flattened().iter().map(|v| *v as u32).collect())
}

fn is_depthwise(s: &Sizes) -> bool {
    s.group() == [1, 1] && s.taps() <= MOST_TAPS
}

/// A depthwise convolution of x, or of relu(x).
pub fn depthwise(planner: &mut Planner, s: &Sizes, x: Span, weight: Span, output: Span, relu: bool) {
    let table = table(planner, s);
    let call = planner.each("depthwise_fwd_f32", output.length).read(x).read(weight).write(output);
    call.int(usize::from(relu)).read(table).run();
}

/// The gradient of a depthwise convolution's input; with `relu` of what was rectified, which is read then.
pub fn depthwise_input(
    planner: &mut Planner,
    s: &Sizes,
    gradient: Span,
    weight: Span,
    relu: Option<Span>,
    sink: Target,
) {
    let table = table(planner, s);
    let call = planner.each("depthwise_input_f32", sink.span.length).read(gradient).read(weight).read_if(relu);
    call.sink(sink.span, sink.add).int(usize::from(relu.is_some())).read(table).run();
}

/// The gradient of depthwise weights.
pub fn depthwise_weights(planner: &mut Planner, s: &Sizes, gradient: Span, x: Span, relu: bool, sink: Target) {
    let table = table(planner, s);
    let (chunk, count) = chunks(s.images, LEAST.div_ceil(s.out_area()));
    in_parts(planner, sink, count, |planner, to, add| {
        let call = planner.call("depthwise_weights_f32", [s.inputs, count, 1], THREADS).read(gradient).read(x);
        call.sink(to, add).int(usize::from(relu)).read(table).int(chunk).shared(SUM_WORDS).run();
    });
}

impl OnDevice<'_> {
    fn sizes(&self, inputs: &[Given<'_>]) -> Sizes {
        self.0.sizes(inputs[0].dims, inputs[1].dims)
    }
}

impl Twin for OnDevice<'_> {
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, _pass: Pass) -> Kept {
        let (s, Conv { bias, residual, .. }) = (self.sizes(inputs), *self.0);
        let (x, weight) = (inputs[0].at(), inputs[1].at());
        if is_depthwise(&s) && !bias && !residual {
            depthwise(planner, &s, x, weight, output, false);
            return Kept::default();
        }
        let table = table(planner, &s);
        let shape = [s.group()[1], s.images * s.out_area(), s.groups];
        let mut rest = inputs[2..].iter().map(Given::at);
        let [bias, residual] = [bias, residual].map(|present| if present { rest.next() } else { None });
        let product = Product::new(planner, ["conv_fwd_f32", "conv_fwd_tf32"], shape);
        let call = product.call(planner).read(x).read(weight).read_if(bias).read_if(residual).write(output);
        product.run(call.read(table));
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
        let (s, Conv { bias, residual, .. }) = (self.sizes(inputs), *self.0);
        let [ins, outs] = s.group();
        let sizes = table(planner, &s);
        if let Some(sink) = sinks[0] {
            if is_depthwise(&s) {
                depthwise_input(planner, &s, gradient, inputs[1].at(), None, sink);
            } else {
                let shape = [ins, s.images * s.plane[0] * s.plane[1], s.groups];
                let product = Product::new(planner, ["conv_input_f32", "conv_input_tf32"], shape);
                let call = product.call(planner).read(gradient).read(inputs[1].at()).sink(sink.span, sink.add);
                product.run(call.read(sizes));
            }
        }
        if let Some(sink) = sinks[1] {
            if is_depthwise(&s) {
                depthwise_weights(planner, &s, gradient, inputs[0].at(), false, sink);
            } else {
                let (chunk, count) = chunks(s.images * s.out_area(), LEAST);
                in_parts(planner, sink, count, |planner, to, add| {
                    let shape = [outs, ins * s.taps(), s.groups * count];
                    let product = Product::new(planner, ["conv_weights_f32", "conv_weights_tf32"], shape);
                    let call = product.call(planner).read(gradient).read(inputs[0].at()).sink(to, add);
                    product.run(call.read(sizes).int(chunk));
                });
            }
        }
        let mut rest = sinks[2..].iter().copied();
        let [bias, residual] = [bias, residual].map(|present| if present { rest.next().flatten() } else { None });
        if let Some(sink) = bias {
            sum_channels(planner, gradient, sink, [s.images, s.outputs, s.out_area()]);
        }
        if let Some(sink) = residual {
            let call = planner.each("add_bwd_f32", gradient.length).read(gradient).sink(sink.span, sink.add);
            call.sink_if(None).sink_if(None).sink_if(None).int(gradient.length).run();
        }
    }
}
