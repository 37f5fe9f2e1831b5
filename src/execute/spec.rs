//! One node, ready to run, as JSON: what the pool hands to a child process and what `exec-node` reads.
//! Holds everything that the run needs, so that a child never sees the manifest.

use crate::digest::Digest;
use crate::stages::entry::Names;
use crate::store::record::Outputs;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSpec {
    pub label: String,
    pub stage: String,
    pub names: Names,
    /// Canonical parameters, keyed ones and provenance.
    pub params: Map<String, Value>,
    /// Slot → input name → blob.
    pub inputs: BTreeMap<String, Outputs>,
    /// Name in slot `external` → file and its digest at plan time.
    pub external: BTreeMap<String, (PathBuf, Digest)>,
    pub numerics: String,
    /// What the planner computed; the child computes it again and refuses where it differs.
    pub key: Digest,
    /// Run although the store holds a result (`--rerun`).
    pub forced: bool,
    pub attempt: u32,
    pub threads: u32,
    pub save_every_seconds: f64,
}

/// One line from a child to its parent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "kebab-case")]
pub enum Report {
    Progress {
        unit: String,
        done: u64,
        total: u64,
        note: String,
    },
    /// Another process works on this key.
    Busy {
        holder: String,
    },
    /// Found in the store after all.
    Cached {
        outputs: Outputs,
    },
    /// `differing` are outputs that came out otherwise than in the record that was there already.
    Done {
        outputs: Outputs,
        seconds: f64,
        differing: Vec<String>,
    },
    Failed {
        class: String,
        message: String,
    },
    /// Inputs that were damaged or gone; they are in quarantine and their producers must run again.
    Damaged {
        digests: Vec<Digest>,
    },
    Interrupted,
}
