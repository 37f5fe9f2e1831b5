//! The row type of the algorithm table. Knows no algorithm.

use crate::algorithms::contract::search::StartSearch;

pub struct AlgorithmEntry {
    pub name: &'static str,
    pub start: StartSearch,
}
