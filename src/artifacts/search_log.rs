//! The record of a search, `search.json`. Holds no time and no machine: it is part of the result. Knows no space: architectures
//! are as the space writes them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Name of the file that a search node writes beside the architecture, where it trained anything.
pub const SEARCH_FILE: &str = "search.json";
pub const SEARCH_FORMAT: u32 = 2;

/// The weights of primitives in the cells of one type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mixture {
    /// Such as `normal`.
    pub cell: String,
    /// Each primitive in the space's order, with its mean over edges.
    pub weights: Vec<(String, f64)>,
}

/// One pass through the samples of the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchEpoch {
    pub epoch: u64,
    pub learning_rate: f64,
    /// Steps of the weights, and the mean of their losses.
    pub steps: u64,
    pub loss: f64,
    /// Steps of the architecture, and the mean of their losses, where there were any.
    pub architecture_steps: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub architecture_loss: Option<f64>,
    /// Of the weights of primitives, in nats, mean over edges; ln 8 = 2.079 where eight weigh the same.
    pub entropy: f64,
    /// By cell type, in the space's order.
    pub mixture: Vec<Mixture>,
    /// What the parameters stood for after the epoch.
    pub architecture: Value,
    /// All architecture parameters after the epoch, in the space's order.
    pub parameters: Vec<f32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchLog {
    pub format: u32,
    /// Steps of the weights in all.
    pub steps: u64,
    /// Samples that train the weights, and as many others that train the architecture.
    pub samples: u64,
    /// Weights of the search network.
    pub weights: u64,
    pub epochs: Vec<SearchEpoch>,
}
