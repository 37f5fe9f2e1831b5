//! Official files of Darcy flow. Knows no content.

use crate::tasks::contract::source::Source;

/// See `contract/source.rs`.
pub struct DarcySource;

impl Source for DarcySource {
    fn task(&self) -> &'static str {
        "darcy"
    }

    fn alternatives(&self) -> &'static [&'static [&'static str]] {
        &[]
    }

    fn counts(&self) -> &'static [&'static str] {
        &["grid", "train", "validation", "test"]
    }
}
