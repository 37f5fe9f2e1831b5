//! The retrain stage: trains the architecture found from scratch and writes its weights. Knows no task and no space.

use crate::artifacts::dataset::{Target, TaskShape};
use crate::artifacts::samples::SplitChoice;
use crate::artifacts::training_log::{TRAINING_FILE, TRAINING_FORMAT, TrainingLog};
use crate::artifacts::weights::{WEIGHTS_FILE, encode};
use crate::nn::network::Mode;
use crate::ops::ramp::Ramp;
use crate::seed::Purpose;
use crate::spaces::contract::child::{BuildChild, ChildError, ChildParams};
use crate::stages::accounting::Accounting;
use crate::stages::canonical::{self, Gate, Reader, Reads};
use crate::stages::context::{Context, StageError};
use crate::stages::drive::{drive, stage_error};
use crate::stages::entry::{Kind, Setting};
use crate::stages::first_frame::{self, FIRST_FRAME, FirstFrame};
use crate::stages::inputs;
use crate::stages::network;
use crate::tasks::contract::objective::{ObjectiveParams, OpenObjective};
use crate::training::fit::{Draw, Fit, FitParams, Loss};
use crate::training::order::Order;
use crate::training::schedule::{Schedule, scaled_milestones};
use crate::training::sgd::SgdParams;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Published length and milestones (`NB360:backbone/scripts/*.yaml`, methods §2.4).
const PUBLISHED_EPOCHS: u64 = 200;
const PUBLISHED_MILESTONES: &[u64] = &[60, 120, 160];
const STAGE: &str = "retrain";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rates {
    /// Times gamma at each milestone.
    Steps,
    /// Half a cosine over the epochs, to 0.
    Cosine,
}

/// Over how many epochs drop-path of dense networks rises to its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DenseDropPath {
    /// Four times those of the training: 600 of 150 upstream (methods spec §4.8).
    Quarter,
    Whole,
}

/// Typed settings; the defaults are the published ones of the wide residual network on CIFAR-100.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrainParams {
    #[serde(rename = "retrain.epochs", default = "epochs")]
    pub epochs: u64,
    #[serde(rename = "retrain.batch", default = "batch")]
    pub batch: usize,
    #[serde(rename = "retrain.learning_rate", default = "learning_rate")]
    pub learning_rate: f64,
    #[serde(rename = "retrain.momentum", default = "momentum")]
    pub momentum: f64,
    #[serde(rename = "retrain.nesterov", default = "yes")]
    pub nesterov: bool,
    #[serde(rename = "retrain.weight_decay", default = "weight_decay")]
    pub weight_decay: f64,
    /// `None` for spaces without dropout.
    #[serde(rename = "retrain.droprate", default, skip_serializing_if = "Option::is_none")]
    pub droprate: Option<f64>,
    /// Absent in a manifest: 60, 120, 160 of 200 in proportion, none before the first epoch has ended. Written out in the canonical form.
    #[serde(rename = "retrain.milestones", default, skip_serializing_if = "Option::is_none")]
    pub milestones: Option<Vec<u64>>,
    #[serde(rename = "retrain.gamma", default = "gamma")]
    pub gamma: f64,
    #[serde(rename = "retrain.schedule", default = "steps")]
    pub schedule: Rates,
    #[serde(rename = "retrain.clip", default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// `None` for spaces without drop-path.
    #[serde(rename = "retrain.drop_path", default, skip_serializing_if = "Option::is_none")]
    pub drop_path: Option<f64>,
    /// Weight of the auxiliary head's loss; absent where there is no such head.
    #[serde(rename = "retrain.auxiliary", default, skip_serializing_if = "Option::is_none")]
    pub auxiliary: Option<f64>,
    #[serde(rename = "fidelity.darts_first_frame", default, skip_serializing_if = "Option::is_none")]
    pub first_frame: Option<FirstFrame>,
    #[serde(rename = "fidelity.dense_drop_path", default, skip_serializing_if = "Option::is_none")]
    pub dense_drop_path: Option<DenseDropPath>,
    #[serde(rename = "retrain.shuffle", default = "yes")]
    pub shuffle: bool,
    #[serde(rename = "retrain.drop_last", default)]
    pub drop_last: bool,
    #[serde(rename = "retrain.split", default = "last")]
    pub split: SplitChoice,
    #[serde(rename = "retrain.permute_labels", default)]
    pub permute_labels: bool,
    #[serde(rename = "retrain.cutout", default, skip_serializing_if = "Option::is_none")]
    pub cutout: Option<bool>,
    /// Absent: the number of training samples.
    #[serde(rename = "retrain.records_per_epoch", default, skip_serializing_if = "Option::is_none")]
    pub records_per_epoch: Option<u64>,
    #[serde(rename = "fidelity.point_shuffle", default, skip_serializing_if = "Option::is_none")]
    pub point_shuffle: Option<bool>,
    #[serde(rename = "fidelity.epoch_accounting", default = "accounting")]
    pub accounting: Accounting,
}

fn epochs() -> u64 {
    PUBLISHED_EPOCHS
}
fn batch() -> usize {
    128
}
fn learning_rate() -> f64 {
    0.1
}
fn momentum() -> f64 {
    0.9
}
fn weight_decay() -> f64 {
    5e-4
}
fn gamma() -> f64 {
    0.2
}
fn steps() -> Rates {
    Rates::Steps
}
fn yes() -> bool {
    true
}
fn last() -> SplitChoice {
    SplitChoice::Final
}
fn accounting() -> Accounting {
    Accounting::Batches
}

const DROPRATE: Gate = Gate { key: "retrain.droprate", reader: Reader::Space };
const DROP_PATH: Gate = Gate { key: "retrain.drop_path", reader: Reader::Space };
const DENSE_DROP_PATH: Gate = Gate { key: "fidelity.dense_drop_path", reader: Reader::Both };
const AUXILIARY: Gate = Gate { key: "retrain.auxiliary", reader: Reader::Space };
const CUTOUT: Gate = Gate { key: "retrain.cutout", reader: Reader::Task };
const POINT_SHUFFLE: Gate = Gate { key: "fidelity.point_shuffle", reader: Reader::Both };
const GATES: &[Gate] = &[DROPRATE, DROP_PATH, DENSE_DROP_PATH, AUXILIARY, CUTOUT, POINT_SHUFFLE, FIRST_FRAME];

pub fn settings() -> Vec<Setting> {
    let mut settings = own_settings();
    settings.extend(network::settings());
    settings
}

fn own_settings() -> Vec<Setting> {
    let positive = Kind::Float { min: 0.0, max: 1e6 };
    let share = Kind::Float { min: 0.0, max: 0.999 };
    let setting = |key, kind, doc| Setting { key, kind, doc, keyed: true };
    vec![
        setting("retrain.epochs", Kind::Count { min: 1 }, "Epochs of the final training."),
        setting("retrain.batch", Kind::Count { min: 1 }, "Training samples per optimiser step."),
        setting("retrain.learning_rate", positive, "Learning rate before the first milestone."),
        setting("retrain.momentum", share, "Momentum of stochastic gradient descent; at 0 Nesterov is off."),
        setting("retrain.nesterov", Kind::Bool, "Nesterov's look-ahead."),
        setting("retrain.weight_decay", positive, "Coupled L2 decay of all parameters, norms and biases included."),
        setting("retrain.droprate", share, "Dropout inside the blocks of the wide residual network."),
        setting(
            "retrain.milestones",
            Kind::Counts,
            "Epochs at which the rate is multiplied by gamma. Absent: 60, 120, 160 of 200, in proportion to `retrain.epochs`.",
        ),
        setting(
            "retrain.schedule",
            Kind::Choice(&["steps", "cosine"]),
            "`steps`: the rate is multiplied by gamma at each milestone; `cosine`: it falls to 0 over the epochs.",
        ),
        setting("retrain.clip", Kind::Float { min: 1e-6, max: 1e12 }, "Limit of the gradient's norm. Absent: none."),
        setting(
            "retrain.drop_path",
            share,
            "Rate at which DARTS networks lose a primitive's output, at the end of training.",
        ),
        setting(
            "retrain.auxiliary",
            Kind::Float { min: 0.0, max: 100.0 },
            "Weight of the loss of a second head, which DARTS networks of point tasks on planes have while training: 0.4 upstream, on CIFAR-100. Absent or 0: no such head.",
        ),
        first_frame::setting(),
        setting(
            "fidelity.dense_drop_path",
            Kind::Choice(&["quarter", "whole"]),
            "Drop-path of dense DARTS networks rises to a quarter of its rate, or to all of it.",
        ),
        setting("retrain.gamma", Kind::Float { min: 0.0, max: 1.0 }, "Factor on the learning rate at each milestone."),
        setting("retrain.shuffle", Kind::Bool, "A fresh order of the training samples in each epoch."),
        setting("retrain.drop_last", Kind::Bool, "Leave out the last batch of an epoch where it is incomplete."),
        setting(
            "retrain.split",
            Kind::Choice(&["final", "search"]),
            "`final`: train on all training rows, score the test rows; `search`: the split that a search sees.",
        ),
        setting(
            "retrain.permute_labels",
            Kind::Bool,
            "Train on permuted labels: a control whose score must fall back to the trivial predictor's.",
        ),
        setting("retrain.cutout", Kind::Bool, "Cut a hole of 16×16 out of each augmented CIFAR-100 image."),
        setting(
            "retrain.records_per_epoch",
            Kind::Count { min: 1 },
            "Samples that count as one epoch under `fidelity.epoch_accounting = \"batches\"`. Absent: the training samples.",
        ),
        setting(
            "fidelity.point_shuffle",
            Kind::Bool,
            "Shuffle the training samples of the wide residual network on 2D point tasks.",
        ),
        setting(
            "fidelity.epoch_accounting",
            Kind::Choice(&["batches", "epochs"]),
            "Length of a training: floor(epochs · records per epoch / batch) steps, or whole passes of the loader.",
        ),
    ]
}

/// Canonical parameters for a cell whose rows look at `reads`.
pub fn params(settings: Map<String, Value>, reads: Reads<'_>) -> Result<Map<String, Value>, String> {
    let (of_network, settings) = canonical::split(settings, &network::settings());
    let mut params: RetrainParams = canonical::parse(&reads.relevant(settings, GATES))?;
    if params.epochs == 0 || params.batch == 0 {
        return Err("retrain.epochs, retrain.batch: at least 1 was expected".to_string());
    }
    if params.droprate.is_some_and(|rate| !(0.0..1.0).contains(&rate)) {
        return Err("retrain.droprate: a rate in 0..1 was expected".to_string());
    }
    let milestones = params.milestones.take();
    if params.schedule == Rates::Steps {
        params.milestones = Some(
            milestones.unwrap_or_else(|| scaled_milestones(PUBLISHED_MILESTONES, PUBLISHED_EPOCHS, params.epochs)),
        );
    } else {
        params.gamma = gamma();
    }
    reads.fill(&DROPRATE, &mut params.droprate, 0.0);
    reads.fill(&DROP_PATH, &mut params.drop_path, 0.0);
    reads.fill(&DENSE_DROP_PATH, &mut params.dense_drop_path, DenseDropPath::Quarter);
    params.auxiliary = params.auxiliary.filter(|weight| *weight > 0.0);
    reads.fill(&FIRST_FRAME, &mut params.first_frame, FirstFrame::Dropped);
    reads.fill(&CUTOUT, &mut params.cutout, true);
    reads.fill(&POINT_SHUFFLE, &mut params.point_shuffle, false);
    // what cannot matter beside the other values leaves the key
    if params.momentum == 0.0 {
        params.nesterov = false;
    }
    if params.accounting == Accounting::Epochs {
        params.records_per_epoch = None;
    }
    let mut all = canonical::write(&params)?;
    all.extend(network::params(of_network, reads)?);
    Ok(all)
}

impl RetrainParams {
    /// Whether the order of the samples changes from epoch to epoch on a task of this shape.
    fn shuffles(&self, shape: &TaskShape) -> bool {
        let point_2d = shape.spatial.len() == 2 && matches!(shape.target, Target::Point { .. });
        self.shuffle && !(point_2d && self.point_shuffle == Some(false))
    }

    /// Optimiser steps in all; at least one.
    fn steps(&self, order: &Order) -> u64 {
        order.steps(self.epochs, self.accounting == Accounting::Epochs, self.records_per_epoch)
    }

    /// Drop-path whose rate rises over the training.
    fn ramp(&self, shape: &TaskShape, batches: u64) -> Option<Ramp> {
        let most = self.drop_path.filter(|rate| *rate > 0.0)?;
        let dense = matches!(shape.target, Target::Dense { .. });
        let times = if dense && self.dense_drop_path == Some(DenseDropPath::Quarter) { 4 } else { 1 };
        Some(Ramp { most, steps: batches, epochs: self.epochs.saturating_mul(times) })
    }

    fn fit(&self, shape: &TaskShape, samples: usize, seed: u64) -> FitParams {
        let shuffle = self.shuffles(shape);
        let order = Order { samples, batch: self.batch, shuffle, drop_last: self.drop_last };
        let milestones = self.milestones.clone();
        FitParams {
            steps: self.steps(&order),
            order,
            schedule: match self.schedule {
                Rates::Cosine => Schedule::Cosine { base: self.learning_rate, epochs: self.epochs },
                Rates::Steps => Schedule::Steps {
                    base: self.learning_rate,
                    gamma: self.gamma,
                    milestones: milestones
                        .unwrap_or_else(|| scaled_milestones(PUBLISHED_MILESTONES, PUBLISHED_EPOCHS, self.epochs)),
                },
            },
            clip: self.clip,
            sgd: SgdParams { momentum: self.momentum, nesterov: self.nesterov, weight_decay: self.weight_decay },
            shuffling: Purpose::new(seed, STAGE, "order"),
        }
    }
}

/// Slots `dataset` and `architecture` in, `weights.safetensors` and `training.json` out.
pub fn retrain(
    params: &Map<String, Value>,
    objective: OpenObjective,
    child: BuildChild,
    context: &mut dyn Context,
) -> Result<(), StageError> {
    let (of_network, params) = canonical::split(params.clone(), &network::settings());
    let params: RetrainParams = canonical::parse(&params).map_err(StageError::Code)?;
    let seed = context.seed();
    let architecture = inputs::architecture(context)?;
    let samples = inputs::samples(context, params.split)?;
    let objective_params = ObjectiveParams {
        split: params.split,
        seed,
        stage: STAGE,
        permute_labels: params.permute_labels,
        cutout: params.cutout.unwrap_or(true),
        validation_augmented: false,
        fixed_jitter: false,
        unseen_only: false,
        drop_first_frame: params.first_frame == Some(FirstFrame::Dropped),
    };
    let objective = objective(&samples, &objective_params).map_err(StageError::Data)?;
    let fit_params = params.fit(objective.shape(), objective.training_samples(), seed);
    let child_params = ChildParams {
        droprate: params.droprate.unwrap_or(0.0),
        drop_path: params.ramp(objective.shape(), fit_params.order.batches()),
        auxiliary: params.auxiliary.is_some(),
        network: network::parse(&of_network).map_err(StageError::Code)?,
        init: Purpose::new(seed, STAGE, "init"),
        seed,
        stage: STAGE,
    };
    let net = child(&architecture, objective.shape(), &child_params).map_err(child_error)?;
    let loss: Loss<'_> = Box::new(|draw: Draw<'_>| {
        let batch = objective.training_batch(draw.samples, draw.epoch)?;
        let output = net.forward(&batch.inputs, Mode::Train { step: draw.step })?;
        let Some(weight) = params.auxiliary else { return objective.loss(&output, &batch.targets) };
        let half = output.dim(1)? / 2;
        let of = |head: usize| objective.loss(&output.narrow(1, head * half, half)?.contiguous()?, &batch.targets);
        Ok((of(0)? + (of(1)? * weight)?)?)
    });
    let steps = fit_params.steps;
    let mut fit = Fit::new(fit_params, net.parameters(), loss).map_err(stage_error)?;
    drive(&mut fit, context)?;
    let log = TrainingLog {
        format: TRAINING_FORMAT,
        steps,
        samples: objective.training_samples() as u64,
        parameters: net.parameters().count(),
        epochs: fit.log(),
    };
    let mut saved = net.parameters().save().map_err(|e| StageError::Code(e.to_string()))?;
    // a head for training only: the network that is scored has none
    saved.retain(|s| !s.name.starts_with("auxiliary_head"));
    if let Some(bad) = saved.iter().find(|s| s.values.iter().any(|v| !v.is_finite())) {
        return Err(StageError::Numeric(format!(
            "training diverged: `{}` is not finite after {steps} steps",
            bad.name
        )));
    }
    context.write(WEIGHTS_FILE, &encode(&saved).map_err(StageError::Code)?)?;
    let mut log = serde_json::to_vec_pretty(&log).map_err(|e| StageError::Code(e.to_string()))?;
    log.push(b'\n');
    context.write(TRAINING_FILE, &log)
}

/// An architecture that does not fit is bad input; a tensor error is a bug.
fn child_error(error: ChildError) -> StageError {
    match error {
        ChildError::Architecture(message) => StageError::Data(message),
        ChildError::Tensor(error) => StageError::Code(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{RetrainParams, params};
    use crate::artifacts::dataset::{Target, TaskShape};
    use crate::stages::canonical::{self, Reads};
    use serde_json::{Map, Value, json};

    /// The wide residual network on a point task without images of its own augmentation.
    const WRN: Reads<'static> = Reads {
        task: &["fidelity.point_shuffle"],
        space: &["retrain.droprate", "fidelity.point_shuffle"],
        algorithm: &[],
        trains: false,
    };

    fn table(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn typed(value: Value) -> RetrainParams {
        canonical::parse(&params(table(value), WRN).unwrap()).unwrap()
    }

    #[test]
    fn the_canonical_form_holds_every_default_and_nothing_foreign() {
        let none = params(Map::new(), WRN).unwrap();
        assert_eq!(none["retrain.milestones"], json!([60, 120, 160]));
        assert_eq!(none["retrain.droprate"], json!(0.0));
        assert_eq!(none["fidelity.point_shuffle"], json!(false));
        assert!(!none.contains_key("retrain.cutout"));
        assert_eq!(none, params(none.clone(), WRN).unwrap());
        let foreign = table(json!({"retrain.cutout": false, "retrain.epochs": 200, "retrain.learning_rate": 0.1}));
        assert_eq!(none, params(foreign, WRN).unwrap());
        let whole = params(table(json!({"retrain.learning_rate": 1})), WRN).unwrap();
        assert_eq!(whole["retrain.learning_rate"], json!(1.0));
        let dense = params(table(json!({"fidelity.point_shuffle": true})), Reads { task: &[], ..WRN }).unwrap();
        assert!(!dense.contains_key("fidelity.point_shuffle"));
        let still = table(json!({"retrain.momentum": 0, "retrain.nesterov": true}));
        assert_eq!(params(still, WRN).unwrap()["retrain.nesterov"], json!(false));
        assert!(params(table(json!({"retrain.epoch": 3})), WRN).unwrap_err().contains("retrain.epoch"));
        assert!(params(table(json!({"retrain.epochs": 0})), WRN).is_err());
        assert!(params(table(json!({"retrain.epochs": u64::MAX})), WRN).is_ok());
    }

    #[test]
    fn milestones_move_with_the_epochs_unless_set() {
        assert_eq!(typed(json!({"retrain.epochs": 20})).milestones, Some(vec![6, 12, 16]));
        assert_eq!(typed(json!({"retrain.epochs": 20, "retrain.milestones": [5]})).milestones, Some(vec![5]));
    }

    #[test]
    fn steps_follow_the_accounting() {
        let shape = |spatial: &[usize], target| TaskShape { channels: 1, spatial: spatial.to_vec(), target };
        let point = shape(&[16, 52], Target::Point { classes: 18 });
        // methods §1.4: NinaPro, 2,638 samples, batch 128, 200 epochs, 21 batches each: 4,121 steps
        let as_run = typed(json!({})).fit(&point, 2638, 0);
        assert_eq!((as_run.steps, as_run.order.batches(), as_run.order.shuffle), (4121, 21, false));
        let exact = typed(json!({"fidelity.epoch_accounting": "epochs", "fidelity.point_shuffle": true}));
        let exact = exact.fit(&point, 2638, 0);
        assert_eq!((exact.steps, exact.order.shuffle), (4200, true));
        // audio: 36,796 samples, 40,966 records, batch 256, last dropped: 32,004 steps of 143 per epoch
        let audio = typed(json!({"retrain.batch": 256, "retrain.drop_last": true, "retrain.records_per_epoch": 40966}));
        let audio = audio.fit(&shape(&[96, 101], Target::MultiLabel { labels: 200 }), 36_796, 0);
        assert_eq!((audio.steps, audio.order.batches(), audio.order.shuffle), (32_004, 143, true));
        // fewer samples than a batch still train
        assert_eq!(typed(json!({"retrain.epochs": 1})).fit(&point, 5, 0).steps, 1);
    }
}
