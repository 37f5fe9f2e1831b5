//! The grid's cells, projected on each stage's axes: one node per distinct projection and parameters.
//! Knows no stage by name: axes, needs and settings are rows of the stage table.

use crate::manifest::duration::seconds;
use crate::manifest::resolve::{Cell, Settings};
use crate::plan::node::{Node, NodeId, Params, Plan, Slot};
use crate::stages::entry::{Axis, Names, Need, Resources, StageEntry};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// Task, space, algorithm, seed.
const ALL_AXES: usize = 4;

/// Setting that a stage may declare to be given the list of all cells, so that it can show holes.
pub const CELLS_SETTING: &str = "aggregate.expected_cells";

/// A stage refused its settings, or the stage table is inconsistent.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum ExpandError {
    #[error("{label}: {message}")]
    Params { label: String, message: String },
    #[error("stage `{stage}` needs `{producer}`, which is no stage before it")]
    UnknownProducer { stage: String, producer: String },
    #[error("{label} needs {method} on the same task and seed, but no settings are known for that method")]
    UnknownMethod { label: String, method: String },
}

/// Gives the settings of a cell that the grid does not name but a node needs (another method, same task and seed).
pub type ForeignSettings<'a> = &'a dyn Fn(&Names) -> Option<Arc<Settings>>;

/// Makes the plan. `shared` are the settings of nodes without any axis.
pub fn expand(
    stages: &[StageEntry],
    mut cells: Vec<Cell>,
    shared: &Arc<Settings>,
    foreign: ForeignSettings<'_>,
) -> Result<Plan, ExpandError> {
    let order = stage_order(stages)?;
    add_foreign_cells(stages, &mut cells, foreign)?;
    let shows_holes = stages.iter().any(|stage| stage.settings.iter().any(|setting| setting.key == CELLS_SETTING));
    let named = if shows_holes { cells_value(&cells) } else { Value::Null };
    let mut expander = Expander {
        stages,
        plan: Plan::default(),
        params: HashMap::new(),
        interned: HashMap::new(),
        settings: Vec::new(),
        by_cell: vec![Vec::new(); stages.len()],
    };
    for stage in order {
        if stages[stage].axes.is_empty() {
            let gathered: Vec<usize> = (0..cells.len()).collect();
            let mut settings = (**shared).clone();
            settings.insert(CELLS_SETTING.to_string(), named.clone());
            let id = expander.node(stage, Names::default(), &Arc::new(settings), &gathered)?;
            expander.by_cell[stage] = vec![id; cells.len()];
        } else {
            expander.project(stage, &cells)?;
        }
    }
    expander.label_duplicates();
    Ok(expander.plan)
}

fn cells_value(cells: &[Cell]) -> Value {
    let list: Vec<Value> = cells
        .iter()
        .map(|c| json!({"task": c.task, "space": c.space, "algorithm": c.algorithm, "seed": c.seed}))
        .collect();
    Value::Array(list)
}

/// Stages so that producers come first; the table's order breaks ties.
fn stage_order(stages: &[StageEntry]) -> Result<Vec<usize>, ExpandError> {
    let mut order: Vec<usize> = Vec::new();
    while order.len() < stages.len() {
        let ready = (0..stages.len()).find(|&i| {
            !order.contains(&i)
                && stages[i].needs.iter().all(|need| order.iter().any(|&done| stages[done].name == need.stage))
        });
        match ready {
            Some(i) => order.push(i),
            None => {
                let stuck =
                    (0..stages.len()).find(|i| !order.contains(i)).expect("the order is shorter than the table");
                let missing = stages[stuck].needs.iter().find(|n| !order.iter().any(|&d| stages[d].name == n.stage));
                return Err(ExpandError::UnknownProducer {
                    stage: stages[stuck].name.to_string(),
                    producer: missing.map(|n| n.stage.to_string()).unwrap_or_default(),
                });
            }
        }
    }
    Ok(order)
}

/// A need for another method's cell adds that cell where the grid does not name it.
fn add_foreign_cells(
    stages: &[StageEntry],
    cells: &mut Vec<Cell>,
    foreign: ForeignSettings<'_>,
) -> Result<(), ExpandError> {
    if !stages.iter().any(|stage| stage.needs.iter().any(|need| need.method.is_some())) {
        return Ok(());
    }
    let mut next = 0;
    while next < cells.len() {
        let names = cell_names(&cells[next]);
        for stage in stages {
            for need in &stage.needs {
                let Some((space, algorithm)) = need.method else { continue };
                if !(need.applies)(&project(&names, stage.axes)) {
                    continue;
                }
                let wanted = Names { space: Some(space.into()), algorithm: Some(algorithm.into()), ..names.clone() };
                if cells.iter().any(|cell| cell_names(cell) == wanted) {
                    continue;
                }
                let settings = foreign(&wanted).ok_or_else(|| ExpandError::UnknownMethod {
                    label: format!("{}[{names}]", stage.name),
                    method: format!("{space}/{algorithm}"),
                })?;
                let (task, seed) = (cells[next].task.clone(), cells[next].seed);
                cells.push(Cell { task, space: space.into(), algorithm: algorithm.into(), seed, settings });
            }
        }
        next += 1;
    }
    Ok(())
}

fn cell_names(cell: &Cell) -> Names {
    Names {
        task: Some(cell.task.clone()),
        space: Some(cell.space.clone()),
        algorithm: Some(cell.algorithm.clone()),
        seed: Some(cell.seed),
    }
}

fn project(names: &Names, axes: &[Axis]) -> Names {
    let keep = |axis| axes.contains(&axis);
    Names {
        task: names.task.clone().filter(|_| keep(Axis::Task)),
        space: names.space.clone().filter(|_| keep(Axis::Space)),
        algorithm: names.algorithm.clone().filter(|_| keep(Axis::Algorithm)),
        seed: names.seed.filter(|_| keep(Axis::Seed)),
    }
}

fn projected(cell: &Cell, axes: &[Axis]) -> Names {
    let keep = |axis| axes.contains(&axis);
    Names {
        task: keep(Axis::Task).then(|| cell.task.clone()),
        space: keep(Axis::Space).then(|| cell.space.clone()),
        algorithm: keep(Axis::Algorithm).then(|| cell.algorithm.clone()),
        seed: keep(Axis::Seed).then_some(cell.seed),
    }
}

/// Parameters of one stage and one set of settings (by address: the manifest shares equal ones), by names without seed.
type Known = Vec<(Names, Arc<Params>)>;

struct Expander<'a> {
    stages: &'a [StageEntry],
    plan: Plan,
    params: HashMap<(usize, usize), Known>,
    /// Equal canonical parameters of a stage are one object, so that comparing them is comparing addresses.
    interned: HashMap<(usize, String), Arc<Params>>,
    /// Keeps the addresses in `params` alive.
    settings: Vec<Arc<Settings>>,
    /// For each stage, the node that serves each cell.
    by_cell: Vec<Vec<NodeId>>,
}

impl Expander<'_> {
    fn project(&mut self, stage: usize, cells: &[Cell]) -> Result<(), ExpandError> {
        // Cells are grouped first, so that a node which gathers over a missing axis sees all of them.
        let mut groups: Vec<(Names, Arc<Settings>, Vec<usize>)> = Vec::new();
        let mut index: HashMap<(Names, usize), usize> = HashMap::new();
        // A stage with every axis has one node per cell; nothing to group.
        let each_alone = self.stages[stage].axes.len() == ALL_AXES;
        for (i, cell) in cells.iter().enumerate() {
            let names = projected(cell, self.stages[stage].axes);
            if each_alone {
                groups.push((names, cell.settings.clone(), vec![i]));
                continue;
            }
            let params = self.params(stage, &names, &cell.settings)?;
            let group = *index.entry((names.clone(), Arc::as_ptr(&params) as usize)).or_insert_with(|| {
                groups.push((names, cell.settings.clone(), Vec::new()));
                groups.len() - 1
            });
            groups[group].2.push(i);
        }
        self.by_cell[stage] = vec![usize::MAX; cells.len()];
        for (names, settings, members) in groups {
            // Equal parameters on unequal inputs are different nodes: split a group by what its producers are.
            let mut split: Vec<(Vec<NodeId>, Vec<usize>)> = Vec::new();
            for &member in &members {
                let producers = self.direct_producers(stage, &names, member);
                match split.iter_mut().find(|(known, _)| *known == producers) {
                    Some((_, list)) => list.push(member),
                    None => split.push((producers, vec![member])),
                }
            }
            for (_, list) in split {
                let id = self.node(stage, names.clone(), &settings, &list)?;
                for member in list {
                    self.by_cell[stage][member] = id;
                }
            }
        }
        Ok(())
    }

    /// Producers through needs that keep all of the producer's axes.
    fn direct_producers(&self, stage: usize, names: &Names, cell: usize) -> Vec<NodeId> {
        let entry = &self.stages[stage];
        let direct = entry.needs.iter().filter(|need| need.method.is_none() && (need.applies)(names));
        direct
            .filter_map(|need| {
                let producer = self.stage_index(need);
                let gathers = self.stages[producer].axes.iter().any(|axis| !entry.axes.contains(axis));
                (!gathers).then(|| self.by_cell[producer][cell])
            })
            .collect()
    }

    fn stage_index(&self, need: &Need) -> usize {
        self.stages.iter().position(|s| s.name == need.stage).expect("stage_order checked the producers")
    }

    fn params(&mut self, stage: usize, names: &Names, settings: &Arc<Settings>) -> Result<Arc<Params>, ExpandError> {
        let memo = (stage, Arc::as_ptr(settings) as usize);
        let same = |known: &Names| {
            known.task == names.task && known.space == names.space && known.algorithm == names.algorithm
        };
        if let Some((_, params)) = self.params.get(&memo).and_then(|known| known.iter().find(|(known, _)| same(known)))
        {
            return Ok(params.clone());
        }
        let entry = &self.stages[stage];
        let declared: Map<String, Value> = entry
            .settings
            .iter()
            .filter_map(|s| settings.get(s.key).map(|value| (s.key.to_string(), value.clone())))
            .collect();
        let all = (entry.params)(names, declared)
            .map_err(|message| ExpandError::Params { label: format!("{}[{names}]", entry.name), message })?;
        let made = Params::new(&entry.settings, all);
        let params = self.interned.entry((stage, made.keyed_text.clone())).or_insert_with(|| Arc::new(made)).clone();
        let known = self.params.entry(memo).or_default();
        if known.is_empty() {
            self.settings.push(settings.clone());
        }
        known.push((Names { seed: None, ..names.clone() }, params.clone()));
        Ok(params)
    }

    fn node(
        &mut self,
        stage: usize,
        names: Names,
        settings: &Arc<Settings>,
        cells: &[usize],
    ) -> Result<NodeId, ExpandError> {
        let params = self.params(stage, &names, settings)?;
        let entry = &self.stages[stage];
        let mut slots = Vec::new();
        let set = |need: &&Need| need.only_with.is_none_or(|key| params.all.contains_key(key));
        for need in entry.needs.iter().filter(|need| (need.applies)(&names)).filter(set) {
            let producer = self.stage_index(need);
            let gathers = self.stages[producer].axes.iter().any(|axis| !entry.axes.contains(axis));
            let mut producers: Vec<NodeId> = match need.method {
                Some((space, algorithm)) => self.foreign_producer(producer, &names, space, algorithm),
                None => cells.iter().map(|&cell| self.by_cell[producer][cell]).collect(),
            };
            producers.sort_unstable();
            producers.dedup();
            slots.push(Slot { name: need.slot, output: need.output, producers, gathers, optional: need.optional });
        }
        let external = (entry.external)(&names, &params.all);
        let label = label(entry.name, &names);
        let resources = resources(&entry.resources, settings);
        self.plan.nodes.push(Node { stage, names, label, params, slots, external, resources });
        Ok(self.plan.nodes.len() - 1)
    }

    fn foreign_producer(&self, stage: usize, names: &Names, space: &str, algorithm: &str) -> Vec<NodeId> {
        let wanted = Names { space: Some(space.into()), algorithm: Some(algorithm.into()), ..names.clone() };
        let wanted = project(&wanted, self.stages[stage].axes);
        self.plan.nodes.iter().position(|n| n.stage == stage && n.names == wanted).into_iter().collect()
    }

    /// The same names with other parameters give several nodes; a number tells them apart.
    fn label_duplicates(&mut self) {
        let mut seen: HashMap<&str, usize> = HashMap::with_capacity(self.plan.nodes.len());
        let mut again: Vec<(NodeId, usize)> = Vec::new();
        for (id, node) in self.plan.nodes.iter().enumerate() {
            let count = seen.entry(&node.label).and_modify(|n| *n += 1).or_insert(1);
            if *count > 1 {
                again.push((id, *count));
            }
        }
        for (id, count) in again {
            self.plan.nodes[id].label.push_str(&format!("#{count}"));
        }
    }
}

/// `stage[names]`, or the bare stage where it has no axis.
fn label(stage: &str, names: &Names) -> String {
    let names = names.to_string();
    if names.is_empty() { stage.to_string() } else { format!("{stage}[{names}]") }
}

/// The manifest's `resources.*` over the stage's own wish.
fn resources(wish: &Resources, settings: &Settings) -> Resources {
    let number = |key: &str| settings.get(key).and_then(Value::as_u64);
    Resources {
        threads: number("resources.threads").map_or(wish.threads, |n| n as u32),
        memory_mib: number("resources.memory_mib").unwrap_or(wish.memory_mib),
        gpus: number("resources.gpus").map_or(wish.gpus, |n| n as u32),
        seconds: settings.get("resources.time").and_then(Value::as_str).and_then(seconds).or(wish.seconds),
    }
}
