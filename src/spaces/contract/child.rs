//! Building the network that an architecture describes. Knows no space and no training.

use crate::artifacts::architecture::Architecture;
use crate::artifacts::dataset::TaskShape;
use crate::nn::network::Network;
use crate::ops::ramp::Ramp;
use crate::seed::Purpose;

/// Sizes and norms that no architecture holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkParams {
    /// Channels of the first cell; `None`: the published count.
    pub width: Option<usize>,
    /// `None`: the published count.
    pub cells: Option<usize>,
    /// Whether there are reduction cells, where the task's form has them.
    pub reductions: bool,
    /// Norms that remember the last batch only, as ran, rather than a running average.
    pub last_batch: bool,
}

impl Default for NetworkParams {
    fn default() -> Self {
        NetworkParams { width: None, cells: None, reductions: true, last_batch: true }
    }
}

/// What of the settings a child may look at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChildParams {
    /// Dropout inside blocks while training, in 0..1.
    pub droprate: f64,
    /// Drop-path while training.
    pub drop_path: Option<Ramp>,
    /// A second head for training: the network gives its outputs behind the first head's, on axis 1. Its parameters are named
    /// `auxiliary_head…` and stand last.
    pub auxiliary: bool,
    pub network: NetworkParams,
    /// Streams of the initial values.
    pub init: Purpose,
    /// Seed and stage from which streams of dropout derive.
    pub seed: u64,
    pub stage: &'static str,
}

#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The architecture is not one of this space, or does not fit the task.
    #[error("{0}")]
    Architecture(String),
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

pub type BuildChild = fn(&Architecture, &TaskShape, &ChildParams) -> Result<Network, ChildError>;
