//! Layers and cells to the manifest as meant. Knows no text: all errors were found before.

use crate::digest::Digest;
use crate::manifest::expand::Place;
use crate::manifest::layer::Layer;
use crate::manifest::vocabulary::TaskWord;
use crate::manifest::words::Words;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Dotted keys with values that fit their kind.
pub type Settings = BTreeMap<String, Value>;

/// A manifest as meant: only valid values.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// `run.name`, else the file's stem.
    pub name: String,
    pub path: PathBuf,
    /// The folder that relative paths in settings are meant from.
    pub base: PathBuf,
    /// Of the manifest's text: provenance, no part of any key.
    pub digest: Digest,
    /// Sorted by task, space, algorithm, seed; each once.
    pub cells: Vec<Cell>,
    /// The settings of no cell: what a stage without axes sees.
    pub settings: Arc<Settings>,
    /// The profile asked for.
    pub profile: Option<String>,
    /// `as-run` or `as-described`.
    pub fidelity: String,
    /// `local`, `slurm` or `workers`.
    pub executor: String,
    /// Tasks of the user's own data that the manifest declares.
    pub own_tasks: Vec<TaskWord>,
    /// What a plan prints before its counts: cells that are not applicable, the count of each rule of a grid.
    pub notes: Vec<String>,
    /// The count of each override.
    pub overrides: Vec<String>,
}

/// One cell of the grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    pub task: String,
    pub space: String,
    pub algorithm: String,
    pub seed: u64,
    /// Shared between cells where equal.
    pub settings: Arc<Settings>,
}

/// All layers, in the order in which they are written over each other.
pub struct Layers {
    /// Defaults of switches, `run.fidelity`.
    pub base: Settings,
    /// Definitions (tasks first, then methods): each only for its task or its method.
    pub definitions: Vec<Scoped>,
    /// Of `[task.…]`, the manifest's tables and overrides, the profile, `--set`.
    pub rest: Vec<Layer>,
}

/// A layer that holds for one task or one method alone.
pub struct Scoped {
    pub task: Option<usize>,
    pub method: Option<usize>,
    pub layer: Layer,
}

impl Layers {
    /// The settings that belong to no cell.
    pub fn of_no_cell(&self) -> Settings {
        let mut settings = self.base.clone();
        for layer in &self.rest {
            layer.apply_to_all(&mut settings);
        }
        settings
    }

    /// Layers that may hold for a pair.
    fn of_pair(&self, task: usize, method: usize) -> Vec<&Layer> {
        let mine =
            |scoped: &&Scoped| scoped.task.is_none_or(|t| t == task) && scoped.method.is_none_or(|m| m == method);
        self.definitions.iter().filter(mine).map(|scoped| &scoped.layer).chain(&self.rest).collect()
    }

    /// Gives each place its settings. Those of a pair are computed once for each set of overrides that takes its seed.
    pub fn cells(&self, words: &Words<'_>, places: &[Place]) -> Vec<Cell> {
        let mut shared: BTreeMap<String, Arc<Settings>> = BTreeMap::new();
        let mut cells = Vec::with_capacity(places.len());
        for run in places.chunk_by(|one, other| (one.task, one.method) == (other.task, other.method)) {
            let (task, method) = (run[0].task, run[0].method);
            let layers = self.of_pair(task, method);
            let by_seed: Vec<(usize, usize)> = seed_rules(&layers, task, method);
            let mut memo: BTreeMap<Vec<bool>, Arc<Settings>> = BTreeMap::new();
            let (name, word) = (&words.tasks[task].name, &words.methods[method]);
            for place in run {
                let taken: Vec<bool> =
                    by_seed.iter().map(|&(l, o)| layers[l].overrides[o].selector.seed(place.seed)).collect();
                let settings = match memo.get(&taken) {
                    Some(settings) => settings.clone(),
                    None => {
                        let mut settings = self.base.clone();
                        for layer in &layers {
                            layer.apply(&mut settings, task, method, place.seed);
                        }
                        let text = serde_json::to_string(&settings).expect("settings are JSON");
                        let settings = shared.entry(text).or_insert_with(|| Arc::new(settings)).clone();
                        memo.insert(taken, settings.clone());
                        settings
                    }
                };
                cells.push(Cell {
                    task: name.clone(),
                    space: word.space.clone(),
                    algorithm: word.algorithm.clone(),
                    seed: place.seed,
                    settings,
                });
            }
        }
        cells
    }
}

/// Overrides of a pair (layer, position) that take some seeds and not others.
fn seed_rules(layers: &[&Layer], task: usize, method: usize) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    for (l, layer) in layers.iter().enumerate() {
        for (o, one) in layer.overrides.iter().enumerate() {
            if one.selector.names_seeds() && one.selector.pair(task, method) {
                out.push((l, o));
            }
        }
    }
    out
}
