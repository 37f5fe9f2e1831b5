//! Official files of ECG. Knows no content.

use crate::tasks::contract::source::Source;

/// See `contract/source.rs`.
pub struct EcgSource;

impl Source for EcgSource {
    fn task(&self) -> &'static str {
        "ecg"
    }

    fn hosted(&self) -> &'static [&'static str] {
        &["challenge2017.pkl"]
    }

    /// The publisher's archive; loose records are named one by one in `data.files`.
    fn alternatives(&self) -> &'static [&'static [&'static str]] {
        &[&["training2017.zip", "REFERENCE-v3.csv"], &["training2017.zip"], &["training2017.tar.gz"]]
    }

    fn counts(&self) -> &'static [&'static str] {
        &["recordings"]
    }
}
