//! The role of a task's raw data: which official files there are, and how to make small ones that look the same.
//! Knows no network and no preparation.

use crate::data::counts::Counts;
use crate::stages::context::{Context, StageError};

/// Raw data of a task.
pub trait Source: Send + Sync {
    /// The task's name, such as `darcy`.
    fn task(&self) -> &'static str;

    /// Other sets of files that the preparation reads as well, best first; looked for in a user's folder where the
    /// official files are not all there.
    fn alternatives(&self) -> &'static [&'static [&'static str]];

    /// Which counts (`train`, `grid`, …) the generator depends on; they enter its key, others do not.
    fn counts(&self) -> &'static [&'static str];

    /// Writes raw files in the official layout (task specification §13). The bytes depend on `counts` and `seed` alone,
    /// not on the number of threads.
    fn generate(&self, counts: &Counts, seed: Option<u64>, context: &mut dyn Context) -> Result<(), StageError>;
}
