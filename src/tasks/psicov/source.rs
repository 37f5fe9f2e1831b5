//! Official files of PSICOV. Knows no content.

use crate::tasks::contract::source::Source;

/// See `contract/source.rs`.
pub struct PsicovSource;

impl Source for PsicovSource {
    fn task(&self) -> &'static str {
        "psicov"
    }

    fn hosted(&self) -> &'static [&'static str] {
        &["protein.zip"]
    }

    /// PDNET's own archive. Unpacked files have one name per protein: a manifest lists them in `data.files`.
    fn alternatives(&self) -> &'static [&'static [&'static str]] {
        &[&["train-data.tar.gz"]]
    }

    fn counts(&self) -> &'static [&'static str] {
        &["shortest", "length", "train", "validation", "test"]
    }
}
