//! Official files of NinaPro. Knows no content.

use crate::tasks::contract::source::Source;

/// See `contract/source.rs`.
pub struct NinaproSource;

impl Source for NinaproSource {
    fn task(&self) -> &'static str {
        "ninapro"
    }

    fn hosted(&self) -> &'static [&'static str] {
        &[
            "ninapro_train.npy",
            "label_train.npy",
            "ninapro_val.npy",
            "label_val.npy",
            "ninapro_test.npy",
            "label_test.npy",
        ]
    }

    /// The raw recordings of DB5, exercise B: of all ten subjects or of the first, as the publisher's archives or unpacked.
    fn alternatives(&self) -> &'static [&'static [&'static str]] {
        &[
            &["s1.zip", "s2.zip", "s3.zip", "s4.zip", "s5.zip", "s6.zip", "s7.zip", "s8.zip", "s9.zip", "s10.zip"],
            &[
                "S1_E2_A1.mat",
                "S2_E2_A1.mat",
                "S3_E2_A1.mat",
                "S4_E2_A1.mat",
                "S5_E2_A1.mat",
                "S6_E2_A1.mat",
                "S7_E2_A1.mat",
                "S8_E2_A1.mat",
                "S9_E2_A1.mat",
                "S10_E2_A1.mat",
            ],
            &["s1.zip"],
            &["S1_E2_A1.mat"],
        ]
    }

    fn counts(&self) -> &'static [&'static str] {
        &["train", "validation", "test"]
    }
}
