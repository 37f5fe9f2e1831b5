//! The log of a training, `training.json`. Holds no time and no machine: it is part of the result.

use serde::{Deserialize, Serialize};

/// Name of the file that a retrain node writes beside the weights.
pub const TRAINING_FILE: &str = "training.json";
pub const TRAINING_FORMAT: u32 = 1;

/// One pass through the training samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochLog {
    pub epoch: u64,
    pub learning_rate: f64,
    pub steps: u64,
    /// Mean over the epoch's steps of the loss that was minimised.
    pub loss: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingLog {
    pub format: u32,
    /// Optimiser steps in all.
    pub steps: u64,
    pub samples: u64,
    /// Trained values of the network.
    pub parameters: u64,
    pub epochs: Vec<EpochLog>,
}
