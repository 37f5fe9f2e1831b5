//! Building the network that an architecture describes. Knows no space and no training.

use crate::artifacts::architecture::Architecture;
use crate::artifacts::dataset::TaskShape;
use crate::nn::network::Network;
use crate::seed::Purpose;

/// What of the settings a child may look at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChildParams {
    /// Dropout inside blocks while training, in 0..1.
    pub droprate: f64,
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
