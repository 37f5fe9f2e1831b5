//! Official file of DeepSEA. Knows no content.

use crate::tasks::contract::source::Source;

/// See `contract/source.rs`.
pub struct DeepseaSource;

impl Source for DeepseaSource {
    fn task(&self) -> &'static str {
        "deepsea"
    }

    fn hosted(&self) -> &'static [&'static str] {
        &["deepsea_filtered.npz"]
    }

    /// A genome and its peaks; `data.files` may give other names with the same endings.
    fn alternatives(&self) -> &'static [&'static [&'static str]] {
        &[
            &["genome.fa", "tracks.bed", "tracks.txt"],
            &["genome.fa", "tracks.bed"],
            &["genome.fa.gz", "tracks.bed.gz", "tracks.txt"],
            &["genome.fa.gz", "tracks.bed.gz"],
        ]
    }

    fn counts(&self) -> &'static [&'static str] {
        &["labels", "length", "train", "validation", "test"]
    }
}
