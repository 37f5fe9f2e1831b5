//! Stochastic gradient descent with momentum, Nesterov's look-ahead and coupled weight decay on every parameter, as
//! `torch.optim.SGD` does it. Knows no schedule and no loss.

use crate::ops::operator::Real;
use crate::training::update::{Memory, Rule, update};
use candle_core::{Result, Tensor};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdParams {
    pub momentum: f64,
    /// Without effect where the momentum is 0.
    pub nesterov: bool,
    pub weight_decay: f64,
}

pub struct Sgd {
    params: SgdParams,
    /// One velocity per value; starts at 0, which equals PyTorch's start with the first gradient.
    velocity: Memory,
}

struct Step {
    momentum: f64,
    nesterov: bool,
    decay: f64,
    rate: f64,
    /// On the gradient, before the decay: what clipping left of it.
    scale: f64,
}

impl Sgd {
    /// For `theta`, all trained values as one flat tensor.
    pub fn new(params: SgdParams, theta: &Tensor) -> Self {
        Sgd { params, velocity: Memory::zeros(theta, theta.elem_count()) }
    }

    /// g ← scale·gradient + decay·w; v ← momentum·v + g; w ← w − rate·(g + momentum·v), or rate·v without Nesterov.
    pub fn step(&mut self, theta: &Tensor, gradient: &Tensor, rate: f64, scale: f64) -> Result<()> {
        let SgdParams { momentum, nesterov, weight_decay: decay } = self.params;
        update(theta, gradient, &mut self.velocity, &Step { momentum, nesterov, decay, rate, scale })
    }

    pub fn memory(&self) -> &Memory {
        &self.velocity
    }

    pub fn memory_mut(&mut self) -> &mut Memory {
        &mut self.velocity
    }
}

impl Rule for Step {
    fn rows(&self) -> usize {
        1
    }

    fn apply<T: Real>(&self, values: &mut [T], gradient: &[T], memory: &mut [T]) {
        let (momentum, decay, rate) = (T::of(self.momentum), T::of(self.decay), T::of(self.rate));
        let scale = T::of(self.scale);
        for ((w, v), g) in values.iter_mut().zip(memory).zip(gradient) {
            let g = scale * *g + decay * *w;
            *v = momentum * *v + g;
            *w -= rate * if self.nesterov { g + momentum * *v } else { *v };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Sgd, SgdParams};
    use candle_core::{Device, Tensor, Var};

    fn run(params: SgdParams, scale: f64) -> Vec<f64> {
        let theta = Var::new(&[1f64], &Device::Cpu).unwrap();
        let mut sgd = Sgd::new(params, &theta);
        let step = |gradient: f64| {
            sgd.step(&theta, &Tensor::new(&[gradient], &Device::Cpu).unwrap(), 0.1, scale).unwrap();
            theta.to_vec1::<f64>().unwrap()[0]
        };
        [0.5, -1.0, 0.25].map(step).to_vec()
    }

    #[test]
    fn three_steps_match_a_hand_worked_case() {
        // torch.optim.SGD(lr=0.1, momentum=0.9, weight_decay=0.01) on one weight that starts at 1
        let plain = SgdParams { momentum: 0.9, nesterov: false, weight_decay: 0.01 };
        let mut w: f64 = 1.0;
        let mut v = 0.0;
        for (found, g) in run(plain, 1.0).into_iter().zip([0.5, -1.0, 0.25]) {
            v = 0.9 * v + (g + 0.01 * w);
            w -= 0.1 * v;
            assert!((found - w).abs() < 1e-15, "{found} instead of {w}");
        }
        let nesterov = run(SgdParams { nesterov: true, ..plain }, 1.0);
        // g = 0.51, v = 0.51, step 0.51 + 0.9·0.51 = 0.969
        assert!((nesterov[0] - (1.0 - 0.0969)).abs() < 1e-15);
        let none = SgdParams { momentum: 0.0, nesterov: true, weight_decay: 0.0 };
        assert!((run(none, 0.5)[0] - (1.0 - 0.025)).abs() < 1e-15);
    }
}
