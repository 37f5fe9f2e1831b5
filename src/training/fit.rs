//! The loop of optimiser steps: order of samples, learning rate, gradient, update, epoch losses. The loss is a closure:
//! this file knows no network, no task and no context.

use crate::artifacts::training_log::EpochLog;
use crate::artifacts::weights::Saved;
use crate::nn::parameters::ParameterSet;
use crate::seed::Purpose;
use crate::training::clip;
use crate::training::error::TrainError;
use crate::training::order::Order;
use crate::training::resumable::{Resumable, StepReport};
use crate::training::schedule::Schedule;
use crate::training::sgd::{Sgd, SgdParams};
use crate::training::state;
use crate::training::update::Memory;
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// What a step trains on.
#[derive(Clone, Copy, Debug)]
pub struct Draw<'a> {
    /// Optimiser step since the start, from 0.
    pub step: u64,
    /// Pass through the loader, from 0.
    pub epoch: u64,
    /// Numbers of training samples.
    pub samples: &'a [usize],
}

#[derive(Clone, Debug)]
pub struct FitParams {
    /// Optimiser steps in all; an epoch is `order.batches()` of them, the last one may be cut short.
    pub steps: u64,
    pub order: Order,
    pub schedule: Schedule,
    pub sgd: SgdParams,
    /// Limit of the gradient's norm; `None`: it is taken as it is.
    pub clip: Option<f64>,
    /// Purpose of the orders of the epochs.
    pub shuffling: Purpose,
}

/// All of the state besides arrays; losses as bits, since a decimal text may lose the last one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    step: u64,
    sum: u64,
    log: Vec<(u64, u64)>,
}

/// The loss of a draw, a scalar tensor whose graph leads to the parameters.
pub type Loss<'a> = Box<dyn Fn(Draw<'_>) -> Result<Tensor, TrainError> + 'a>;

pub struct Fit<'a> {
    params: FitParams,
    set: &'a ParameterSet,
    sgd: Sgd,
    loss: Loss<'a>,
    step: u64,
    /// Sum of the losses of the current epoch.
    sum: f64,
    /// Mean loss and number of steps of each finished epoch.
    log: Vec<(f64, u64)>,
    /// The order of one epoch, kept until the next.
    order: Option<(u64, Vec<usize>)>,
}

impl<'a> Fit<'a> {
    pub fn new(params: FitParams, set: &'a ParameterSet, loss: Loss<'a>) -> Result<Self, TrainError> {
        if params.order.samples == 0 || params.order.batch == 0 {
            return Err(TrainError::Data("training needs at least one sample and a batch of at least one".into()));
        }
        let sgd = Sgd::new(params.sgd, set.theta());
        Ok(Fit { params, set, sgd, loss, step: 0, sum: 0.0, log: Vec::new(), order: None })
    }

    /// The log of all finished epochs.
    pub fn log(&self) -> Vec<EpochLog> {
        let lines = self.log.iter().zip(0..);
        lines
            .map(|((loss, steps), epoch)| EpochLog {
                epoch,
                learning_rate: self.params.schedule.at(epoch),
                steps: *steps,
                loss: *loss,
            })
            .collect()
    }

    fn epochs(&self) -> u64 {
        self.params.steps.div_ceil(self.params.order.batches())
    }
}

impl Resumable for Fit<'_> {
    fn done(&self) -> bool {
        self.step >= self.params.steps
    }

    fn step(&mut self) -> Result<StepReport, TrainError> {
        let batches = self.params.order.batches();
        let (epoch, index) = (self.step / batches, self.step % batches);
        if self.order.as_ref().is_none_or(|(of, _)| *of != epoch) {
            self.order = Some((epoch, self.params.order.epoch(self.params.shuffling, epoch)));
        }
        let order = &self.order.as_ref().expect("made above").1;
        let samples = self.params.order.slice(order, index);
        let loss = (self.loss)(Draw { step: self.step, epoch, samples })?;
        let value = loss.to_scalar::<f32>()?;
        if !value.is_finite() {
            return Err(TrainError::Diverged { step: self.step, epoch, loss: value });
        }
        let gradients = loss.backward()?;
        drop(loss); // frees the activations before the update copies parameters
        let gradient = gradients
            .get(self.set.theta())
            .ok_or_else(|| TrainError::State("the loss does not depend on the parameters".into()))?;
        let scale = match self.params.clip {
            Some(limit) => clip::factor(clip::norm(gradient)?, limit),
            None => 1.0,
        };
        self.sgd.step(self.set.theta(), gradient, self.params.schedule.at(epoch), scale)?;
        self.step += 1;
        self.sum += f64::from(value);
        if index + 1 == batches || self.done() {
            self.log.push((self.sum / (index + 1) as f64, index + 1));
            self.sum = 0.0;
        }
        let note = format!("epoch {}/{}, loss {value:.4}", epoch + 1, self.epochs());
        Ok(StepReport { unit: "step", done: self.step, total: self.params.steps, note })
    }

    fn state(&self) -> Result<Vec<u8>, TrainError> {
        let log = self.log.iter().map(|(loss, steps)| (loss.to_bits(), *steps)).collect();
        let position = Position { step: self.step, sum: self.sum.to_bits(), log };
        let mut arrays: Vec<Saved> = state::prefixed("network", self.set.save()?).collect();
        if let Memory::F32(velocity) = self.sgd.memory() {
            arrays.push(Saved { name: "velocity".into(), shape: vec![velocity.len()], values: velocity.clone() });
        }
        state::pack(&position, &arrays)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), TrainError> {
        let (position, arrays) = state::unpack::<Position>(state)?;
        if position.step > self.params.steps {
            return Err(TrainError::State(format!("{} of {} steps are done", position.step, self.params.steps)));
        }
        let Memory::F32(velocity) = self.sgd.memory_mut() else {
            return Err(TrainError::State("a reference network is not restored".into()));
        };
        *velocity = state::array(&arrays, "velocity", velocity.len())?;
        self.set.load(&state::of_prefix("network", &arrays))?;
        self.step = position.step;
        self.sum = f64::from_bits(position.sum);
        self.log = position.log.into_iter().map(|(loss, steps)| (f64::from_bits(loss), steps)).collect();
        self.order = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Draw, Fit, FitParams, Loss};
    use crate::nn::builder::Builder;
    use crate::nn::parameters::ParameterSet;
    use crate::seed::Purpose;
    use crate::training::error::TrainError;
    use crate::training::order::Order;
    use crate::training::resumable::Resumable;
    use crate::training::schedule::Schedule;
    use crate::training::sgd::SgdParams;
    use candle_core::{Device, Tensor};

    fn set() -> ParameterSet {
        let mut builder = Builder::new(Purpose::new(0, "test", "fit"));
        builder.parameter("w", &[3], |s| s.normal());
        builder.parameters().unwrap()
    }

    fn params(steps: u64, base: f64) -> FitParams {
        FitParams {
            steps,
            order: Order { samples: 7, batch: 3, shuffle: true, drop_last: false },
            schedule: Schedule::Steps { base, gamma: 0.5, milestones: vec![2] },
            sgd: SgdParams { momentum: 0.9, nesterov: true, weight_decay: 1e-3 },
            clip: Some(20.0),
            shuffling: Purpose::new(0, "test", "order"),
        }
    }

    /// Least squares on points that depend on the sample numbers drawn.
    fn loss(set: &ParameterSet) -> Loss<'_> {
        Box::new(|draw: Draw<'_>| {
            let rows: Vec<f32> = draw.samples.iter().flat_map(|s| [1.0, *s as f32, (s * s) as f32 / 10.0]).collect();
            let rows = Tensor::from_vec(rows, (draw.samples.len(), 3), &Device::Cpu)?;
            Ok((rows.broadcast_mul(set.theta())?.sum(1)? - 1.0)?.sqr()?.mean_all()?)
        })
    }

    #[test]
    fn cut_at_any_step_it_ends_with_the_same_state() {
        let whole = set();
        let mut fit = Fit::new(params(11, 1e-3), &whole, loss(&whole)).unwrap();
        while !fit.done() {
            fit.step().unwrap();
        }
        let expected = (fit.state().unwrap(), fit.log());
        assert_eq!(expected.1.iter().map(|l| l.steps).collect::<Vec<_>>(), [3, 3, 3, 2]);
        assert_eq!(expected.1[2].learning_rate, 5e-4);
        assert!(expected.1[3].loss < expected.1[0].loss);
        for cut in 0..=11 {
            let first = set();
            let mut fit = Fit::new(params(11, 1e-3), &first, loss(&first)).unwrap();
            (0..cut).for_each(|_| drop(fit.step().unwrap()));
            let state = fit.state().unwrap();
            let second = set();
            let mut fit = Fit::new(params(11, 1e-3), &second, loss(&second)).unwrap();
            fit.restore(&state).unwrap();
            while !fit.done() {
                fit.step().unwrap();
            }
            assert_eq!((fit.state().unwrap(), fit.log()), expected, "cut after step {cut}");
        }
    }

    #[test]
    fn divergence_is_an_error_with_its_step() {
        let set = set();
        let mut fit = Fit::new(params(500, 1e6), &set, loss(&set)).unwrap();
        let error = loop {
            match fit.step() {
                Ok(_) => assert!(!fit.done()),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, TrainError::Diverged { step, .. } if step > 0), "{error}");
    }

    #[test]
    fn a_damaged_state_is_refused() {
        let set = set();
        let mut fit = Fit::new(params(4, 1e-3), &set, loss(&set)).unwrap();
        let state = fit.state().unwrap();
        for end in 0..state.len() {
            assert!(fit.restore(&state[..end]).is_err());
        }
        fit.restore(&state).unwrap();
    }
}
