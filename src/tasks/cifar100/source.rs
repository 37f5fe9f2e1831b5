//! Official files of CIFAR-100. Knows no content.

use crate::tasks::contract::source::Source;

/// See `contract/source.rs`.
pub struct Cifar100Source;

impl Source for Cifar100Source {
    fn task(&self) -> &'static str {
        "cifar100"
    }

    fn hosted(&self) -> &'static [&'static str] {
        &["cifar-100-python.tar.gz"]
    }

    fn alternatives(&self) -> &'static [&'static [&'static str]] {
        &[
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
