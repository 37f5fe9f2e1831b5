//! The score of one evaluated cell (`score.json`). Knows how to turn a value into an error, not how it was measured.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the file that an evaluate node writes.
pub const SCORE_FILE: &str = "score.json";
/// Raised whenever a field changes its meaning.
pub const SCORE_FORMAT: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Lower,
    Higher,
}

/// What a predictor that never looks at its input reaches on the same test set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trivial {
    /// Such as `majority class` or `mean field`.
    pub name: String,
    pub value: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    pub format: u32,
    pub task: String,
    pub space: String,
    pub algorithm: String,
    pub seed: u64,
    /// Such as `top-1 error`.
    pub metric: String,
    /// Such as `%`; "" for a pure number.
    pub unit: String,
    pub direction: Direction,
    /// The published quantity, in `unit`.
    pub value: f64,
    pub trivial: Trivial,
    /// Further measures, such as the exact per-sample mean beside the mean of batch means.
    pub details: BTreeMap<String, f64>,
    /// Trainable parameters of the network.
    pub parameters: u64,
    pub test_samples: u64,
    /// `official`, `files`, or `embedded:<size>`; results on embedded data are never compared with published ones.
    pub data: String,
}
