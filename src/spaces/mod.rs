//! The table of search spaces. Nobody but the catalog and tests reads it.
pub mod contract;
pub mod darts;
pub mod wrn;

use crate::spaces::contract::entry::SpaceEntry;

pub const SPACES: &[SpaceEntry] = &[
    SpaceEntry {
        name: "darts",
        default: Some(darts::default::choose),
        relaxed: Some(darts::relaxed::open),
        sampled: Some(darts::sampled::draw),
        child: darts::child::build,
        draw: Some(darts::drawing::draw),
        reads: &[
            "space.darts.primitives",
            "network.genotype",
            "network.width",
            "network.reductions",
            "retrain.width",
            "retrain.cells",
            "retrain.drop_path",
            "retrain.auxiliary",
            "fidelity.darts_norms",
            "fidelity.darts_first_frame",
            "fidelity.dense_drop_path",
        ],
    },
    SpaceEntry {
        name: "wrn",
        default: Some(wrn::default::choose),
        relaxed: None,
        sampled: None,
        child: wrn::child::build,
        draw: None,
        reads: &[
            "fidelity.wrn_spherical_head",
            "fidelity.wrn_series_network",
            "fidelity.point_shuffle",
            "retrain.droprate",
        ],
    },
];
