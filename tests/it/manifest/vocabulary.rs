//! A vocabulary with the published tasks and methods, and a handful of settings of each kind.

use nasperf_pipe::manifest::vocabulary::{Definition, Form, MethodWord, Switch, TaskWord, Vocabulary};
use nasperf_pipe::stages::entry::{Kind, Setting};
use serde_json::json;

pub fn vocabulary() -> Vocabulary {
    Vocabulary {
        tasks: tasks(),
        methods: methods(),
        settings: settings(),
        switches: switches(),
        definitions: definitions(),
    }
}

fn tasks() -> Vec<TaskWord> {
    let task = |name: &str, dimension, form| TaskWord { name: name.to_string(), dimension, form, control: false };
    vec![
        task("cifar100", 2, Form::Point),
        task("spherical", 2, Form::Point),
        task("ninapro", 2, Form::Point),
        task("fsd50k", 2, Form::MultiLabel),
        task("darcy", 2, Form::Dense),
        task("psicov", 2, Form::Dense),
        task("cosmic", 2, Form::Dense),
        task("ecg", 1, Form::Point),
        task("satellite", 1, Form::Point),
        task("deepsea", 1, Form::MultiLabel),
    ]
}

fn methods() -> Vec<MethodWord> {
    let method = |space: &str, algorithm: &str, alias: Option<&str>, supports, not_applicable: &str| MethodWord {
        space: space.to_string(),
        algorithm: algorithm.to_string(),
        aliases: alias.map(String::from).into_iter().collect(),
        supports,
        not_applicable: not_applicable.to_string(),
    };
    fn all(_: &TaskWord) -> bool {
        true
    }
    fn dense(task: &TaskWord) -> bool {
        task.form == Form::Dense && task.dimension == 2
    }
    fn one(task: &TaskWord) -> bool {
        task.dimension == 1
    }
    vec![
        method("wrn", "default", None, all, ""),
        method("wrn", "asha", None, all, ""),
        method("darts", "gaea", None, all, ""),
        method("densenas", "densenas", Some("densenas/original"), all, ""),
        method("densenas", "random", None, all, ""),
        method("autodeeplab", "darts", None, dense, "Auto-DeepLab predicts a value per position in 2D"),
        method("amber", "enas", None, one, "AMBER searches 1D networks only"),
    ]
}

fn settings() -> Vec<Setting> {
    let setting = |key, kind, doc| Setting { key, kind, doc, keyed: true };
    vec![
        setting("data.source", Kind::Choice(&["official", "embedded", "files"]), "Where data come from."),
        setting("data.size", Kind::Choice(&["tiny", "small", "full"]), "Size of embedded data."),
        setting("data.mirrors", Kind::Texts, "URL prefixes to try first."),
        setting("data.dir", Kind::Text, "Folder of files."),
        setting("data.shape", Kind::Counts, "Shape of one sample."),
        setting("data.files", Kind::Any, "Files with size and checksum."),
        setting("search.epochs", Kind::Count { min: 1 }, "Epochs of the search."),
        setting("search.shuffle", Kind::Bool, "Shuffle every epoch."),
        setting("retrain.epochs", Kind::Count { min: 1 }, "Epochs of retraining."),
        setting("retrain.batch", Kind::Count { min: 1 }, "Samples of a step."),
        setting("retrain.lr", Kind::Float { min: 0.0, max: f64::MAX }, "Learning rate."),
        setting("retrain.dropout", Kind::Float { min: 0.0, max: 1.0 }, "Dropout rate."),
        setting("retrain.schedule.name", Kind::Choice(&["cosine", "step"]), "Learning-rate schedule."),
        setting("retrain.schedule.steps", Kind::Counts, "Epochs of the steps."),
        setting("network.width", Kind::Count { min: 1 }, "Base channel count."),
        setting("task.metric", Kind::Choice(&["accuracy", "mse"]), "Metric of an own task."),
        setting("resources.time", Kind::Duration, "Longest time of a node."),
        setting("resources.gpus", Kind::Count { min: 0 }, "GPUs of a node."),
        setting("aggregate.impute", Kind::Text, "What stands in for missing values."),
        setting("aggregate.expect", Kind::Text, "Published values."),
        setting("aggregate.scores", Kind::Text, "A published table as input."),
        setting("slurm.partition", Kind::Text, "Partition of jobs."),
    ]
}

fn switches() -> Vec<Switch> {
    vec![
        Switch {
            key: "fidelity.point-shuffle",
            as_run: json!(false),
            as_described: json!(true),
            doc: "Shuffle point tasks of WRN.",
        },
        Switch {
            key: "fidelity.step-order",
            as_run: json!("weights-first"),
            as_described: json!("architecture-first"),
            doc: "Order of the two steps of a supernet.",
        },
    ]
}

fn definitions() -> Vec<Definition> {
    let definition = |origin: &str, text: &str| Definition { origin: origin.to_string(), text: text.to_string() };
    vec![
        definition(
            "manifests/methods/wrn-default.toml",
            r#"
method = "wrn/default"
[about]
paper = "Wide Residual Networks"
[set]
"retrain.epochs" = 200
"retrain.lr" = 0.1
"retrain.batch" = 128
[[override]]
match = { dimension = 1 }
set.retrain.lr = 0.01
[[override]]
match = { task = "darcy" }
set = { "retrain.batch" = 10 }
"#,
        ),
        definition(
            "manifests/tasks/darcy.toml",
            r#"
task = "darcy"
[about]
licence = "MIT"
[set]
"data.source" = "official"
"data.shape" = [85, 85]
"retrain.epochs" = 7
"data.files" = [{ name = "a.mat", bytes = 3 }]
"#,
        ),
    ]
}
