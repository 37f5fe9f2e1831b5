//! A node of the plan: one stage at one projection of the grid. Knows its producers, not whether it must run.

use crate::plan::canonical;
use crate::stages::entry::{Names, Resources, Setting};
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::sync::Arc;

/// Index of a node in its plan; producers have smaller indices than consumers.
pub type NodeId = usize;

/// The parameters of a node, shared between nodes where equal.
#[derive(Debug, PartialEq)]
pub struct Params {
    /// Everything the stage may read: keyed settings and provenance.
    pub all: Map<String, Value>,
    /// Only what enters the key.
    pub keyed: Map<String, Value>,
    /// Canonical text of `keyed`.
    pub keyed_text: String,
}

impl Params {
    /// Splits canonical parameters by what the stage declares as keyed.
    pub fn new(settings: &[Setting], all: Map<String, Value>) -> Self {
        let provenance = |key: &str| settings.iter().any(|s| s.key == key && !s.keyed);
        let keyed: Map<String, Value> =
            all.iter().filter(|(key, _)| !provenance(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
        let keyed_text = canonical::text(&Value::Object(keyed.clone()));
        Params { all, keyed, keyed_text }
    }
}

/// One input slot: what it reads from which nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    pub name: &'static str,
    /// Outputs whose name starts with this.
    pub output: &'static str,
    pub producers: Vec<NodeId>,
    /// More than one cell's results in one slot: input names carry the producer's label.
    pub gathers: bool,
    /// The node runs although a producer failed.
    pub optional: bool,
}

#[derive(Clone, Debug)]
pub struct Node {
    /// Index into the stage table.
    pub stage: usize,
    pub names: Names,
    /// `stage[names]`, unique in the plan; what people type and read.
    pub label: String,
    pub params: Arc<Params>,
    pub slots: Vec<Slot>,
    /// Files outside the store, by name in slot `external`.
    pub external: Vec<(String, PathBuf)>,
    pub resources: Resources,
}

impl Node {
    /// What shares code: stage and method, without task and seed. Canaries and cost estimates are per variant.
    pub fn variant(&self) -> String {
        match (&self.names.space, &self.names.algorithm, &self.names.task) {
            (Some(space), Some(algorithm), _) => format!("{space}/{algorithm}"),
            (Some(one), None, _) | (None, Some(one), _) | (None, None, Some(one)) => one.clone(),
            (None, None, None) => String::new(),
        }
    }
}

/// All nodes in topological order.
#[derive(Debug, Default)]
pub struct Plan {
    pub nodes: Vec<Node>,
}

impl Plan {
    /// The node with this label.
    pub fn find(&self, label: &str) -> Option<NodeId> {
        self.nodes.iter().position(|node| node.label == label)
    }
}
