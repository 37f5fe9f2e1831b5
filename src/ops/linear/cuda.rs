//! Products with a matrix of weights on a device: `kernels/linear.cu`.

use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::Planner;
use crate::ops::launch::tile::{Product, chunks, in_parts, sum_channels};
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target, Twin};
use crate::ops::linear::Linear;

pub struct OnDevice<'a>(pub &'a Linear);

/// Least terms of a part of a weight gradient's sums.
const LEAST: usize = 512;

/// Images, inputs, outputs, positions of an image.
pub type Sizes = [usize; 4];

/// y = w·x + bias at each position; with `relu` of max(x, 0).
pub fn forward(
    planner: &mut Planner,
    (x, relu): (Span, bool),
    weight: Span,
    bias: Option<Span>,
    output: Span,
    sizes: Sizes,
) {
    let [images, _, outputs, plane] = sizes;
    let product = Product::new(planner, ["linear_fwd_f32", "linear_fwd_tf32"], [outputs, images * plane, 1]);
    let call = product.call(planner).read(x).read(weight).read_if(bias).write(output);
    product.run(call.int(usize::from(relu)).ints(sizes));
}

/// The gradient of x, where `rectified` is x of max(x, 0).
pub fn input_gradient(
    planner: &mut Planner,
    gradient: Span,
    weight: Span,
    rectified: Option<Span>,
    sink: Target,
    sizes: Sizes,
) {
    let [images, inputs, _, plane] = sizes;
    let product = Product::new(planner, ["linear_input_f32", "linear_input_tf32"], [inputs, images * plane, 1]);
    let call = product.call(planner).read(gradient).read(weight).read_if(rectified).sink(sink.span, sink.add);
    product.run(call.ints(sizes));
}

pub fn weight_gradient(planner: &mut Planner, gradient: Span, (x, relu): (Span, bool), sink: Target, sizes: Sizes) {
    let [images, inputs, outputs, plane] = sizes;
    let (chunk, count) = chunks(images * plane, LEAST);
    in_parts(planner, sink, count, |planner, to, add| {
        let product = Product::new(planner, ["linear_weights_f32", "linear_weights_tf32"], [outputs, inputs, count]);
        let call = product.call(planner).read(gradient).read(x).sink(to, add).int(usize::from(relu));
        product.run(call.ints(sizes).int(chunk));
    });
}

fn sizes(inputs: &[Given<'_>]) -> Sizes {
    let (x, weight) = (inputs[0].dims, inputs[1].dims);
    [x[0], x[1], weight[0], x[2..].iter().product()]
}

impl Twin for OnDevice<'_> {
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, _pass: Pass) -> Kept {
        let bias = self.0.bias.then(|| inputs[2].at());
        forward(planner, (inputs[0].at(), false), inputs[1].at(), bias, output, sizes(inputs));
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
        let sizes = sizes(inputs);
        if let Some(sink) = sinks[0] {
            input_gradient(planner, gradient, inputs[1].at(), None, sink, sizes);
        }
        if let Some(sink) = sinks[1] {
            weight_gradient(planner, gradient, (inputs[0].at(), false), sink, sizes);
        }
        if let Some(sink) = sinks.get(2).copied().flatten() {
            sum_channels(planner, gradient, sink, [sizes[0], sizes[2], sizes[3]]);
        }
    }
}
