//! ReLU, depthwise, 1×1 and norm on a device, by the kernels of these operators; the depthwise results are computed again in the
//! backward pass.

use crate::ops::batch_norm;
use crate::ops::conv;
use crate::ops::conv::sizes::Sizes;
use crate::ops::launch::plan::Span;
use crate::ops::launch::planner::Planner;
use crate::ops::launch::twin::{Given, Kept, Left, Pass, Target, Twin};
use crate::ops::linear;
use crate::ops::separable::Separable;

pub struct OnDevice<'a>(pub &'a Separable);

impl OnDevice<'_> {
    /// Sizes of the depthwise part, of one tap where there is none, and those of the 1×1.
    fn sizes(&self, inputs: &[Given<'_>]) -> (Sizes, linear::cuda::Sizes) {
        let (x, outputs) = (inputs[0].dims, inputs[self.0.pointwise_at()].dims[0]);
        let kernel = self.0.depthwise.map_or([1, 1], |_| [inputs[1].dims[2], inputs[1].dims[3]]);
        let conv = self.0.convolution(x[1], kernel);
        let s = Sizes::of(&conv, x, &[x[1], 1, kernel[0], kernel[1]]).expect("dimensions were checked");
        (s, [x[0], x[1], outputs, s.out_area()])
    }

    /// What the 1×1 sees, and whether it has to rectify it: depthwise results, which the caller gives back, or x itself.
    fn middle(&self, planner: &mut Planner, inputs: &[Given<'_>], s: &Sizes) -> (Span, bool) {
        let x = inputs[0].at();
        if self.0.depthwise.is_none() {
            return (x, true);
        }
        let middle = planner.take("depthwise results", s.images * s.inputs * s.out_area());
        conv::cuda::depthwise(planner, s, x, inputs[1].at(), middle, true);
        (middle, false)
    }
}

/// What the norm sees.
fn of_norm<'a>(z: Span, dims: &'a [usize], inputs: &[Given<'a>], pointwise: usize) -> Vec<Given<'a>> {
    let first = Given { span: Some(z), dims };
    std::iter::once(first).chain(inputs[pointwise + 1..].iter().copied()).collect()
}

/// Keeps the 1×1 results; nested: what the norm keeps.
impl Twin for OnDevice<'_> {
    fn forward(&self, planner: &mut Planner, inputs: &[Given<'_>], output: Span, pass: Pass) -> Kept {
        let ((s, sizes), pointwise) = (self.sizes(inputs), self.0.pointwise_at());
        let middle = self.middle(planner, inputs, &s);
        let z = planner.take("1×1 results", output.length);
        linear::cuda::forward(planner, middle, inputs[pointwise].at(), None, z, sizes);
        if self.0.depthwise.is_some() {
            planner.give(middle.0);
        }
        let dims = [s.images, sizes[2], s.out[0], s.out[1]];
        let norm = self.0.norm();
        let nested =
            batch_norm::cuda::OnDevice(&norm).forward(planner, &of_norm(z, &dims, inputs, pointwise), output, pass);
        Kept { spans: vec![z], nested: vec![nested] }
    }

    fn backward(
        &self,
        planner: &mut Planner,
        inputs: &[Given<'_>],
        left: Left<'_>,
        gradient: Span,
        sinks: &[Option<Target>],
    ) {
        let ((s, sizes), pointwise) = (self.sizes(inputs), self.0.pointwise_at());
        let dims = [s.images, sizes[2], s.out[0], s.out[1]];
        let z = left.kept.spans[0];
        let dz = planner.take("gradient of 1×1 results", z.length);
        let mut of_sinks = vec![Some(Target { span: dz, add: false })];
        of_sinks.extend(&sinks[pointwise + 1..]);
        let norm = self.0.norm();
        batch_norm::cuda::OnDevice(&norm).backward(
            planner,
            &of_norm(z, &dims, inputs, pointwise),
            Left { output: None, kept: &left.kept.nested[0], step: left.step },
            gradient,
            &of_sinks,
        );
        let weight = inputs[pointwise].at();
        if self.0.depthwise.is_none() {
            let x = inputs[0].at();
            if let Some(sink) = sinks[pointwise] {
                linear::cuda::weight_gradient(planner, dz, (x, true), sink, sizes);
            }
            if let Some(sink) = sinks[0] {
                linear::cuda::input_gradient(planner, dz, weight, Some(x), sink, sizes);
            }
            return planner.give(dz);
        }
        let middle = self.middle(planner, inputs, &s).0;
        if let Some(sink) = sinks[pointwise] {
            linear::cuda::weight_gradient(planner, dz, (middle, false), sink, sizes);
        }
        if sinks[0].is_some() || sinks[1].is_some() {
            // in the place of the depthwise results, which nobody reads any more
            let dmiddle = Target { span: middle, add: false };
            linear::cuda::input_gradient(planner, dz, weight, None, dmiddle, sizes);
            if let Some(sink) = sinks[1] {
                conv::cuda::depthwise_weights(planner, &s, middle, inputs[0].at(), true, sink);
            }
            if let Some(sink) = sinks[0] {
                let x = inputs[0].at();
                conv::cuda::depthwise_input(planner, &s, middle, inputs[1].at(), Some(x), sink);
            }
        }
        planner.give(middle);
        planner.give(dz);
    }
}
