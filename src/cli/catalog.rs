//! Collects the tables: stages, tasks, spaces, algorithms, switches, definitions. Nobody else reads them.

use crate::algorithms::ALGORITHMS;
use crate::artifacts::architecture::Architecture;
use crate::artifacts::dataset::{DATASET_FILE, DatasetMeta};
use crate::artifacts::drawing::Drawing;
use crate::artifacts::sample_view::Sample;
use crate::artifacts::samples::{Part, Samples};
use crate::data::lock::lookup;
use crate::digest::Digest;
use crate::fidelity::SWITCHES;
use crate::fingerprint::table::Table;
use crate::manifest::guess::{Candidate, Values};
use crate::manifest::vocabulary::{Definition, Form, MethodWord, Switch, TaskWord, Vocabulary};
#[cfg(feature = "cuda")]
use crate::ops::launch::device::{Device, Facts, count};
use crate::spaces::SPACES;
use crate::stages::entry::{Kind, Setting, StageEntry};
use crate::stages::preview;
use crate::stages::{Parts, rows};
use crate::tasks::arrays::inspect::{self, FoundArray};
use crate::tasks::{ARRAYS, TASKS};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// Reads one file of an artifact.
pub type ReadFile<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, String>;

/// Everything that a manifest may name, and how it runs.
pub struct Catalog {
    pub stages: Vec<StageEntry>,
    pub vocabulary: Vocabulary,
    /// The digest that a data lock holds for a task's file, if any.
    pub locked: fn(&Path, &str, &str) -> Result<Option<Digest>, String>,
    /// The arrays in a folder.
    pub look: fn(&Path) -> Result<Vec<Candidate>, String>,
    /// Whether the arrays of a user's own task fit together, by folder and settings `task.…`.
    pub check_arrays: fn(&Path, &Map<String, Value>) -> Result<(), String>,
    /// Samples of a prepared data set, whose files the reader gives by name.
    pub preview: fn(&str, ReadFile<'_>, usize) -> Result<Vec<Sample>, String>,
    /// An architecture as people look at it; `None` where its space has nothing to draw.
    pub draw: fn(&Architecture) -> Option<Result<Drawing, String>>,
    /// The code of this binary.
    pub table: &'static Table,
}

impl Catalog {
    pub fn collect() -> Catalog {
        let stages = rows(Parts { tasks: TASKS, spaces: SPACES, algorithms: ALGORITHMS, arrays: &ARRAYS });
        let mut settings: Vec<Setting> = stages.iter().flat_map(|stage| stage.settings.iter().cloned()).collect();
        settings.extend(resource_settings());
        let vocabulary = Vocabulary {
            tasks: tasks(),
            methods: methods(),
            settings,
            switches: switches(),
            definitions: definitions(),
        };
        let (check_arrays, table) = (inspect::check, Table::embedded());
        Catalog { stages, vocabulary, locked, look, check_arrays, preview, draw, table }
    }
}

fn draw(architecture: &Architecture) -> Option<Result<Drawing, String>> {
    let space = SPACES.iter().find(|space| space.name == architecture.space)?;
    space.draw.map(|draw| draw(architecture))
}

fn preview(task: &str, read: ReadFile<'_>, count: usize) -> Result<Vec<Sample>, String> {
    let meta: DatasetMeta = serde_json::from_slice(&read(DATASET_FILE)?).map_err(|e| format!("{DATASET_FILE}: {e}"))?;
    let mut samples = Samples { meta, parts: BTreeMap::new() };
    let search = samples.meta.search.clone();
    for part in [search.train.part, search.score.part] {
        let bytes = read(&format!("{part}.safetensors"))?;
        samples.parts.insert(part.clone(), Part::decode(&part, &bytes)?);
    }
    let row = TASKS.iter().find(|row| row.name == task).unwrap_or(&ARRAYS);
    preview::look(row.objective, &samples, count)
}

fn look(folder: &Path) -> Result<Vec<Candidate>, String> {
    let candidate = |array: FoundArray| Candidate {
        place: array.place.to_string(),
        shape: array.shape,
        values: array.values.map(|seen| Values {
            whole: seen.whole,
            binary: seen.binary,
            finite: seen.finite,
            one_hot: seen.one_hot,
            all: seen.all,
        }),
    };
    Ok(inspect::look(folder)?.into_iter().map(candidate).collect())
}

fn locked(lock: &Path, task: &str, name: &str) -> Result<Option<Digest>, String> {
    let entry = lookup(lock, task, name).map_err(|error| error.to_string())?;
    Ok(entry.map(|entry| entry.sha256))
}

fn tasks() -> Vec<TaskWord> {
    let word = |(name, dimension, form): &(&str, u8, Form), control| TaskWord {
        name: name.to_string(),
        dimension: *dimension,
        form: *form,
        control,
    };
    let benchmark = TASK_FORMS.iter().map(|task| word(task, false));
    benchmark.chain(CONTROL_FORMS.iter().map(|task| word(task, true))).collect()
}

/// Controls beside the benchmark: a manifest names them, `*` leaves them out.
const CONTROL_FORMS: &[(&str, u8, Form)] = &[("planted", 1, Form::Dense)];

/// Dimension and form of each task in the table (tasks.md §1).
const TASK_FORMS: &[(&str, u8, Form)] = &[
    ("cifar100", 2, Form::Point),
    ("cosmic", 2, Form::Dense),
    ("darcy", 2, Form::Dense),
    ("deepsea", 1, Form::MultiLabel),
    ("ecg", 1, Form::Point),
    ("fsd50k", 2, Form::MultiLabel),
    ("ninapro", 2, Form::Point),
    ("psicov", 2, Form::Dense),
    ("satellite", 1, Form::Point),
    ("spherical", 2, Form::Point),
];

fn methods() -> Vec<MethodWord> {
    let darts = |algorithm: &str| MethodWord {
        space: "darts".to_string(),
        algorithm: algorithm.to_string(),
        aliases: Vec::new(),
        supports: |_| true,
        not_applicable: String::new(),
    };
    vec![
        MethodWord {
            space: "wrn".to_string(),
            algorithm: "default".to_string(),
            aliases: Vec::new(),
            supports: |task| task.dimension == 2 || task.form != Form::Dense,
            not_applicable: "the benchmark has no wide residual network for a value per position of a series"
                .to_string(),
        },
        darts("gaea"),
        darts("darts"),
        darts("default"),
        darts("random"),
    ]
}

fn switches() -> Vec<Switch> {
    let switch = |row: &crate::fidelity::Switch| Switch {
        key: row.key,
        as_run: row.as_run.value(),
        as_described: row.as_described.value(),
        doc: row.doc,
    };
    SWITCHES.iter().map(switch).collect()
}

fn definitions() -> Vec<Definition> {
    let files = [
        ("manifests/tasks/cifar100.toml", include_str!("../../manifests/tasks/cifar100.toml")),
        ("manifests/tasks/cosmic.toml", include_str!("../../manifests/tasks/cosmic.toml")),
        ("manifests/tasks/darcy.toml", include_str!("../../manifests/tasks/darcy.toml")),
        ("manifests/tasks/deepsea.toml", include_str!("../../manifests/tasks/deepsea.toml")),
        ("manifests/tasks/ecg.toml", include_str!("../../manifests/tasks/ecg.toml")),
        ("manifests/tasks/fsd50k.toml", include_str!("../../manifests/tasks/fsd50k.toml")),
        ("manifests/tasks/ninapro.toml", include_str!("../../manifests/tasks/ninapro.toml")),
        ("manifests/tasks/planted.toml", include_str!("../../manifests/tasks/planted.toml")),
        ("manifests/tasks/psicov.toml", include_str!("../../manifests/tasks/psicov.toml")),
        ("manifests/tasks/satellite.toml", include_str!("../../manifests/tasks/satellite.toml")),
        ("manifests/tasks/spherical.toml", include_str!("../../manifests/tasks/spherical.toml")),
        ("manifests/methods/darts-darts.toml", include_str!("../../manifests/methods/darts-darts.toml")),
        ("manifests/methods/darts-default.toml", include_str!("../../manifests/methods/darts-default.toml")),
        ("manifests/methods/darts-gaea.toml", include_str!("../../manifests/methods/darts-gaea.toml")),
        ("manifests/methods/darts-random.toml", include_str!("../../manifests/methods/darts-random.toml")),
        ("manifests/methods/wrn-default.toml", include_str!("../../manifests/methods/wrn-default.toml")),
    ];
    files.into_iter().map(|(origin, text)| Definition { origin: origin.to_string(), text: text.to_string() }).collect()
}

/// What a manifest may say of a node's slots; they reach no key.
fn resource_settings() -> Vec<Setting> {
    let setting = |key, kind, doc| Setting { key, kind, doc, keyed: false };
    vec![
        setting("resources.threads", Kind::Count { min: 1 }, "CPU threads a node asks for; idle ones are shared out."),
        setting("resources.memory_mib", Kind::Count { min: 1 }, "Memory a node asks for, in MiB."),
        setting("resources.gpus", Kind::Count { min: 0 }, "GPUs a node asks for."),
        setting("resources.time", Kind::Duration, "Time after which a node saves its state and fails, such as 8h."),
    ]
}

/// What each GPU is, or why it cannot be used.
///
/// Errors: there is no driver, or it does not start.
#[cfg(feature = "cuda")]
pub fn devices() -> Result<Vec<Result<Facts, String>>, String> {
    let facts = |ordinal| Device::open(ordinal).and_then(|device| device.facts());
    Ok((0..count()?).map(facts).collect())
}
