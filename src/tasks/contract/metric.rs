//! The reported number of a task. Knows no loss, no network and no training.

use crate::artifacts::samples::{Samples, SplitChoice};
use crate::artifacts::score::{Direction, Trivial};
use candle_core::Tensor;
use std::collections::BTreeMap;

/// What of the settings a metric may look at.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricParams {
    pub split: SplitChoice,
    /// The node's seed: a metric that reproduces an upstream shuffle draws from it.
    pub seed: u64,
    /// Report the mean of batch means, as upstream does for Darcy, instead of the mean over samples.
    pub batch_means: bool,
    /// PSICOV: lengths are taken in another order than proteins, as upstream does.
    pub shuffled_lengths: bool,
    /// ECG: score only recordings that no search has seen.
    pub unseen_only: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    pub metric: &'static str,
    pub unit: &'static str,
    pub direction: Direction,
    pub value: f64,
    pub trivial: Trivial,
    pub details: BTreeMap<String, f64>,
}

#[derive(Debug, thiserror::Error)]
pub enum MetricError {
    #[error("the network's output for scored sample {sample} is not finite")]
    NotFinite { sample: usize },
    #[error("outputs of shape {expected:?} were expected, found {found:?}")]
    Shape { expected: Vec<usize>, found: Vec<usize> },
    #[error("{found} of {expected} samples were scored")]
    Incomplete { expected: usize, found: usize },
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

pub trait Metric {
    /// Outputs of the next batch of scored samples, in the order of the split's rows.
    fn add(&mut self, outputs: &Tensor) -> Result<(), MetricError>;
    /// After all scored samples were added.
    fn finish(&self) -> Result<Measure, MetricError>;
}

/// The error names the array, what was expected and what was found.
pub type OpenMetric = for<'a> fn(&'a Samples, &MetricParams) -> Result<Box<dyn Metric + 'a>, String>;
