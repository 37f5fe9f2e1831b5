//! What a node reads once its producers are known: slot → name → blob. Knows outputs, not how they came about.

use crate::digest::Digest;
use crate::plan::external::ExternalError;
use crate::plan::key::{EXTERNAL_SLOT, Listing};
use crate::plan::node::{Node, NodeId, Plan};
use crate::store::record::Outputs;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything a node reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    pub slots: BTreeMap<String, Outputs>,
    pub external: BTreeMap<String, (PathBuf, Digest)>,
}

impl Inputs {
    /// The listings that enter the key.
    pub fn listings(&self) -> BTreeMap<String, Listing> {
        let mut listings: BTreeMap<String, Listing> = self
            .slots
            .iter()
            .map(|(slot, blobs)| (slot.clone(), blobs.iter().map(|(name, blob)| (name.clone(), blob.digest)).collect()))
            .collect();
        if !self.external.is_empty() {
            let listing = self.external.iter().map(|(name, (_, digest))| (name.clone(), *digest)).collect();
            listings.insert(EXTERNAL_SLOT.to_string(), listing);
        }
        listings
    }
}

/// Collects a node's inputs. `outputs` gives what a producer made; `None` leaves a hole, which only optional slots have.
pub fn collect(
    plan: &Plan,
    node: &Node,
    outputs: impl Fn(NodeId) -> Option<Arc<Outputs>>,
    digest: &dyn Fn(&Path) -> io::Result<Digest>,
) -> Result<Inputs, ExternalError> {
    let mut inputs = Inputs::default();
    for slot in &node.slots {
        let into = inputs.slots.entry(slot.name.to_string()).or_default();
        for &producer in &slot.producers {
            let Some(made) = outputs(producer) else { continue };
            for (name, blob) in made.range(slot.output.to_string()..) {
                if !name.starts_with(slot.output) {
                    break;
                }
                let name = match slot.gathers {
                    true => format!("{}/{name}", plan.nodes[producer].label),
                    false => name.clone(),
                };
                into.insert(name, *blob);
            }
        }
    }
    for (name, path) in &node.external {
        let digest = digest(path).map_err(|error| ExternalError {
            label: node.label.clone(),
            name: name.clone(),
            path: path.display().to_string(),
            message: error.to_string(),
        })?;
        inputs.external.insert(name.clone(), (path.clone(), digest));
    }
    Ok(inputs)
}
