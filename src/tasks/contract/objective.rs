//! A task as a network sees it: shape, training batches, loss, inputs to score. Knows no metric and no network.

use crate::artifacts::dataset::TaskShape;
use crate::artifacts::samples::{Samples, SplitChoice};
use crate::training::error::TrainError;
use candle_core::Tensor;
use std::ops::Range;

/// What of the settings an objective may look at.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectiveParams {
    pub split: SplitChoice,
    /// The node's seed and stage: streams of augmentation derive from them.
    pub seed: u64,
    pub stage: &'static str,
    /// Train on permuted labels: a control that must fall back to the trivial score.
    pub permute_labels: bool,
    /// Cutout is part of the augmentation of images that have one.
    pub cutout: bool,
    /// Inputs scored in the search split go through the training augmentation.
    pub validation_augmented: bool,
    /// Cosmic: the sky added to scored inputs depends on the sample alone, not on the node's seed.
    pub fixed_jitter: bool,
    /// ECG: score only recordings that no search has seen.
    pub unseen_only: bool,
    /// FSD50K: the network sees no first frame.
    pub drop_first_frame: bool,
}

/// Inputs (B,C,spatial…) in `f32` and what the loss compares with.
#[derive(Clone, Debug)]
pub struct Batch {
    pub inputs: Tensor,
    /// (B) of `u32` for a point task, (B,labels) of `f32` for a multi-label one, (B,channels,spatial…) of `f32` for a dense one
    /// (with a further channel where the loss leaves positions out).
    pub targets: Tensor,
}

pub trait Objective {
    fn shape(&self) -> &TaskShape;
    fn training_samples(&self) -> usize;
    /// How many inputs are scored. A metric may make one answer of several: windows of a recording, tiles of a map.
    fn scored_samples(&self) -> usize;
    /// `samples` are numbers below `training_samples`; `epoch` picks the augmentation.
    fn training_batch(&self, samples: &[usize], epoch: u64) -> Result<Batch, TrainError>;
    /// A scalar: the training loss of a network's output.
    fn loss(&self, output: &Tensor, targets: &Tensor) -> Result<Tensor, TrainError>;
    /// Inputs of consecutive scored samples.
    fn scored_inputs(&self, samples: Range<usize>) -> Result<Tensor, TrainError>;
}

/// The error names the array, what was expected and what was found.
pub type OpenObjective = for<'a> fn(&'a Samples, &ObjectiveParams) -> Result<Box<dyn Objective + 'a>, String>;
