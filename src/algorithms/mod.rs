//! The table of algorithms. Nobody but the catalog and tests reads it.
pub mod bilevel;
pub mod contract;
pub mod darts;
pub mod default;
pub mod gaea;
pub mod random;

use crate::algorithms::contract::entry::AlgorithmEntry;

pub const ALGORITHMS: &[AlgorithmEntry] = &[
    AlgorithmEntry {
        name: "darts",
        capability: "relaxed",
        trains: true,
        reads: &["space.darts.primitives"],
        start: darts::start,
    },
    AlgorithmEntry {
        name: "default",
        capability: "default",
        trains: false,
        reads: &["network.genotype"],
        start: default::start,
    },
    AlgorithmEntry {
        name: "gaea",
        capability: "relaxed",
        trains: true,
        reads: &["space.darts.primitives", "fidelity.gaea_mixing", "fidelity.gaea_warmup"],
        start: gaea::start,
    },
    AlgorithmEntry {
        name: "random",
        capability: "sampled",
        trains: false,
        reads: &["space.darts.primitives"],
        start: random::start,
    },
];
