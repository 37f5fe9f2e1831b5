//! Official files of Spherical. Knows no content.

use crate::tasks::contract::source::Source;

/// See `contract/source.rs`.
pub struct SphericalSource;

impl Source for SphericalSource {
    fn task(&self) -> &'static str {
        "spherical"
    }

    fn hosted(&self) -> &'static [&'static str] {
        &["s2_cifar100.gz"]
    }

    /// CIFAR-100's files, from which the projections are made again.
    fn alternatives(&self) -> &'static [&'static [&'static str]] {
        &[
            &["cifar-100-python.tar.gz"],
            &["train", "test", "meta"],
            &["cifar-100-binary.tar.gz"],
            &["train.bin", "test.bin", "fine_label_names.txt"],
            &["train.bin", "test.bin"],
        ]
    }

    fn counts(&self) -> &'static [&'static str] {
        &["train", "validation", "test"]
    }
}
