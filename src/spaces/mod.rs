//! The table of search spaces. Nobody but the catalog and tests reads it.
pub mod contract;
pub mod darts;
pub mod wrn;

use crate::spaces::contract::entry::SpaceEntry;

pub const SPACES: &[SpaceEntry] = &[SpaceEntry {
    name: "wrn",
    default: Some(wrn::default::choose),
    child: wrn::child::build,
    reads: &[
        "fidelity.wrn_spherical_head",
        "fidelity.wrn_series_network",
        "fidelity.point_shuffle",
        "retrain.droprate",
    ],
}];
