//! The loop of gradient-based searches: a step of the weights on one half of the samples, a step of the architecture on the other
//! (methods spec §4.3). Knows no space, and no rule by which the architecture moves.

use crate::algorithms::contract::search::{LoopParams, Search, Setup, Training};
use crate::artifacts::architecture::Architecture;
use crate::artifacts::search_log::{SEARCH_FORMAT, SearchEpoch, SearchLog};
use crate::artifacts::weights::Saved;
use crate::seed::Purpose;
use crate::spaces::contract::relaxed::{Half, Mixing, Relaxed, RelaxedParams};
use crate::tasks::contract::objective::Objective;
use crate::training::clip;
use crate::training::error::TrainError;
use crate::training::order::Order;
use crate::training::resumable::{Resumable, StepReport};
use crate::training::schedule::Schedule;
use crate::training::sgd::{Sgd, SgdParams};
use crate::training::state;
use crate::training::update::Memory;
use candle_core::{Device, Tensor, Var};
use serde::{Deserialize, Serialize};

/// How a step of the architecture moves its parameters.
pub trait Rule {
    fn step(&mut self, parameters: &Var, gradient: &Tensor) -> candle_core::Result<()>;
    /// What it remembers between steps.
    fn memory(&self) -> &[f32];
    /// Where that is put back, after so many steps.
    fn restore(&mut self, steps: u64) -> &mut [f32];
}

/// Cells times positions of a batch that may keep what the backward pass needs, on series and on planes: with 16 channels about 1 GB
/// (measured: docs/performance.md).
const KEPT: [usize; 2] = [3 << 16, 1 << 19];

/// The search network of the cell's space.
pub fn relaxed(setup: &Setup<'_>, mixing: Mixing) -> Result<Box<dyn Relaxed>, String> {
    let open = setup.relaxed.ok_or_else(|| format!("space `{}` has no search network", setup.space))?;
    let Some(Training { params, seed, stage, .. }) = &setup.training else {
        return Err(format!("space `{}`: no samples to search with", setup.space));
    };
    let LoopParams { width, cells, nodes, partial, reductions, batch, .. } = *params;
    let positions = batch * setup.shape.spatial.iter().product::<usize>();
    let kept = KEPT[usize::from(setup.shape.spatial.len() > 1)] / positions.max(1);
    let again = cells.saturating_sub(kept);
    let init = Purpose::new(*seed, stage, "init");
    let primitives = setup.primitives.clone();
    open(setup.shape, &RelaxedParams { width, cells, nodes, partial, reductions, mixing, primitives, again, init })
}

/// One finished epoch; numbers as bits, since a decimal text may lose the last one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Epoch {
    steps: [u64; 2],
    losses: [u64; 2],
    parameters: Vec<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    step: u64,
    architecture_steps: u64,
    steps: [u64; 2],
    sums: [u64; 2],
    log: Vec<Epoch>,
}

pub struct Bilevel<'a> {
    objective: &'a dyn Objective,
    relaxed: Box<dyn Relaxed>,
    rule: Box<dyn Rule>,
    params: LoopParams,
    order: Order,
    schedule: Schedule,
    sgd: Sgd,
    shuffling: Purpose,
    pairing: Purpose,
    /// Steps of the weights in all, and done so far.
    total: u64,
    step: u64,
    architecture_steps: u64,
    /// Of the current epoch, for weights and architecture: steps, sums of losses.
    steps: [u64; 2],
    sums: [f64; 2],
    log: Vec<Epoch>,
    /// Items of one epoch, and the architecture's partners, kept until the next.
    items: Option<(u64, Vec<usize>, Option<Vec<usize>>)>,
}

impl<'a> Bilevel<'a> {
    /// Errors: too few samples for two halves.
    pub fn new(training: &Training<'a>, relaxed: Box<dyn Relaxed>, rule: Box<dyn Rule>) -> Result<Self, String> {
        let params = training.params.clone();
        let samples = training.objective.training_samples() / 2; // an odd one is left out
        if samples == 0 || params.batch == 0 {
            let found = training.objective.training_samples();
            return Err(format!("a search needs two samples or more and a batch of at least one, found {found}"));
        }
        let order = Order { samples, batch: params.batch, shuffle: true, drop_last: params.drop_last };
        let total = order.steps(params.epochs, params.whole_epochs, params.records_per_epoch);
        let sgd = SgdParams { momentum: params.momentum, nesterov: false, weight_decay: params.weight_decay };
        let purpose = |name| Purpose::new(training.seed, training.stage, name);
        Ok(Bilevel {
            objective: training.objective,
            sgd: Sgd::new(sgd, relaxed.weights().theta()),
            relaxed,
            rule,
            schedule: Schedule::Cosine { base: params.learning_rate, epochs: params.epochs },
            params,
            order,
            shuffling: purpose("order"),
            pairing: purpose("pairing"),
            total,
            step: 0,
            architecture_steps: 0,
            steps: [0; 2],
            sums: [0.0; 2],
            log: Vec::new(),
            items: None,
        })
    }

    /// Numbers of the samples of one step: of the weights, and of the architecture in the other half.
    fn draw(&mut self, epoch: u64, index: u64) -> [Vec<usize>; 2] {
        if self.items.as_ref().is_none_or(|(of, ..)| *of != epoch) {
            let items = self.order.epoch(self.shuffling, epoch);
            let partners = self.params.fresh_pairs.then(|| self.pairing.at(epoch).permutation(self.order.samples));
            self.items = Some((epoch, items, partners));
        }
        let (_, items, partners) = self.items.as_ref().expect("made above");
        let weights = self.order.slice(items, index).to_vec();
        let partners = match partners {
            Some(partners) => self.order.slice(partners, index).to_vec(),
            None => weights.clone(),
        };
        [weights, partners.into_iter().map(|p| p + self.order.samples).collect()]
    }

    fn loss(&self, samples: &[usize], epoch: u64, half: Half) -> Result<(Tensor, f32), TrainError> {
        let batch = self.objective.training_batch(samples, epoch)?;
        let output = self.relaxed.forward(&batch.inputs, half, self.step)?;
        let loss = self.objective.loss(&output, &batch.targets)?;
        let value = loss.to_scalar::<f32>()?;
        if value.is_finite() {
            Ok((loss, value))
        } else {
            Err(TrainError::Diverged { step: self.step, epoch, loss: value })
        }
    }

    fn note(&mut self, which: usize, loss: f32) {
        self.steps[which] += 1;
        self.sums[which] += f64::from(loss);
    }

    fn weights(&mut self, samples: &[usize], epoch: u64) -> Result<(), TrainError> {
        let (loss, value) = self.loss(samples, epoch, Half::Weights)?;
        let gradients = loss.backward()?;
        drop(loss); // frees the activations
        let theta = self.relaxed.weights().theta();
        let gradient = gradients.get(theta).ok_or_else(|| missing("weights"))?;
        let scale = clip::factor(clip::norm(gradient)?, self.params.clip);
        self.sgd.step(theta, gradient, self.schedule.at(epoch), scale)?;
        self.note(0, value);
        Ok(())
    }

    fn architecture(&mut self, samples: &[usize], epoch: u64) -> Result<(), TrainError> {
        let (loss, value) = self.loss(samples, epoch, Half::Architecture)?;
        let gradients = loss.backward()?;
        drop(loss);
        let alpha = self.relaxed.parameters();
        let gradient = gradients.get(alpha).ok_or_else(|| missing("architecture"))?;
        self.rule.step(alpha, gradient)?;
        self.architecture_steps += 1;
        self.note(1, value);
        Ok(())
    }

    fn parameters(&self) -> Result<Vec<f32>, TrainError> {
        Ok(self.relaxed.parameters().to_vec1::<f32>()?)
    }

    fn epochs(&self) -> u64 {
        self.total.div_ceil(self.order.batches())
    }
}

fn missing(what: &str) -> TrainError {
    TrainError::State(format!("the loss does not depend on the {what}"))
}

impl Resumable for Bilevel<'_> {
    fn done(&self) -> bool {
        self.step >= self.total
    }

    fn step(&mut self) -> Result<StepReport, TrainError> {
        let batches = self.order.batches();
        let (epoch, index) = (self.step / batches, self.step % batches);
        let [weights, architecture] = self.draw(epoch, index);
        let moves = epoch >= self.params.warmup;
        if moves && self.params.architecture_first {
            self.architecture(&architecture, epoch)?;
        }
        self.weights(&weights, epoch)?;
        if moves && !self.params.architecture_first {
            self.architecture(&architecture, epoch)?;
        }
        self.step += 1;
        let mean = self.sums[0] / self.steps[0] as f64;
        if index + 1 == batches || self.done() {
            let losses = [0, 1].map(|i| (self.sums[i] / self.steps[i] as f64).to_bits());
            let parameters = self.parameters()?.iter().map(|v| v.to_bits()).collect();
            self.log.push(Epoch { steps: self.steps, losses, parameters });
            (self.steps, self.sums) = ([0; 2], [0.0; 2]);
        }
        let warm = if moves { "" } else { ", weights only" };
        let note = format!("epoch {}/{}, loss {mean:.4}{warm}", epoch + 1, self.epochs());
        Ok(StepReport { unit: "step", done: self.step, total: self.total, note })
    }

    fn state(&self) -> Result<Vec<u8>, TrainError> {
        let position = Position {
            step: self.step,
            architecture_steps: self.architecture_steps,
            steps: self.steps,
            sums: self.sums.map(f64::to_bits),
            log: self.log.clone(),
        };
        let flat = |name: &str, values: Vec<f32>| Saved { name: name.into(), shape: vec![values.len()], values };
        let mut arrays: Vec<Saved> = state::prefixed("network", self.relaxed.weights().save()?).collect();
        if let Memory::F32(velocity) = self.sgd.memory() {
            arrays.push(flat("velocity", velocity.clone()));
        }
        arrays.push(flat("architecture", self.parameters()?));
        arrays.push(flat("rule", self.rule.memory().to_vec()));
        state::pack(&position, &arrays)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), TrainError> {
        let (position, arrays) = state::unpack::<Position>(state)?;
        if position.step > self.total {
            return Err(TrainError::State(format!("{} of {} steps are done", position.step, self.total)));
        }
        let alpha = self.relaxed.parameters();
        let parameters = state::array(&arrays, "architecture", alpha.elem_count())?;
        let rule = state::array(&arrays, "rule", self.rule.memory().len())?;
        let Memory::F32(velocity) = self.sgd.memory_mut() else {
            return Err(TrainError::State("a reference network is not restored".into()));
        };
        *velocity = state::array(&arrays, "velocity", velocity.len())?;
        self.relaxed.weights().load(&state::of_prefix("network", &arrays))?;
        self.rule.restore(position.architecture_steps).copy_from_slice(&rule);
        alpha.set(&Tensor::from_slice(&parameters, parameters.len(), &Device::Cpu)?)?;
        (self.step, self.architecture_steps) = (position.step, position.architecture_steps);
        (self.steps, self.sums) = (position.steps, position.sums.map(f64::from_bits));
        (self.log, self.items) = (position.log, None);
        Ok(())
    }
}

impl Search for Bilevel<'_> {
    fn outcome(&self) -> Result<Architecture, TrainError> {
        self.relaxed.architecture(&self.parameters()?).map_err(TrainError::State)
    }

    fn log(&self) -> Result<Option<SearchLog>, TrainError> {
        let epoch = |(epoch, line): (u64, &Epoch)| {
            let parameters: Vec<f32> = line.parameters.iter().map(|v| f32::from_bits(*v)).collect();
            let [loss, architecture_loss] = line.losses.map(f64::from_bits);
            Ok(SearchEpoch {
                epoch,
                learning_rate: self.schedule.at(epoch),
                steps: line.steps[0],
                loss,
                architecture_steps: line.steps[1],
                architecture_loss: (line.steps[1] > 0).then_some(architecture_loss),
                entropy: self.relaxed.entropy(&parameters),
                mixture: self.relaxed.mixture(&parameters),
                architecture: self.relaxed.architecture(&parameters).map_err(TrainError::State)?.body,
                parameters,
            })
        };
        Ok(Some(SearchLog {
            format: SEARCH_FORMAT,
            steps: self.total,
            samples: self.order.samples as u64,
            weights: self.relaxed.weights().count(),
            epochs: (0..).zip(&self.log).map(epoch).collect::<Result<_, TrainError>>()?,
        }))
    }
}
