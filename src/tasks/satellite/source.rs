//! Official files of Satellite. Knows no content.

use crate::tasks::contract::source::Source;

/// See `contract/source.rs`.
pub struct SatelliteSource;

impl Source for SatelliteSource {
    fn task(&self) -> &'static str {
        "satellite"
    }

    fn hosted(&self) -> &'static [&'static str] {
        &["satellite_train.npy", "satellite_test.npy"]
    }

    /// The publishers' tables: the fold of the 2017 study, or the sample of all three bands.
    fn alternatives(&self) -> &'static [&'static [&'static str]] {
        &[
            &["SITS1M_fold1_TRAIN.csv", "SITS1M_fold1_TEST.csv"],
            &["train_dataset.csv", "test_dataset.csv"],
            &["train_dataset.csv"],
        ]
    }

    fn counts(&self) -> &'static [&'static str] {
        &["train", "validation", "test"]
    }
}
