//! What became of a manifest's claims on several runs together: on what searches picked, and on one method beside another. Parts
//! of `summary.json`. Knows not how they were judged.

use serde::{Deserialize, Serialize};

/// All searches of one method on one task, or all its controls, against a claim on what they pick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PickVerdict {
    pub task: String,
    pub method: String,
    /// Searches on permuted labels.
    pub control: bool,
    /// `normal` or `reduce`.
    pub cell: String,
    pub primitive: String,
    /// Picks of the primitive that a search needs to count.
    pub least: u64,
    /// Ascending by seed.
    pub searches: Vec<SearchPicks>,
    /// Searches that reach `least`.
    pub reached: u64,
    /// How many of them there must be at least; of controls, may be at most.
    pub bound: u64,
    pub passed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchPicks {
    pub seed: u64,
    /// `None` where the search has no result.
    pub picks: Option<u64>,
    /// All picks of the cell.
    pub of: u64,
}

/// One method beside another on one task, seed by seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairVerdict {
    pub task: String,
    pub method: String,
    pub than: String,
    /// Seeds that both were asked for, and those of them that both have.
    pub asked: u64,
    pub pairs: Vec<Pair>,
    /// Error of `than` minus error of `method`: mean, and ends of its 95 % interval; above 0 `method` is better.
    pub mean: Option<f64>,
    pub interval: Option<[f64; 2]>,
    pub passed: bool,
}

/// Errors (lower is better) of both methods with one seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    pub seed: u64,
    pub method: f64,
    pub than: f64,
}
