//! Official files of Cosmic. Knows no content.

use crate::tasks::contract::source::Source;

/// See `contract/source.rs`.
pub struct CosmicSource;

impl Source for CosmicSource {
    fn task(&self) -> &'static str {
        "cosmic"
    }

    fn hosted(&self) -> &'static [&'static str] {
        &["deepCR.ACS-WFC.train.tar", "deepCR.ACS-WFC.test.tar"]
    }

    /// Compressed forms of the same two archives. Single stamps and FITS images have names of their own: a manifest lists
    /// them in `data.files`.
    fn alternatives(&self) -> &'static [&'static [&'static str]] {
        &[
            &["deepCR.ACS-WFC.train.tar.gz", "deepCR.ACS-WFC.test.tar.gz"],
            &["deepCR.ACS-WFC.train.tar.xz", "deepCR.ACS-WFC.test.tar.xz"],
        ]
    }

    fn counts(&self) -> &'static [&'static str] {
        &["grid", "train", "validation", "test"]
    }
}
