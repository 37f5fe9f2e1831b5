//! Raw files of Planted, which nobody hosts: they are generated, or a user's own noise. Knows no content.

use crate::tasks::contract::source::Source;

/// See `contract/source.rs`.
pub struct PlantedSource;

impl Source for PlantedSource {
    fn task(&self) -> &'static str {
        "planted"
    }

    fn hosted(&self) -> &'static [&'static str] {
        &["noise_train.npy", "noise_test.npy"]
    }

    fn alternatives(&self) -> &'static [&'static [&'static str]] {
        &[]
    }

    fn counts(&self) -> &'static [&'static str] {
        &["channels", "length", "train", "validation", "test"]
    }
}
