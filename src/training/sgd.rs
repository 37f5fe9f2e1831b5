//! Stochastic gradient descent with momentum, Nesterov's look-ahead and coupled weight decay on every parameter, as
//! `torch.optim.SGD` does it. Knows no schedule and no loss.

use crate::artifacts::weights::Saved;
use crate::nn::parameters::{LoadError, ParameterSet};
use candle_core::backprop::GradStore;
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
    /// One velocity per parameter; starts at 0, which equals PyTorch's start with the first gradient.
    velocities: Vec<Vec<f32>>,
}

impl Sgd {
    pub fn new(params: SgdParams, set: &ParameterSet) -> Self {
        let velocities = set.parameters.iter().map(|p| vec![0f32; p.var.elem_count()]).collect();
        Sgd { params, velocities }
    }

    /// g ← gradient + decay·w; v ← momentum·v + g; w ← w − rate·(g + momentum·v), or rate·v without Nesterov.
    /// A parameter without a gradient stays as it is.
    pub fn step(&mut self, set: &ParameterSet, gradients: &GradStore, rate: f64) -> Result<()> {
        let (momentum, decay, rate) = (self.params.momentum as f32, self.params.weight_decay as f32, rate as f32);
        for (parameter, velocity) in set.parameters.iter().zip(&mut self.velocities) {
            let Some(gradient) = gradients.get(&parameter.var) else { continue };
            let gradient = gradient.flatten_all()?.to_vec1::<f32>()?;
            let mut weights = parameter.var.flatten_all()?.to_vec1::<f32>()?;
            for ((w, v), g) in weights.iter_mut().zip(velocity).zip(gradient) {
                let g = g + decay * *w;
                *v = momentum * *v + g;
                *w -= rate * if self.params.nesterov { g + momentum * *v } else { *v };
            }
            parameter.var.set(&Tensor::from_vec(weights, parameter.var.shape(), parameter.var.device())?)?;
        }
        Ok(())
    }

    /// The velocities, named after their parameters.
    pub fn save(&self, set: &ParameterSet) -> Vec<Saved> {
        let pairs = set.parameters.iter().zip(&self.velocities);
        pairs.map(|(p, v)| Saved { name: p.name.clone(), shape: p.var.dims().to_vec(), values: v.clone() }).collect()
    }

    pub fn load(&mut self, set: &ParameterSet, saved: &[Saved]) -> std::result::Result<(), LoadError> {
        for (parameter, velocity) in set.parameters.iter().zip(&mut self.velocities) {
            let name = &parameter.name;
            let found = saved.iter().find(|s| s.name == *name).ok_or_else(|| LoadError::Missing(name.clone()))?;
            if found.values.len() != velocity.len() {
                let (expected, found) = (parameter.var.dims().to_vec(), found.shape.clone());
                return Err(LoadError::Shape { name: name.clone(), expected, found });
            }
            velocity.copy_from_slice(&found.values);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Sgd, SgdParams};
    use crate::nn::parameters::Builder;
    use crate::seed::Purpose;

    /// Minimises 1.5·w² from w = 1 for three steps at rate 0.1.
    fn descend(params: SgdParams) -> Vec<f32> {
        let mut builder = Builder::new(Purpose::new(0, "test", "sgd"));
        builder.parameter("w", &[1], |_| 1.0).unwrap();
        let set = builder.finish();
        let mut sgd = Sgd::new(params, &set);
        let mut path = Vec::new();
        for _ in 0..3 {
            let loss = (set.parameters[0].var.sqr().unwrap().sum_all().unwrap() * 1.5).unwrap();
            sgd.step(&set, &loss.backward().unwrap(), 0.1).unwrap();
            path.push(set.save().unwrap()[0].values[0]);
        }
        path
    }

    #[test]
    fn three_steps_match_the_formula_by_hand() {
        // g = 3w: w₁ = 0.7; w₂ = 0.7 − 0.1·2.1 = 0.49; w₃ = 0.343
        let plain = descend(SgdParams { momentum: 0.0, nesterov: true, weight_decay: 0.0 });
        // v₁ = 3, v₂ = 2.7 + 2.1 = 4.8, v₃ = 4.32 + 0.66 = 4.98
        let heavy = descend(SgdParams { momentum: 0.9, nesterov: false, weight_decay: 0.0 });
        // w₁ = 1 − 0.1·(3 + 2.7) = 0.43; v₂ = 2.7 + 1.29 = 3.99; w₂ = 0.43 − 0.1·(1.29 + 3.591); …
        let nesterov = descend(SgdParams { momentum: 0.9, nesterov: true, weight_decay: 0.0 });
        // decay 1 makes g = 4w
        let decayed = descend(SgdParams { momentum: 0.0, nesterov: false, weight_decay: 1.0 });
        for (found, expected) in [
            (plain, [0.7, 0.49, 0.343]),
            (heavy, [0.7, 0.22, -0.278]),
            (nesterov, [0.43, -0.0581, -0.348_173]),
            (decayed, [0.6, 0.36, 0.216]),
        ] {
            for (f, e) in found.iter().zip(expected) {
                assert!((f - e as f32).abs() < 1e-6, "{found:?} instead of {expected:?}");
            }
        }
    }
}
