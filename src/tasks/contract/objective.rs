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
}

/// Inputs (B,C,spatial…) in `f32` and what the loss compares with.
#[derive(Clone, Debug)]
pub struct Batch {
    pub inputs: Tensor,
    /// (B) of `u32` for a point task, (B,channels,spatial…) of `f32` for a dense one.
    pub targets: Tensor,
}

pub trait Objective {
    fn shape(&self) -> &TaskShape;
    fn training_samples(&self) -> usize;
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
