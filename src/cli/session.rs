//! What most verbs begin with: manifest → plan → store → where each node stands. Decides nothing about running.

use crate::cli::catalog::Catalog;
use crate::cli::exit::Exit;
use crate::cli::options::{LayerOptions, SelectOptions};
use crate::digest::Digest;
use crate::manifest::load::load;
use crate::manifest::request::Request;
use crate::manifest::resolve::{Manifest, Settings};
use crate::plan::expand::{ExpandError, expand};
use crate::plan::external::Memo;
use crate::plan::graph::Graph;
use crate::plan::key::CPU_EXACT;
use crate::plan::node::{NodeId, Plan};
use crate::plan::select::{SelectError, Selector};
use crate::plan::stale::{Assessor, Codes};
use crate::store::record::Outputs;
use crate::store::store::Store;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// A manifest with its plan.
pub struct Session {
    pub catalog: Catalog,
    pub manifest: Manifest,
    pub plan: Plan,
}

impl Session {
    /// Reads the manifest and makes the plan; all errors of a manifest come at once.
    pub fn open(catalog: Catalog, path: &Path, layers: &LayerOptions) -> Result<Session, Exit> {
        let request = Request { profile: layers.profile.clone(), set: layers.set.clone() };
        let manifest = load(path, &catalog.vocabulary, &request).map_err(Exit::usage)?;
        check_own_tasks(&catalog, &manifest)
            .map_err(|problem| Exit::usage(format!("{}: {problem}", path.display())))?;
        let shared = Arc::new(shared_settings(&manifest));
        let plan =
            expand(&catalog.stages, manifest.cells.clone(), &shared, &|_| None).map_err(|error| match error {
                ExpandError::Params { .. } => Exit::usage(format!("{}: {error}", path.display())),
                other => Exit::failed(other),
            })?;
        Ok(Session { catalog, manifest, plan })
    }

    /// Where nodes stand is computed by this.
    pub fn assessor(&self, store: &Store) -> Assessor<'_> {
        Assessor {
            stages: &self.catalog.stages,
            plan: &self.plan,
            codes: Codes::new(self.catalog.table),
            memo: Memo::load(&memo_path(store)),
            numerics: CPU_EXACT.to_string(),
        }
    }

    pub fn label(&self, id: NodeId) -> &str {
        &self.plan.nodes[id].label
    }

    pub fn stage(&self, id: NodeId) -> &'static str {
        self.catalog.stages[self.plan.nodes[id].stage].name
    }

    /// All nodes that any of the selectors means.
    pub fn select(&self, selectors: &[String]) -> Result<Vec<NodeId>, Exit> {
        let mut found = Vec::new();
        for text in selectors {
            let chosen = Selector::parse(text).and_then(|s| s.select(&self.catalog.stages, &self.plan));
            found.extend(chosen.map_err(|error| match error {
                SelectError::Syntax { .. } => Exit::usage(error),
                SelectError::Nothing { .. } => Exit::nothing(error),
            })?);
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The nodes asked for, and those to run although cached.
    pub fn targets(&self, select: &SelectOptions) -> Result<(Vec<bool>, Vec<bool>), Exit> {
        let graph = Graph::of(&self.plan);
        let count = self.plan.nodes.len();
        let mut targets = vec![true; count];
        let mut narrow = |mask: Vec<bool>| targets.iter_mut().zip(mask).for_each(|(target, m)| *target &= m);
        if !select.only.is_empty() {
            let chosen = self.select(&select.only)?;
            narrow((0..count).map(|id| chosen.binary_search(&id).is_ok()).collect());
        }
        if !select.from.is_empty() {
            narrow(graph.descendants(&self.select(&select.from)?));
        }
        if !select.until.is_empty() {
            narrow(graph.ancestors(&self.select(&select.until)?));
        }
        let mut forced = vec![false; count];
        for id in self.select(&select.rerun)? {
            forced[id] = true;
        }
        if !targets.iter().any(|&target| target) {
            return Err(Exit::nothing("--only, --from and --until together leave no node"));
        }
        Ok((targets, forced))
    }
}

/// The arrays of the user's own tasks, as far as their files are there.
fn check_own_tasks(catalog: &Catalog, manifest: &Manifest) -> Result<(), String> {
    for task in &manifest.own_tasks {
        let Some(cell) = manifest.cells.iter().find(|cell| cell.task == task.name) else {
            continue;
        };
        let Some(dir) = cell.settings.get("data.dir").and_then(Value::as_str) else {
            return Err(format!("the task `{}` has no `dir`, the folder of its arrays", task.name));
        };
        let own = cell.settings.iter().filter(|(key, _)| key.starts_with("task."));
        let own = own.map(|(key, value)| (key.clone(), value.clone())).collect();
        (catalog.check_arrays)(Path::new(dir), &own)
            .map_err(|problem| format!("the task `{}`: {problem}", task.name))?;
    }
    Ok(())
}

/// What nodes without axes see: the manifest's own settings, and the conditions that stand beside every table.
fn shared_settings(manifest: &Manifest) -> Settings {
    let mut settings = (*manifest.settings).clone();
    if !manifest.cells.is_empty() {
        let mut fidelity = manifest.fidelity.clone();
        let switches: std::collections::BTreeSet<String> = manifest
            .cells
            .iter()
            .flat_map(|cell| cell.settings.iter())
            .filter(|(key, _)| key.starts_with("fidelity."))
            .filter(|(key, value)| manifest.settings.get(*key) != Some(*value))
            .map(|(key, value)| format!("{key} = {value}"))
            .collect();
        for switch in switches {
            fidelity.push_str(&format!(", {switch}"));
        }
        settings.insert("aggregate.fidelity".to_string(), Value::from(fidelity));
        settings.insert("aggregate.numerics".to_string(), Value::from(CPU_EXACT));
    }
    settings
}

/// Opens the cache.
pub fn open_store(cache: &Path) -> Result<Store, Exit> {
    Store::open(cache).map_err(Exit::usage)
}

/// Where digests of files outside the store are remembered.
pub fn memo_path(store: &Store) -> std::path::PathBuf {
    store.root().join("external-digests.json")
}

/// Looks keys up in one snapshot of the store.
pub fn snapshot_hits(store: &Store) -> Result<impl Fn(&str, &Digest) -> Option<Arc<Outputs>>, Exit> {
    let snapshot = store.snapshot().map_err(Exit::failed)?;
    Ok(move |_stage: &str, key: &Digest| snapshot.hit(key))
}
