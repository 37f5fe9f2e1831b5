//! The row type of the stage table: what the planner must know of a stage, and how to run it.
//! Knows no task, no space and no tensor.

use crate::stages::context::{Context, StageError};
use serde_json::{Map, Value};
use std::fmt;
use std::path::PathBuf;

/// An axis of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Axis {
    Task,
    Space,
    Algorithm,
    Seed,
}

/// The coordinates of a node: a cell of the grid, projected on the stage's axes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// Shown inside the brackets of a node's name: `task=darcy,method=wrn/default,seed=0`.
impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(task) = &self.task {
            parts.push(format!("task={task}"));
        }
        match (&self.space, &self.algorithm) {
            (Some(space), Some(algorithm)) => parts.push(format!("method={space}/{algorithm}")),
            (Some(space), None) => parts.push(format!("space={space}")),
            (None, Some(algorithm)) => parts.push(format!("algo={algorithm}")),
            (None, None) => {}
        }
        if let Some(seed) = self.seed {
            parts.push(format!("seed={seed}"));
        }
        f.write_str(&parts.join(","))
    }
}

/// What a stage reads from another stage of the same cell, or, where it lacks an axis, from all cells of its projection.
#[derive(Clone, Debug)]
pub struct Need {
    pub slot: &'static str,
    pub stage: &'static str,
    /// Only outputs whose name starts with this enter the slot and so the key; "" takes all.
    pub output: &'static str,
    /// Another method's cell of the same task and seed, instead of the node's own: (space, algorithm).
    pub method: Option<(&'static str, &'static str)>,
    /// The node also runs where producers have failed; it then sees a hole.
    pub optional: bool,
    /// A setting of the node's own without which there is no such need; only for needs that gather.
    pub only_with: Option<&'static str>,
    /// Whether the node with these names has the need at all.
    pub applies: fn(&Names) -> bool,
}

/// The type of a setting, for checks, messages and the JSON schema.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Bool,
    /// An integer of at least `min`.
    Count {
        min: u64,
    },
    /// A finite number in `min..=max`.
    Float {
        min: f64,
        max: f64,
    },
    Text,
    /// A file or folder: relative to the manifest that names it, or to the working directory where `--set` does.
    Path,
    Choice(&'static [&'static str]),
    /// An array of some of these words.
    Choices(&'static [&'static str]),
    /// A length of time: `90s`, `30m`, `8h`.
    Duration,
    /// An array of texts.
    Texts,
    /// An array of integers.
    Counts,
    /// Any table or array; the stage's own parameter type checks it.
    Any,
}

/// A dotted key that a manifest may set, such as `retrain.batch`.
#[derive(Clone, Debug)]
pub struct Setting {
    pub key: &'static str,
    pub kind: Kind,
    /// One sentence, for `schema`, editors and messages.
    pub doc: &'static str,
    /// Whether a change of it changes the node's key: false for paths, mirrors and other provenance.
    pub keyed: bool,
}

/// Slots of the pool that a node occupies.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Resources {
    pub threads: u32,
    pub memory_mib: u64,
    pub gpus: u32,
    /// Soft limit: checkpoint and stop; a hard stop follows. `None`: no limit.
    pub seconds: Option<u64>,
}

pub type ParamsFn = Box<dyn Fn(&Names, Map<String, Value>) -> Result<Map<String, Value>, String> + Send + Sync>;
pub type ExternalFn = Box<dyn Fn(&Names, &Map<String, Value>) -> Vec<(String, PathBuf)> + Send + Sync>;
pub type RootsFn = Box<dyn Fn(&Names, &Map<String, Value>) -> Vec<String> + Send + Sync>;
pub type RunFn = Box<dyn Fn(&Names, &Map<String, Value>, &mut dyn Context) -> Result<(), StageError> + Send + Sync>;

/// One stage. Rows stand in `stages/mod.rs`; tests make their own.
pub struct StageEntry {
    pub name: &'static str,
    pub axes: &'static [Axis],
    pub needs: Vec<Need>,
    /// What this stage reads of a cell's settings; nothing else reaches its key.
    pub settings: Vec<Setting>,
    /// The seed enters the key.
    pub stochastic: bool,
    /// The numerics class (device family, dtype, determinism) enters the key.
    pub numeric: bool,
    /// Checks the settings (dotted keys, only declared ones, absent where unset) and gives them in canonical form:
    /// defaults written out, what does not matter for these names left out.
    pub params: ParamsFn,
    /// Files outside the store that this node reads, with the name each has in slot `external`.
    pub external: ExternalFn,
    /// Source files (relative to `src/`) whose closure is this node's code, for these names and parameters.
    pub roots: RootsFn,
    /// How much it wants of the machine where the manifest does not say.
    pub resources: Resources,
    pub run: RunFn,
}
