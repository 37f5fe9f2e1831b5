//! A sample as a figure shows it. Knows no task and no figure.

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub channels: usize,
    /// (L) or (H, W).
    pub spatial: Vec<usize>,
    /// (C,spatial…), row-major.
    pub input: Vec<f32>,
    /// What stands below it: class, labels, or what the field is.
    pub label: String,
    /// The field of a dense task: channels and values.
    pub field: Option<(usize, Vec<f32>)>,
}
