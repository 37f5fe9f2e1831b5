//! How the length of a training is counted; retraining and searches share the setting. Knows no stage.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accounting {
    /// floor(epochs · records per epoch / batch) steps.
    Batches,
    /// Whole passes of the loader.
    Epochs,
}
