//! Official files of Darcy flow. Knows no content.

use crate::tasks::contract::source::Source;

/// See `contract/source.rs`.
pub struct DarcySource;

impl Source for DarcySource {
    fn task(&self) -> &'static str {
        "darcy"
    }

    fn hosted(&self) -> &'static [&'static str] {
        &["piececonst_r421_N1024_smooth1.mat", "piececonst_r421_N1024_smooth2.mat"]
    }

    fn alternatives(&self) -> &'static [&'static [&'static str]] {
        &[]
    }

    fn counts(&self) -> &'static [&'static str] {
        &["grid", "train", "validation", "test"]
    }
}
