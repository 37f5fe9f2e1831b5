//! The table of tasks. Nobody but the catalog and tests reads it.
pub mod cifar100;
pub mod contract;
pub mod cosmic;
pub mod darcy;
pub mod measures;
pub mod psicov;
pub mod rows;

use crate::tasks::contract::entry::TaskEntry;

pub const TASKS: &[TaskEntry] = &[
    TaskEntry {
        name: "cifar100",
        source: &cifar100::source::Cifar100Source,
        generator: &cifar100::generator::Cifar100Generator,
        preparation: &cifar100::preparation::Cifar100Preparation,
        objective: cifar100::objective::open,
        metric: cifar100::metric::open,
        reads: &["retrain.cutout", "fidelity.validation_augmented", "fidelity.point_shuffle"],
    },
    TaskEntry {
        name: "darcy",
        source: &darcy::source::DarcySource,
        generator: &darcy::generator::DarcyGenerator,
        preparation: &darcy::preparation::DarcyPreparation,
        objective: darcy::objective::open,
        metric: darcy::metric::open,
        reads: &["fidelity.darcy_batch_means"],
    },
    TaskEntry {
        name: "cosmic",
        source: &cosmic::source::CosmicSource,
        generator: &cosmic::generator::CosmicGenerator,
        preparation: &cosmic::preparation::CosmicPreparation,
        objective: cosmic::objective::open,
        metric: cosmic::metric::open,
        reads: &["fidelity.cosmic_fixed_jitter"],
    },
    TaskEntry {
        name: "psicov",
        source: &psicov::source::PsicovSource,
        generator: &psicov::generator::PsicovGenerator,
        preparation: &psicov::preparation::PsicovPreparation,
        objective: psicov::objective::open,
        metric: psicov::metric::open,
        reads: &["fidelity.psicov_shuffled_lengths"],
    },
];
