//! Batch normalisation layer with running statistics, PyTorch's constants (epsilon 1e-5, momentum 0.1) by default.

use crate::nn::network::Mode;
use crate::nn::parameters::{Buffer, Builder};
use crate::ops::batch_norm::{self, BatchStatistics};
use candle_core::{Result, Tensor};

#[derive(Clone, Debug)]
pub struct BatchNorm {
    gamma: Tensor,
    beta: Tensor,
    mean: Buffer,
    variance: Buffer,
    epsilon: f64,
    momentum: f64,
}

impl BatchNorm {
    pub fn new(builder: &mut Builder, name: &str, channels: usize) -> Result<Self> {
        builder.within(name, |b| {
            Ok(BatchNorm {
                gamma: b.parameter("weight", &[channels], |_| 1.0)?,
                beta: b.parameter("bias", &[channels], |_| 0.0)?,
                mean: b.buffer("running_mean", channels, 0.0),
                variance: b.buffer("running_var", channels, 1.0),
                epsilon: 1e-5,
                momentum: 0.1,
            })
        })
    }

    /// (N,C,…) to the same shape. Training moves the running statistics: running ← 0.9·running + 0.1·batch.
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        if mode == Mode::Evaluate {
            let statistics = BatchStatistics { mean: self.mean.values(), variance: self.variance.values() };
            return batch_norm::evaluate(x, &self.gamma, &self.beta, &statistics, self.epsilon);
        }
        let (y, batch) = batch_norm::train(x, &self.gamma, &self.beta, self.epsilon)?;
        for (buffer, batch) in [(&self.mean, batch.mean), (&self.variance, batch.variance)] {
            buffer.update(|running| {
                for (running, batch) in running.iter_mut().zip(batch) {
                    let moved = (1.0 - self.momentum) * f64::from(*running) + self.momentum * f64::from(batch);
                    *running = moved as f32;
                }
            });
        }
        Ok(y)
    }
}
