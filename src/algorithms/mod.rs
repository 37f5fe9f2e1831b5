//! The table of algorithms. Nobody but the catalog and tests reads it.
pub mod contract;
pub mod default;

use crate::algorithms::contract::entry::AlgorithmEntry;

pub const ALGORITHMS: &[AlgorithmEntry] = &[AlgorithmEntry { name: "default", start: default::start }];
