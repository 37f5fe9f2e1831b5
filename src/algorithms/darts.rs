//! First-order DARTS (Liu, Simonyan, Yang, ICLR 2019): Adam on what a softmax takes. Knows no space.

use crate::algorithms::bilevel::{Bilevel, Rule, relaxed};
use crate::algorithms::contract::search::{Search, Setup};
use crate::spaces::contract::relaxed::Mixing;
use crate::training::adam::{Adam, AdamParams};
use crate::training::update::Memory;
use candle_core::{Result, Tensor, Var};

/// `quark0/darts` cnn/architect.py, as PC-DARTS took it over.
const PARAMS: AdamParams = AdamParams { betas: (0.5, 0.999), epsilon: 1e-8, weight_decay: 1e-3 };

struct Moments {
    rate: f64,
    adam: Adam,
}

pub fn start<'a>(setup: &Setup<'a>) -> std::result::Result<Box<dyn Search + 'a>, String> {
    let training = setup.training.as_ref().ok_or("darts trains and was given no samples")?;
    let network = relaxed(setup, Mixing::Softmax)?;
    let rule = Moments { rate: training.params.architecture_rate, adam: Adam::new(PARAMS, network.parameters()) };
    Ok(Box::new(Bilevel::new(training, network, Box::new(rule))?))
}

impl Rule for Moments {
    fn step(&mut self, parameters: &Var, gradient: &Tensor) -> Result<()> {
        self.adam.step(parameters, gradient, self.rate, 1.0)
    }

    fn memory(&self) -> &[f32] {
        match self.adam.memory().1 {
            Memory::F32(moments) => moments,
            Memory::F64(_) => &[], // a reference network is not searched in
        }
    }

    fn restore(&mut self, steps: u64) -> &mut [f32] {
        match self.adam.restore(steps) {
            Memory::F32(moments) => moments,
            Memory::F64(_) => &mut [],
        }
    }
}
