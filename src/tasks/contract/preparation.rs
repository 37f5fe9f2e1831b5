//! The role that turns a task's raw files into the data set artifact. Knows no network, no loss and no metric.

use crate::data::counts::Counts;
use crate::stages::context::{Context, StageError};
use serde_json::{Map, Value};

/// Input slot with the raw files, by their official names.
pub const RAW: &str = "raw";

/// Preparation of a task's raw files.
pub trait Preparation: Send + Sync {
    /// Which counts (`train`, `grid`, …) it depends on.
    fn counts(&self) -> &'static [&'static str];

    /// Whether it depends on the settings `task.…` of a user's own task; then `prepare_with` is called.
    fn takes_options(&self) -> bool {
        false
    }

    /// Whether the settings of a user's own task fit together; the message says what does not.
    fn check_options(&self, _options: &Map<String, Value>) -> Result<(), String> {
        Ok(())
    }

    /// As `prepare`, for the user's own task of this name and with its settings.
    fn prepare_with(
        &self,
        _task: &str,
        _options: &Map<String, Value>,
        _source: &str,
        _context: &mut dyn Context,
    ) -> Result<(), StageError> {
        Err(StageError::Code("this task takes no settings of its own".into()))
    }

    /// Reads slot `raw`, writes `dataset.json`, `train.safetensors` and `test.safetensors` (`artifacts/dataset.rs`).
    /// `source` is the tag that the data set carries: `official`, `files` or `embedded:<size>`.
    ///
    /// # Errors
    /// `StageError::Data` where a file is not what `counts` say: it names the file, what was expected, what was found and
    /// the setting to change.
    fn prepare(&self, counts: &Counts, source: &str, context: &mut dyn Context) -> Result<(), StageError>;
}
