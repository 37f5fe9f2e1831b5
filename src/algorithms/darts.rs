//! First-order DARTS (Liu, Simonyan, Yang, ICLR 2019): Adam on what a softmax takes. Knows no space.

use crate::algorithms::bilevel::{Bilevel, Rule, relaxed};
use crate::algorithms::contract::search::{Search, Setup};
use crate::spaces::contract::relaxed::Mixing;

/// `quark0/darts` cnn/architect.py, as PC-DARTS took it over.
const BETAS: (f64, f64) = (0.5, 0.999);
const DECAY: f64 = 1e-3;
const EPSILON: f64 = 1e-8;

/// Adam on a few hundred values (`training/adam.rs` is for whole networks); moments in `f32`, first then second.
struct Adam {
    rate: f64,
    steps: u64,
    moments: Vec<f32>,
}

pub fn start<'a>(setup: &Setup<'a>) -> Result<Box<dyn Search + 'a>, String> {
    let training = setup.training.as_ref().ok_or("darts trains and was given no samples")?;
    let network = relaxed(setup, Mixing::Softmax)?;
    let count = network.parameters().elem_count();
    let rule = Adam { rate: training.params.architecture_rate, steps: 0, moments: vec![0.0; 2 * count] };
    Ok(Box::new(Bilevel::new(training, network, Box::new(rule))?))
}

impl Rule for Adam {
    fn step(&mut self, values: &mut [f32], gradient: &[f32]) {
        self.steps += 1;
        let power = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let (first, second) = self.moments.split_at_mut(values.len());
        for (((w, g), m), s) in values.iter_mut().zip(gradient).zip(first).zip(second) {
            let g = f64::from(*g) + DECAY * f64::from(*w);
            *m = (BETAS.0 * f64::from(*m) + (1.0 - BETAS.0) * g) as f32;
            *s = (BETAS.1 * f64::from(*s) + (1.0 - BETAS.1) * g * g) as f32;
            let mean = f64::from(*m) / (1.0 - BETAS.0.powi(power));
            let square = f64::from(*s) / (1.0 - BETAS.1.powi(power));
            *w = (f64::from(*w) - self.rate * mean / (square.sqrt() + EPSILON)) as f32;
        }
    }

    fn state(&self) -> Vec<f32> {
        self.moments.clone()
    }

    fn restore(&mut self, state: &[f32], steps: u64) -> bool {
        self.steps = steps;
        let fits = state.len() == self.moments.len();
        if fits {
            self.moments.copy_from_slice(state);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::Adam;
    use crate::algorithms::bilevel::Rule;
    use crate::training::adam;
    use candle_core::{Device, Tensor, Var};

    #[test]
    fn steps_are_those_of_the_optimiser_for_networks() {
        let theta = Var::new(&[1f64, -0.5, 0.25], &Device::Cpu).unwrap();
        let params = adam::AdamParams { betas: super::BETAS, epsilon: super::EPSILON, weight_decay: super::DECAY };
        let mut whole = adam::Adam::new(params, &theta);
        let mut rule = Adam { rate: 6e-4, steps: 0, moments: vec![0.0; 6] };
        let mut values = [1f32, -0.5, 0.25];
        for t in 1..=4 {
            let gradient = [0.5 * f64::from(t), -0.25, 1.0 / f64::from(t)];
            whole.step(&theta, &Tensor::new(&gradient, &Device::Cpu).unwrap(), 6e-4, 1.0).unwrap();
            rule.step(&mut values, &gradient.map(|g| g as f32));
        }
        for (a, b) in values.iter().zip(theta.to_vec1::<f64>().unwrap()) {
            assert!((f64::from(*a) - b).abs() < 1e-6, "{a} instead of {b}");
        }
    }
}
