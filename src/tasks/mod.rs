//! The table of tasks. Nobody but the catalog and tests reads it.
pub mod arrays;
pub mod cifar100;
pub mod contract;
pub mod cosmic;
pub mod darcy;
pub mod deepsea;
pub mod ecg;
pub mod fsd50k;
pub mod measures;
pub mod ninapro;
pub mod pictures;
pub mod planted;
pub mod psicov;
pub mod rows;
pub mod satellite;
pub mod spherical;

use crate::tasks::contract::entry::TaskEntry;

/// Every task of a user's own.
pub const ARRAYS: TaskEntry = TaskEntry {
    name: "arrays",
    source: &arrays::source::ArraysSource,
    generator: &arrays::generator::ArraysGenerator,
    preparation: &arrays::preparation::ArraysPreparation,
    objective: arrays::objective::open,
    metric: arrays::metric::open,
    reads: &[
        "fidelity.wrn_spherical_head",
        "fidelity.wrn_series_network",
        "fidelity.point_shuffle",
        "fidelity.dense_drop_path",
    ],
};

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
        name: "cosmic",
        source: &cosmic::source::CosmicSource,
        generator: &cosmic::generator::CosmicGenerator,
        preparation: &cosmic::preparation::CosmicPreparation,
        objective: cosmic::objective::open,
        metric: cosmic::metric::open,
        reads: &["fidelity.cosmic_fixed_jitter", "fidelity.dense_drop_path"],
    },
    TaskEntry {
        name: "darcy",
        source: &darcy::source::DarcySource,
        generator: &darcy::generator::DarcyGenerator,
        preparation: &darcy::preparation::DarcyPreparation,
        objective: darcy::objective::open,
        metric: darcy::metric::open,
        reads: &["fidelity.darcy_batch_means", "fidelity.dense_drop_path"],
    },
    TaskEntry {
        name: "deepsea",
        source: &deepsea::source::DeepseaSource,
        generator: &deepsea::generator::DeepseaGenerator,
        preparation: &deepsea::preparation::DeepseaPreparation,
        objective: deepsea::objective::open,
        metric: deepsea::metric::open,
        reads: &["fidelity.wrn_series_network"],
    },
    TaskEntry {
        name: "ecg",
        source: &ecg::source::EcgSource,
        generator: &ecg::generator::EcgGenerator,
        preparation: &ecg::preparation::EcgPreparation,
        objective: ecg::objective::open,
        metric: ecg::metric::open,
        reads: &["fidelity.wrn_series_network", "evaluate.unseen_only"],
    },
    TaskEntry {
        name: "fsd50k",
        source: &fsd50k::source::Fsd50kSource,
        generator: &fsd50k::generator::Fsd50kGenerator,
        preparation: &fsd50k::preparation::Fsd50kPreparation,
        objective: fsd50k::objective::open,
        metric: fsd50k::metric::open,
        reads: &["fidelity.darts_first_frame"],
    },
    TaskEntry {
        name: "ninapro",
        source: &ninapro::source::NinaproSource,
        generator: &ninapro::generator::NinaproGenerator,
        preparation: &ninapro::preparation::NinaproPreparation,
        objective: ninapro::objective::open,
        metric: ninapro::metric::open,
        reads: &["fidelity.point_shuffle"],
    },
    // a control of searches, not a task of the benchmark
    TaskEntry {
        name: "planted",
        source: &planted::source::PlantedSource,
        generator: &planted::generator::PlantedGenerator,
        preparation: &planted::preparation::PlantedPreparation,
        objective: planted::objective::open,
        metric: planted::metric::open,
        reads: &["fidelity.dense_drop_path"],
    },
    TaskEntry {
        name: "psicov",
        source: &psicov::source::PsicovSource,
        generator: &psicov::generator::PsicovGenerator,
        preparation: &psicov::preparation::PsicovPreparation,
        objective: psicov::objective::open,
        metric: psicov::metric::open,
        reads: &["fidelity.psicov_shuffled_lengths", "fidelity.dense_drop_path"],
    },
    TaskEntry {
        name: "satellite",
        source: &satellite::source::SatelliteSource,
        generator: &satellite::generator::SatelliteGenerator,
        preparation: &satellite::preparation::SatellitePreparation,
        objective: satellite::objective::open,
        metric: satellite::metric::open,
        reads: &["fidelity.wrn_series_network"],
    },
    TaskEntry {
        name: "spherical",
        source: &spherical::source::SphericalSource,
        generator: &spherical::generator::SphericalGenerator,
        preparation: &spherical::preparation::SphericalPreparation,
        objective: spherical::objective::open,
        metric: spherical::metric::open,
        reads: &["fidelity.wrn_spherical_head", "fidelity.point_shuffle"],
    },
];
