//! ReLU, a depthwise convolution, a 1×1 convolution and a batch norm as one operator, forward and backward: of what lies between
//! input and norm nothing is written to memory, and the backward pass computes it again. Without the depthwise part it is
//! ReLU, 1×1, norm. The separable and dilated convolutions of the DARTS primitives are made of it (methods spec §4.1). Knows no
//! layer.

mod backward;
pub mod cuda;
mod forward;
mod plan;
mod reference;

use crate::ops::batch_norm;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::conv::Conv;
use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use crate::ops::separable::plan::Plan;

/// How the depthwise kernel is laid on the plane; odd kernels, with zeros around so that stride 1 keeps the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depthwise {
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
}

/// Inputs in this order: x (N,C,H,W); weights (C,1,h,w) if `depthwise`; weights (O,C,1,1); scale and shift (O) each, if `affine`; a
/// residual of the output's dimensions, if `residual`. Output: (N,O,⌈H/stride⌉,⌈W/stride⌉). Statistics: those of the norm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Separable {
    pub depthwise: Option<Depthwise>,
    pub affine: bool,
    pub residual: bool,
    /// Of the norm.
    pub eps: f64,
}

/// The inputs by what they are.
struct Parts<'a, T> {
    x: View<'a, T>,
    depthwise: Option<View<'a, T>>,
    pointwise: View<'a, T>,
    /// Scale, shift, residual: what the norm takes besides its first input.
    rest: Vec<View<'a, T>>,
}

impl Separable {
    fn norm(&self) -> BatchNorm {
        BatchNorm { affine: self.affine, relu: false, residual: self.residual, eps: self.eps }
    }

    /// Position of the 1×1 weights; what the norm takes follows.
    fn pointwise_at(&self) -> usize {
        1 + usize::from(self.depthwise.is_some())
    }

    /// The depthwise part as a convolution of its own; a kernel of one tap where there is none.
    fn convolution(&self, channels: usize, kernel: [usize; 2]) -> Conv {
        let Depthwise { stride, dilation } = self.depthwise.unwrap_or(Depthwise { stride: [1; 2], dilation: [1; 2] });
        let padding = [0, 1].map(|a| [dilation[a] * (kernel[a].saturating_sub(1)) / 2; 2]);
        Conv { stride, padding, dilation, groups: channels, bias: false, residual: false }
    }

    fn parts<'a, T: Real>(&self, inputs: &[View<'a, T>]) -> Parts<'a, T> {
        let at = self.pointwise_at();
        let depthwise = self.depthwise.map(|_| inputs[1]);
        Parts { x: inputs[0], depthwise, pointwise: inputs[at], rest: inputs[at + 1..].to_vec() }
    }

    fn plan<T: Real>(&self, parts: &Parts<'_, T>) -> Plan {
        let channels = parts.x.dims[1];
        let kernel = parts.depthwise.map_or([1, 1], |weights| [weights.dims[2], weights.dims[3]]);
        Plan::new(self.convolution(channels, kernel), parts.x.dims, kernel, parts.pointwise.dims[0])
    }
}

impl Definition for Separable {
    fn name(&self) -> &'static str {
        "separable"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let at = self.pointwise_at();
        let expected = at + 1 + 2 * usize::from(self.affine) + usize::from(self.residual);
        if inputs.len() != expected {
            return Err(format!("separable: {expected} inputs were expected, found {}", inputs.len()));
        }
        let &[_, channels, ..] = inputs[0] else {
            return Err(format!("separable: (N,C,H,W) was expected, found {:?}", inputs[0]));
        };
        let middle = if self.depthwise.is_some() {
            let &[of, one, h, w] = inputs[1] else {
                return Err(format!("separable: weights (C,1,h,w) were expected, found {:?}", inputs[1]));
            };
            if (of, one) != (channels, 1) || h % 2 == 0 || w % 2 == 0 {
                let found = inputs[1];
                return Err(format!("separable: odd kernels of {channels} channels were expected, found {found:?}"));
            }
            self.convolution(channels, [h, w]).output(&[inputs[0], inputs[1]])?
        } else {
            inputs[0].to_vec()
        };
        let z = Conv::new([1, 1], [0, 0]).output(&[&middle, inputs[at]])?;
        let mut of_norm: Vec<&[usize]> = vec![&z];
        of_norm.extend(&inputs[at + 1..]);
        self.norm().output(&of_norm)
    }

    fn statistics(&self, inputs: &[&[usize]]) -> usize {
        2 * inputs[self.pointwise_at()][0]
    }

    fn trains(&self, inputs: &[&[usize]]) -> Result<(), String> {
        self.norm().trains(&[&self.output(inputs)?])
    }

    fn reads(&self) -> Reads {
        const WITH: &[bool] = &[true, true, true, true, false, false];
        const WITHOUT: &[bool] = &[true, true, true, false, false];
        let (all, scales) = if self.depthwise.is_some() { (WITH, 3) } else { (WITHOUT, 2) };
        let inputs: &[bool] = match (self.affine, self.residual, scales) {
            (true, true, _) => all,
            (true, false, at) => &all[..at + 2],
            (false, false, at) => &all[..at],
            (false, true, 3) => &[true, true, true, false],
            (false, true, _) => &[true, true, false],
        };
        Reads { inputs, output: false }
    }
}

/// What the norm sees: the 1×1 results first.
fn of_norm<'a, T: Real>(z: &'a [T], dims: &'a [usize], rest: &[View<'a, T>]) -> Vec<View<'a, T>> {
    std::iter::once(View { values: z, dims }).chain(rest.iter().copied()).collect()
}

/// Saved arrays: the 1×1 results. Nested: what the norm left.
impl Kernel<f32> for Separable {
    fn forward(&self, inputs: &[View<'_, f32>], mode: Mode<'_, f32>, out: &mut [f32], saved: &mut Saved<f32>) {
        let parts = self.parts(inputs);
        let plan = self.plan(&parts);
        let (mut z, mut left) = (f32::pool().take(out.len()), Saved::default());
        forward::run(&plan, &parts, &mut z);
        let dims = plan.output();
        batch_norm::cpu::forward(&self.norm(), &of_norm(&z, &dims, &parts.rest), mode, out, &mut left);
        saved.statistics = std::mem::take(&mut left.statistics);
        saved.arrays = vec![z];
        saved.nested = vec![left];
    }

    fn backward(
        &self,
        inputs: &[View<'_, f32>],
        _output: &[f32],
        saved: &Saved<f32>,
        gradient: &[f32],
        sinks: &mut [Option<Sink<'_, f32>>],
    ) {
        let parts = self.parts(inputs);
        backward::run(self, &self.plan(&parts), &parts, saved, gradient, sinks);
    }
}

impl Kernel<f64> for Separable {
    fn forward(&self, inputs: &[View<'_, f64>], mode: Mode<'_, f64>, out: &mut [f64], saved: &mut Saved<f64>) {
        reference::forward(self, &self.parts(inputs), mode, out, saved);
    }

    fn backward(
        &self,
        inputs: &[View<'_, f64>],
        _output: &[f64],
        saved: &Saved<f64>,
        gradient: &[f64],
        sinks: &mut [Option<Sink<'_, f64>>],
    ) {
        reference::backward(self, &self.parts(inputs), saved, gradient, sinks);
    }
}
