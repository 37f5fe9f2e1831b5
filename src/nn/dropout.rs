//! Dropout layer: one stream per layer and optimiser step, nothing to save.

use crate::nn::network::Mode;
use crate::ops::dropout;
use crate::seed::Purpose;
use candle_core::{Result, Tensor};

#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    rate: f64,
    purpose: Purpose,
}

impl Dropout {
    /// `purpose` must differ between the layers of a network.
    pub fn new(rate: f64, purpose: Purpose) -> Self {
        Dropout { rate, purpose }
    }

    pub fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        match mode {
            Mode::Train { step } if self.rate > 0.0 => dropout::dropout(x, self.rate, self.purpose.at(step)),
            _ => Ok(x.clone()),
        }
    }
}
