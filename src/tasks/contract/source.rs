//! The role of a task's official files: which there are, and what else may stand in for them. Knows no network, no
//! generator and no preparation.

use serde_json::{Map, Value};

/// The official files of a task. Names and checksums are settings (`data.files`, from the task's definition).
pub trait Source: Send + Sync {
    /// The task's name, such as `darcy`.
    fn task(&self) -> &'static str;

    /// The names of the files that the benchmark itself hosts, from which others are a departure; empty where it hosts none.
    fn hosted(&self) -> &'static [&'static str];

    /// Other sets of files that the preparation reads as well, best first; looked for in a user's folder where the
    /// official files are not all there.
    fn alternatives(&self) -> &'static [&'static [&'static str]];

    /// The files that settings name, for tasks whose files are the user's choice; empty for all others.
    fn files(&self, _settings: &Map<String, Value>) -> Vec<String> {
        Vec::new()
    }

    /// Which counts (`train`, `grid`, …) the embedded generator depends on; they enter its key, others do not.
    fn counts(&self) -> &'static [&'static str];
}
