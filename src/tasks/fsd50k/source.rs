//! Official files of FSD50K. Knows no content.

use crate::tasks::contract::source::Source;

/// See `contract/source.rs`.
pub struct Fsd50kSource;

impl Source for Fsd50kSource {
    fn task(&self) -> &'static str {
        "fsd50k"
    }

    fn hosted(&self) -> &'static [&'static str] {
        &["audio.zip"]
    }

    /// The publishers' archives, with and without the noise of MUSAN. The parts of a split archive are read as one.
    fn alternatives(&self) -> &'static [&'static [&'static str]] {
        &[
            &[
                "FSD50K.ground_truth.zip",
                "FSD50K.dev_audio.z01",
                "FSD50K.dev_audio.z02",
                "FSD50K.dev_audio.z03",
                "FSD50K.dev_audio.z04",
                "FSD50K.dev_audio.z05",
                "FSD50K.dev_audio.zip",
                "FSD50K.eval_audio.z01",
                "FSD50K.eval_audio.zip",
                "musan.tar.gz",
            ],
            &[
                "FSD50K.ground_truth.zip",
                "FSD50K.dev_audio.z01",
                "FSD50K.dev_audio.z02",
                "FSD50K.dev_audio.z03",
                "FSD50K.dev_audio.z04",
                "FSD50K.dev_audio.z05",
                "FSD50K.dev_audio.zip",
                "FSD50K.eval_audio.z01",
                "FSD50K.eval_audio.zip",
            ],
        ]
    }

    fn counts(&self) -> &'static [&'static str] {
        &["labels", "length", "train", "validation", "test"]
    }
}
