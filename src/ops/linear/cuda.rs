//! Products with a matrix of weights on a device: `kernels/linear.cu`.

use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::Planner;
use crate::ops::launch::tile::{TILE_THREADS, TILE_WORDS, chunks, in_parts, sum_channels, tiles};
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target, Twin};
use crate::ops::linear::Linear;

pub struct OnDevice<'a>(pub &'a Linear);

/// Least terms of a part of a weight gradient's sums.
const LEAST: usize = 512;

/// Images, inputs, outputs, positions of an image.
pub type Sizes = [usize; 4];

/// y = w·x + bias at each position.
pub fn forward(planner: &mut Planner, x: Span, weight: Span, bias: Option<Span>, output: Span, sizes: Sizes) {
    let [images, _, outputs, plane] = sizes;
    let call = planner.call("linear_fwd_f32", tiles(outputs, images * plane, 1), TILE_THREADS);
    call.read(x).read(weight).read_if(bias).write(output).ints(sizes).shared(TILE_WORDS).run();
}

pub fn input_gradient(planner: &mut Planner, gradient: Span, weight: Span, sink: Target, sizes: Sizes) {
    let [images, inputs, _, plane] = sizes;
    let call = planner.call("linear_input_f32", tiles(inputs, images * plane, 1), TILE_THREADS);
    call.read(gradient).read(weight).sink(sink.span, sink.add).ints(sizes).shared(TILE_WORDS).run();
}

pub fn weight_gradient(planner: &mut Planner, gradient: Span, x: Span, sink: Target, sizes: Sizes) {
    let [images, inputs, outputs, plane] = sizes;
    let (chunk, count) = chunks(images * plane, LEAST);
    in_parts(planner, sink, count, |planner, to, add| {
        let call = planner.call("linear_weights_f32", tiles(outputs, inputs, count), TILE_THREADS);
        call.read(gradient).read(x).sink(to, add).ints(sizes).int(chunk).shared(TILE_WORDS).run();
    });
}

fn sizes(inputs: &[Given<'_>]) -> Sizes {
    let (x, weight) = (inputs[0].dims, inputs[1].dims);
    [x[0], x[1], weight[0], x[2..].iter().product()]
}

impl Twin for OnDevice<'_> {
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, _pass: Pass) -> Kept {
        let bias = self.0.bias.then(|| inputs[2].at());
        forward(planner, inputs[0].at(), inputs[1].at(), bias, output, sizes(inputs));
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
            input_gradient(planner, gradient, inputs[1].at(), sink, sizes);
        }
        if let Some(sink) = sinks[1] {
            weight_gradient(planner, gradient, inputs[0].at(), sink, sizes);
        }
        if let Some(sink) = sinks.get(2).copied().flatten() {
            sum_channels(planner, gradient, sink, [sizes[0], sizes[2], sizes[3]]);
        }
    }
}
