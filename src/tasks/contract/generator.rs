//! The role of a task's embedded data: small files that look like the official ones. Apart from `source.rs`, so that a change
//! of a generator does not download official data again. Knows no network and no preparation.

use crate::data::counts::Counts;
use crate::stages::context::{Context, StageError};

/// Makes raw data of a task.
pub trait Generator: Send + Sync {
    /// Writes raw files in the official layout (task specification §13). The bytes depend on `counts` and `seed` alone,
    /// not on the number of threads.
    fn generate(&self, counts: &Counts, seed: Option<u64>, context: &mut dyn Context) -> Result<(), StageError>;
}
