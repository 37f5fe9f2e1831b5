//! Adam with coupled weight decay, as `torch.optim.Adam` does it (Kingma and Ba, ICLR 2015, algorithm 1). Knows no loss.

use crate::ops::operator::Real;
use crate::training::update::{Memory, Rule, update};
use candle_core::{Result, Tensor};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamParams {
    pub betas: (f64, f64),
    pub epsilon: f64,
    /// Added to the gradient as decay·w (not decoupled).
    pub weight_decay: f64,
}

pub struct Adam {
    params: AdamParams,
    /// Steps taken so far.
    steps: u64,
    /// First and second moment of each value, a row of each per chunk.
    moments: Memory,
}

struct Step {
    params: AdamParams,
    rate: f64,
    scale: f64,
    /// 1 − beta^t of both moments.
    corrections: (f64, f64),
}

impl Adam {
    /// For `theta`, all trained values as one flat tensor.
    pub fn new(params: AdamParams, theta: &Tensor) -> Self {
        Adam { params, steps: 0, moments: Memory::zeros(theta, 2 * theta.elem_count()) }
    }

    /// One step with `scale` times the gradient.
    pub fn step(&mut self, theta: &Tensor, gradient: &Tensor, rate: f64, scale: f64) -> Result<()> {
        self.steps += 1;
        let power = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let (first, second) = self.params.betas;
        let corrections = (1.0 - first.powi(power), 1.0 - second.powi(power));
        update(theta, gradient, &mut self.moments, &Step { params: self.params, rate, scale, corrections })
    }

    /// Steps taken and moments, to be saved.
    pub fn memory(&self) -> (u64, &Memory) {
        (self.steps, &self.moments)
    }

    /// Takes saved steps and gives the moments to be filled.
    pub fn restore(&mut self, steps: u64) -> &mut Memory {
        self.steps = steps;
        &mut self.moments
    }
}

impl Rule for Step {
    fn rows(&self) -> usize {
        2
    }

    fn apply<T: Real>(&self, values: &mut [T], gradient: &[T], memory: &mut [T]) {
        let AdamParams { betas: (b1, b2), epsilon, weight_decay } = self.params;
        let (b1, b2, epsilon, decay) = (T::of(b1), T::of(b2), T::of(epsilon), T::of(weight_decay));
        let step = T::of(self.rate / self.corrections.0);
        let (root, scale) = (T::of(self.corrections.1.sqrt()), T::of(self.scale));
        let (first, second) = memory.split_at_mut(values.len());
        for (((w, g), m), s) in values.iter_mut().zip(gradient).zip(first).zip(second) {
            let g = scale * *g + decay * *w;
            *m = b1 * *m + (T::one() - b1) * g;
            *s = b2 * *s + (T::one() - b2) * g * g;
            *w -= step * *m / (s.sqrt() / root + epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Adam, AdamParams};
    use candle_core::{Device, Tensor, Var};

    #[test]
    fn steps_follow_the_algorithm_and_chunks_do_not_mix() {
        let params = AdamParams { betas: (0.5, 0.999), epsilon: 1e-8, weight_decay: 1e-3 };
        let n = 40_000; // more than two chunks
        let start: Vec<f64> = (0..n).map(|i| f64::from(i) / 1e4 - 2.0).collect();
        let theta = Var::from_vec(start.clone(), n as usize, &Device::Cpu).unwrap();
        let mut adam = Adam::new(params, &theta);
        let (mut w, mut m, mut s) = (start, vec![0.0; n as usize], vec![0.0; n as usize]);
        for t in 1..=3 {
            let gradient: Vec<f64> = (0..n).map(|i| f64::from((i * 7 + t) % 11) - 5.0).collect();
            let tensor = Tensor::from_vec(gradient.clone(), n as usize, &Device::Cpu).unwrap();
            adam.step(&theta, &tensor, 6e-4, 1.0).unwrap();
            for i in 0..n as usize {
                let g = gradient[i] + 1e-3 * w[i];
                m[i] = 0.5 * m[i] + 0.5 * g;
                s[i] = 0.999 * s[i] + 0.001 * g * g;
                let (first, second) = (m[i] / (1.0 - 0.5f64.powi(t)), s[i] / (1.0 - 0.999f64.powi(t)));
                w[i] -= 6e-4 * first / (second.sqrt() + 1e-8);
            }
        }
        for (found, expected) in theta.to_vec1::<f64>().unwrap().into_iter().zip(w) {
            assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
        }
    }
}
