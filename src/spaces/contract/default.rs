//! The network that a space offers without any search. Knows no space and no algorithm.

use crate::artifacts::architecture::Architecture;
use crate::artifacts::dataset::TaskShape;

/// What of the settings the choice may look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefaultParams {
    /// Base channel count; `None`: the published one.
    pub width: Option<usize>,
    /// Pool over the whole final plane where upstream looks at one of its corners only.
    pub global_head: bool,
    /// On series the wide residual network in one dimension, as described, rather than the network that upstream runs.
    pub wide_series: bool,
    /// A known architecture, by name or written out, where the space takes one.
    pub genotype: Option<String>,
}

/// The error says what of the task the space cannot do.
pub type DefaultArchitecture = fn(&TaskShape, &DefaultParams) -> Result<Architecture, String>;
