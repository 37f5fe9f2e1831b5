//! Which nodes are in the store, which run, which wait for what others give. Looks things up, changes nothing.

use crate::digest::Digest;
use crate::fingerprint::table::{Code, Table};
use crate::plan::external::{ExternalError, Memo};
use crate::plan::inputs::{self, Inputs};
use crate::plan::key::{Listing, Preimage, listing_digest, listing_digests};
use crate::plan::node::{Node, NodeId, Plan};
use crate::stages::entry::StageEntry;
use crate::store::record::Outputs;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Where a node stands before anything has run.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// The store holds its outputs.
    Hit { key: Digest, outputs: Arc<Outputs> },
    /// Its inputs are known and no result is stored.
    Run { key: Digest },
    /// Its key is not known before these have run: a hit if they give the same bytes as before.
    Waits { on: Vec<NodeId> },
}

/// The code of each variant, computed once.
pub struct Codes<'a> {
    table: &'a Table,
    /// By code roots.
    known: HashMap<Vec<String>, (Arc<Code>, Digest)>,
}

#[derive(Debug, thiserror::Error)]
pub enum StaleError {
    #[error(transparent)]
    External(#[from] ExternalError),
    #[error("the code of {label} is not known: {message}")]
    Code { label: String, message: String },
}

impl<'a> Codes<'a> {
    pub fn new(table: &'a Table) -> Self {
        Codes { table, known: HashMap::new() }
    }

    /// The code listing of one node, and its digest.
    pub fn of(&mut self, stages: &[StageEntry], plan: &Plan, id: NodeId) -> Result<(Arc<Code>, Digest), StaleError> {
        let node = &plan.nodes[id];
        let roots = (stages[node.stage].roots)(&node.names, &node.params.all);
        if let Some((code, digest)) = self.known.get(&roots) {
            return Ok((code.clone(), *digest));
        }
        let code = self
            .table
            .code(&roots)
            .map_err(|error| StaleError::Code { label: node.label.clone(), message: error.to_string() })?;
        let digest = code.digest();
        let code = Arc::new(code);
        self.known.insert(roots, (code.clone(), digest));
        Ok((code, digest))
    }
}

/// All that is needed to say where nodes stand and to compute keys as producers finish.
pub struct Assessor<'a> {
    pub stages: &'a [StageEntry],
    pub plan: &'a Plan,
    pub codes: Codes<'a>,
    pub memo: Memo,
    pub numerics: String,
}

impl Assessor<'_> {
    /// The ingredients of a node whose producers' outputs are known, and its inputs.
    pub fn preimage(
        &mut self,
        id: NodeId,
        outputs: impl Fn(NodeId) -> Option<Arc<Outputs>>,
    ) -> Result<(Preimage, Inputs), StaleError> {
        let node = &self.plan.nodes[id];
        let inputs = inputs::collect(self.plan, node, outputs, &mut self.memo)?;
        let (_, code) = self.codes.of(self.stages, self.plan, id)?;
        let digests = listing_digests(&inputs.listings());
        let preimage = Preimage::of(&self.stages[node.stage], node, code, digests, &self.numerics);
        Ok((preimage, inputs))
    }

    /// Where each node stands. `hit` looks a key up; nodes in `forced` run although they are stored.
    pub fn assess(
        &mut self,
        hit: impl Fn(&str, &Digest) -> Option<Arc<Outputs>>,
        forced: &[bool],
    ) -> Result<Vec<Status>, StaleError> {
        let mut status: Vec<Status> = Vec::with_capacity(self.plan.nodes.len());
        let mut slots = HashMap::new();
        for id in 0..self.plan.nodes.len() {
            let node = &self.plan.nodes[id];
            let mut on: Vec<NodeId> = node
                .slots
                .iter()
                .flat_map(|slot| slot.producers.iter().copied())
                .filter(|&producer| !matches!(status[producer], Status::Hit { .. }))
                .collect();
            on.sort_unstable();
            on.dedup();
            if !on.is_empty() {
                status.push(Status::Waits { on });
                continue;
            }
            let key = self.key(id, &status, &mut slots)?;
            let stage = self.stages[node.stage].name;
            let stored = if forced.get(id).copied().unwrap_or(false) { None } else { hit(stage, &key) };
            status.push(match stored {
                Some(outputs) => Status::Hit { key, outputs },
                None => Status::Run { key },
            });
        }
        Ok(status)
    }

    /// The key of a node whose producers are all stored. Many nodes read the same outputs, so digests of slots that
    /// gather nothing are kept in `slots`.
    fn key(&mut self, id: NodeId, status: &[Status], slots: &mut SlotDigests) -> Result<Digest, StaleError> {
        let node = &self.plan.nodes[id];
        let outputs = |producer: NodeId| match &status[producer] {
            Status::Hit { outputs, .. } => Some(outputs.clone()),
            _ => None,
        };
        if !node.external.is_empty() || node.slots.iter().any(|slot| slot.gathers || slot.producers.len() != 1) {
            return Ok(self.preimage(id, outputs)?.0.key());
        }
        let (_, code) = self.codes.of(self.stages, self.plan, id)?;
        let digests = single_slots(node, outputs, slots);
        Ok(Preimage::of(&self.stages[node.stage], node, code, digests, &self.numerics).key())
    }
}

/// Digests of listings by producer and output prefix.
type SlotDigests = HashMap<(NodeId, &'static str), Digest>;

fn single_slots(
    node: &Node,
    outputs: impl Fn(NodeId) -> Option<Arc<Outputs>>,
    known: &mut SlotDigests,
) -> BTreeMap<String, Digest> {
    let digest = |producer: NodeId, prefix: &'static str| {
        let made = outputs(producer).unwrap_or_default();
        let named = made.iter().filter(|(name, _)| name.starts_with(prefix));
        listing_digest(&named.map(|(name, blob)| (name.clone(), blob.digest)).collect::<Listing>())
    };
    node.slots
        .iter()
        .map(|slot| {
            let (producer, prefix) = (slot.producers[0], slot.output);
            let of_slot = *known.entry((producer, prefix)).or_insert_with(|| digest(producer, prefix));
            (slot.name.to_string(), of_slot)
        })
        .collect()
}
