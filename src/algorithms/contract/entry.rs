//! The row type of the algorithm table. Knows no algorithm.

use crate::algorithms::contract::search::StartSearch;

pub struct AlgorithmEntry {
    pub name: &'static str,
    /// File of the space's capability that it works on, such as `default` or `relaxed`.
    pub capability: &'static str,
    /// It trains on the task's samples; else it sees their description only.
    pub trains: bool,
    /// Settings that matter for some algorithms only, and that this one looks at (stages/canonical.rs).
    pub reads: &'static [&'static str],
    pub start: StartSearch,
}
