//! The pipeline on one page: fetch → preprocess → search → retrain → evaluate → aggregate. Each row declares axes, needs,
//! settings and code roots, and binds a stage function to the parts that the names choose; it computes nothing.
pub mod accounting;
pub mod aggregate;
pub mod amount;
pub mod canonical;
pub mod context;
pub mod drive;
pub mod entry;
pub mod evaluate;
pub mod fetch;
pub mod first_frame;
pub mod inputs;
pub mod network;
pub mod official_files;
pub mod preprocess;
pub mod preview;
pub mod retrain;
pub mod search;
pub mod search_loop;

use crate::algorithms::contract::entry::AlgorithmEntry;
use crate::artifacts::architecture::ARCHITECTURE_FILE;
use crate::spaces::contract::entry::SpaceEntry;
use crate::stages::aggregate::AggregateParams;
use crate::stages::canonical::Reads;
use crate::stages::context::StageError;
use crate::stages::entry::{Axis, Names, Need, Resources, StageEntry};
use crate::stages::fetch::FetchParams;
use crate::stages::preprocess::PreprocessParams;
use crate::tasks::contract::entry::TaskEntry;

/// The tables that rows choose from.
#[derive(Clone, Copy)]
pub struct Parts {
    pub tasks: &'static [TaskEntry],
    pub spaces: &'static [SpaceEntry],
    pub algorithms: &'static [AlgorithmEntry],
    /// Stands for every task of a user's own; its files are in `tasks/arrays/`.
    pub arrays: &'static TaskEntry,
}

impl Parts {
    fn task(&self, names: &Names) -> Result<&'static TaskEntry, String> {
        let name = names.task.as_deref().unwrap_or_default();
        // a manifest lets no unknown name through: what is not in the table is a task of the user's own
        Ok(self.tasks.iter().find(|row| row.name == name).unwrap_or(self.arrays))
    }

    fn space(&self, names: &Names) -> Result<&'static SpaceEntry, String> {
        let name = names.space.as_deref().unwrap_or_default();
        self.spaces.iter().find(|row| row.name == name).ok_or_else(|| format!("there is no space `{name}`"))
    }

    fn algorithm(&self, names: &Names) -> Result<&'static AlgorithmEntry, String> {
        let name = names.algorithm.as_deref().unwrap_or_default();
        self.algorithms.iter().find(|row| row.name == name).ok_or_else(|| format!("there is no algorithm `{name}`"))
    }

    /// Gated settings that the task, the space and the algorithm look at.
    fn reads(&self, names: &Names) -> Result<Reads<'static>, String> {
        let algorithm = self.algorithm(names)?;
        let (task, space) = (self.task(names)?.reads, self.space(names)?.reads);
        Ok(Reads { task, space, algorithm: algorithm.reads, trains: algorithm.trains })
    }
}

const CELL: &[Axis] = &[Axis::Task, Axis::Space, Axis::Algorithm, Axis::Seed];

/// All stages, in the order of the flow.
pub fn rows(parts: Parts) -> Vec<StageEntry> {
    vec![
        fetch_row(parts),
        preprocess_row(parts),
        search_row(parts),
        retrain_row(parts),
        evaluate_row(parts),
        aggregate_row(),
    ]
}

fn need(slot: &'static str, stage: &'static str, output: &'static str) -> Need {
    Need { slot, stage, output, method: None, optional: false, only_with: None, applies: |_| true }
}

fn one_thread(memory_mib: u64) -> Resources {
    Resources { threads: 1, memory_mib, gpus: 0, seconds: None }
}

/// A source file of the task that the names choose.
fn task_file(parts: &Parts, names: &Names, role: &str) -> String {
    let folder = parts.task(names).map_or("arrays", |row| row.name);
    format!("tasks/{folder}/{role}.rs")
}

/// A source file of the space or algorithm that the names choose.
fn file(folder: &str, name: &Option<String>, role: &str) -> String {
    format!("{folder}/{}{role}", name.as_deref().unwrap_or_default())
}

fn fetch_row(parts: Parts) -> StageEntry {
    StageEntry {
        name: "fetch",
        axes: &[Axis::Task],
        needs: Vec::new(),
        settings: fetch::settings(),
        stochastic: false,
        numeric: false,
        params: Box::new(move |names, settings| {
            Ok(FetchParams::from_settings(&settings, parts.task(names)?.source)?.to_settings())
        }),
        external: Box::new(move |names, params| {
            let Ok(task) = parts.task(names) else { return Vec::new() };
            FetchParams::from_settings(params, task.source).map(|p| p.external(task.source)).unwrap_or_default()
        }),
        roots: Box::new(move |names, params| {
            let mut roots = vec!["stages/fetch.rs".to_string(), task_file(&parts, names, "source")];
            if params.get("data.source").is_some_and(|source| source == "embedded") {
                roots.push(task_file(&parts, names, "generator"));
            }
            roots
        }),
        resources: one_thread(512),
        run: Box::new(move |names, params, context| {
            let task = parts.task(names).map_err(StageError::Code)?;
            let params = FetchParams::from_settings(params, task.source).map_err(StageError::Code)?;
            fetch::fetch(task.source, task.generator, &params, context)
        }),
    }
}

fn preprocess_row(parts: Parts) -> StageEntry {
    StageEntry {
        name: "preprocess",
        axes: &[Axis::Task],
        needs: vec![need("raw", "fetch", "")],
        settings: preprocess::settings(),
        stochastic: false,
        numeric: false,
        params: Box::new(move |names, settings| {
            Ok(PreprocessParams::from_settings(&settings, parts.task(names)?.preparation)?.to_settings())
        }),
        external: Box::new(|_, _| Vec::new()),
        roots: Box::new(move |names, _| {
            let roles = ["source", "preparation"].map(|role| task_file(&parts, names, role));
            ["stages/preprocess.rs".to_string()].into_iter().chain(roles).collect()
        }),
        resources: one_thread(1024),
        run: Box::new(move |names, params, context| {
            let task = parts.task(names).map_err(StageError::Code)?;
            let params = PreprocessParams::from_settings(params, task.preparation).map_err(StageError::Code)?;
            let name = names.task.as_deref().unwrap_or_default();
            preprocess::preprocess(name, task.source.hosted(), task.preparation, &params, context)
        }),
    }
}

fn search_row(parts: Parts) -> StageEntry {
    StageEntry {
        name: "search",
        axes: CELL,
        needs: vec![need("dataset", "preprocess", "")],
        settings: search::settings(),
        stochastic: true,
        numeric: true,
        params: Box::new(move |names, settings| search::params(settings, parts.reads(names)?)),
        external: Box::new(|_, _| Vec::new()),
        roots: Box::new(move |names, _| {
            let mut roots = vec!["stages/search.rs".to_string(), file("algorithms", &names.algorithm, ".rs")];
            let (capability, trains) =
                parts.algorithm(names).map_or(("default", false), |row| (row.capability, row.trains));
            roots.push(file("spaces", &names.space, &format!("/{capability}.rs")));
            if trains {
                roots.push(task_file(&parts, names, "objective"));
            }
            roots
        }),
        resources: one_thread(2048),
        run: Box::new(move |names, params, context| {
            let space = parts.space(names).map_err(StageError::Code)?;
            let algorithm = parts.algorithm(names).map_err(StageError::Code)?;
            let task = parts.task(names).map_err(StageError::Code)?;
            let parts = search::Parts {
                default: space.default,
                relaxed: space.relaxed,
                sampled: space.sampled,
                objective: task.objective,
                trains: algorithm.trains,
                start: algorithm.start,
            };
            search::search(names, params, &parts, context)
        }),
    }
}

fn retrain_row(parts: Parts) -> StageEntry {
    StageEntry {
        name: "retrain",
        axes: CELL,
        needs: vec![need("dataset", "preprocess", ""), need("architecture", "search", "architecture")],
        settings: retrain::settings(),
        stochastic: true,
        numeric: true,
        params: Box::new(move |names, settings| retrain::params(settings, parts.reads(names)?)),
        external: Box::new(|_, _| Vec::new()),
        roots: Box::new(move |names, _| {
            vec![
                "stages/retrain.rs".to_string(),
                task_file(&parts, names, "objective"),
                file("spaces", &names.space, "/child.rs"),
            ]
        }),
        resources: one_thread(2048),
        run: Box::new(move |names, params, context| {
            let task = parts.task(names).map_err(StageError::Code)?;
            let space = parts.space(names).map_err(StageError::Code)?;
            retrain::retrain(params, task.objective, space.child, context)
        }),
    }
}

fn evaluate_row(parts: Parts) -> StageEntry {
    StageEntry {
        name: "evaluate",
        axes: CELL,
        needs: vec![
            need("dataset", "preprocess", ""),
            need("architecture", "search", "architecture"),
            need("weights", "retrain", "weights"),
        ],
        settings: evaluate::settings(),
        // Scores rows of the test part as they are; the search split of an augmented task draws from the seed.
        stochastic: true,
        numeric: true,
        params: Box::new(move |names, settings| evaluate::params(settings, parts.reads(names)?)),
        external: Box::new(|_, _| Vec::new()),
        roots: Box::new(move |names, _| {
            vec![
                "stages/evaluate.rs".to_string(),
                task_file(&parts, names, "metric"),
                task_file(&parts, names, "objective"),
                file("spaces", &names.space, "/child.rs"),
            ]
        }),
        resources: one_thread(2048),
        run: Box::new(move |names, params, context| {
            let task = parts.task(names).map_err(StageError::Code)?;
            let space = parts.space(names).map_err(StageError::Code)?;
            let parts = evaluate::Parts { objective: task.objective, metric: task.metric, child: space.child };
            evaluate::evaluate(names, params, &parts, context)
        }),
    }
}

fn aggregate_row() -> StageEntry {
    StageEntry {
        name: "aggregate",
        axes: &[],
        needs: vec![
            Need { optional: true, ..need(aggregate::SCORES_SLOT, "evaluate", "score") },
            Need {
                optional: true,
                only_with: Some(aggregate::PICKS),
                ..need(aggregate::ARCHITECTURES_SLOT, "search", ARCHITECTURE_FILE)
            },
        ],
        settings: aggregate::settings(),
        stochastic: false,
        numeric: false,
        params: Box::new(|_, settings| Ok(AggregateParams::from_settings(&settings)?.to_settings())),
        external: Box::new(|_, params| {
            AggregateParams::from_settings(params).map(|p| p.external()).unwrap_or_default()
        }),
        roots: Box::new(|_, _| vec!["stages/aggregate.rs".to_string()]),
        resources: one_thread(512),
        run: Box::new(|_, params, context| {
            let params = AggregateParams::from_settings(params).map_err(StageError::Code)?;
            aggregate::aggregate(&params, context)
        }),
    }
}
