//! Which nodes are in the store, which run, which wait for what others give. Looks things up, changes nothing.

use crate::digest::Digest;
use crate::fingerprint::table::{Code, Table};
use crate::plan::external::{ExternalError, Memo};
use crate::plan::inputs::{self, Inputs};
use crate::plan::key::{Preimage, listing_digests};
use crate::plan::node::{NodeId, Plan};
use crate::stages::entry::StageEntry;
use crate::store::record::Outputs;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use std::collections::HashMap;
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
        for (_, path) in &node.external {
            // An error is told by `collect`, with the node's name.
            let _ = self.memo.digest(path);
        }
        let inputs = inputs::collect(self.plan, node, outputs, &|path| self.memo.known(path))?;
        let (_, code) = self.codes.of(self.stages, self.plan, id)?;
        let digests = listing_digests(&inputs.listings());
        let preimage = Preimage::of(&self.stages[node.stage], node, code, digests, &self.numerics);
        Ok((preimage, inputs))
    }

    /// Where each node stands. `hit` looks a key up; nodes in `forced` run although they are stored.
    pub fn assess(
        &mut self,
        hit: impl Fn(&str, &Digest) -> Option<Arc<Outputs>> + Sync,
        forced: &[bool],
    ) -> Result<Vec<Status>, StaleError> {
        let count = self.plan.nodes.len();
        let mut status: Vec<Status> = Vec::with_capacity(count);
        while status.len() < count {
            // Neighbours of one stage read only from nodes before them: they are looked at side by side.
            let first = status.len();
            let stage = self.plan.nodes[first].stage;
            let mates = self.plan.nodes[first..].iter().take_while(|node| node.stage == stage).count();
            let mut codes = Vec::with_capacity(mates);
            for id in first..first + mates {
                codes.push(self.codes.of(self.stages, self.plan, id)?.1);
                for (name, path) in &self.plan.nodes[id].external {
                    self.memo.digest(path).map_err(|error| ExternalError {
                        label: self.plan.nodes[id].label.clone(),
                        name: name.clone(),
                        path: path.display().to_string(),
                        message: error.to_string(),
                    })?;
                }
            }
            let (before, this) = (&status, &*self);
            let wave: Vec<Status> = (first..first + mates)
                .into_par_iter()
                .with_min_len(256)
                .map(|id| this.stand(id, codes[id - first], before, &hit, forced.get(id).copied().unwrap_or(false)))
                .collect::<Result<_, StaleError>>()?;
            status.extend(wave);
        }
        Ok(status)
    }

    /// Where one node stands, all producers being known.
    fn stand(
        &self,
        id: NodeId,
        code: Digest,
        before: &[Status],
        hit: &(impl Fn(&str, &Digest) -> Option<Arc<Outputs>> + Sync),
        forced: bool,
    ) -> Result<Status, StaleError> {
        let node = &self.plan.nodes[id];
        let producers = node.slots.iter().flat_map(|slot| slot.producers.iter().copied());
        let mut on: Vec<NodeId> = producers.filter(|&p| !matches!(before[p], Status::Hit { .. })).collect();
        on.sort_unstable();
        on.dedup();
        if !on.is_empty() {
            return Ok(Status::Waits { on });
        }
        let outputs = |producer: NodeId| match &before[producer] {
            Status::Hit { outputs, .. } => Some(outputs.clone()),
            _ => None,
        };
        let inputs = inputs::collect(self.plan, node, outputs, &|path| self.memo.known(path))?;
        let digests = listing_digests(&inputs.listings());
        let entry = &self.stages[node.stage];
        let key = Preimage::of(entry, node, code, digests, &self.numerics).key();
        let stored = if forced { None } else { hit(entry.name, &key) };
        Ok(match stored {
            Some(outputs) => Status::Hit { key, outputs },
            None => Status::Run { key },
        })
    }
}
