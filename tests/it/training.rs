//! Story: search, retrain and evaluate of one cell, from a dataset artifact to a score; interrupted, continued, repeated
//! with other numbers of threads, with permuted labels and with a rate that diverges.

use crate::support::memory_context::{Blobs, MemoryContext};
use crate::support::tiny_dataset::{fields, images};
use nasperf_pipe::algorithms::contract::search::StartSearch;
use nasperf_pipe::algorithms::default;
use nasperf_pipe::artifacts::architecture::ARCHITECTURE_FILE;
use nasperf_pipe::artifacts::score::{SCORE_FILE, Score};
use nasperf_pipe::artifacts::training_log::{TRAINING_FILE, TrainingLog};
use nasperf_pipe::artifacts::weights::{Saved, WEIGHTS_FILE, decode, encode};
use nasperf_pipe::digest::Digest;
use nasperf_pipe::fidelity::SWITCHES;
use nasperf_pipe::spaces::SPACES;
use nasperf_pipe::spaces::contract::entry::SpaceEntry;
use nasperf_pipe::stages::canonical::Reads;
use nasperf_pipe::stages::context::StageError;
use nasperf_pipe::stages::entry::{Kind, Names, Setting};
use nasperf_pipe::stages::evaluate::{self, Parts};
use nasperf_pipe::stages::{retrain, search};
use nasperf_pipe::tasks::TASKS;
use nasperf_pipe::tasks::contract::entry::TaskEntry;
use serde_json::{Map, Value, json};
use std::process::Command;

type ParamsFn = fn(Map<String, Value>, Reads<'_>) -> Result<Map<String, Value>, String>;

/// One cell of `wrn/default`, as a catalog would bind it.
struct Cell {
    task: &'static TaskEntry,
    space: &'static SpaceEntry,
    dataset: Blobs,
    settings: Map<String, Value>,
    seed: u64,
}

impl Cell {
    fn new(task: &str, dataset: Blobs, settings: Value) -> Self {
        let task = TASKS.iter().find(|t| t.name == task).unwrap();
        let space = SPACES.iter().find(|s| s.name == "wrn").unwrap();
        Cell { task, space, dataset, settings: settings.as_object().unwrap().clone(), seed: 0 }
    }

    fn names(&self) -> Names {
        Names {
            task: Some(self.task.name.to_string()),
            space: Some("wrn".to_string()),
            algorithm: Some("default".to_string()),
            seed: Some(self.seed),
        }
    }

    /// The cell's settings that a stage declares.
    fn declared(&self, settings: &[Setting]) -> Map<String, Value> {
        let known = |key: &String| settings.iter().any(|s| s.key == key);
        self.settings.iter().filter(|(key, _)| known(key)).map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    fn reads(&self) -> Reads<'static> {
        Reads { task: self.task.reads, space: self.space.reads, algorithm: &[], trains: false }
    }

    fn search(&self) -> Blobs {
        let params = search::params(self.declared(&search::settings()), self.reads()).unwrap();
        let mut context = MemoryContext::new(&[("dataset", &self.dataset)], self.seed);
        let (default, relaxed, sampled) = (self.space.default, self.space.relaxed, self.space.sampled);
        let (objective, trains, start) = (self.task.objective, false, default::start as StartSearch);
        let parts = search::Parts { default, relaxed, sampled, objective, trains, start };
        search::search(&self.names(), &params, &parts, &mut context).unwrap();
        context.outputs()
    }

    fn retrain_in(&self, context: &mut MemoryContext) -> Result<(), StageError> {
        let params = retrain::params(self.declared(&retrain::settings()), self.reads()).unwrap();
        retrain::retrain(&params, self.task.objective, self.space.child, context)
    }

    fn retrain(&self, architecture: &Blobs) -> Blobs {
        let mut context = MemoryContext::new(&[("dataset", &self.dataset), ("architecture", architecture)], self.seed);
        self.retrain_in(&mut context).unwrap();
        context.outputs()
    }

    fn evaluate(&self, architecture: &Blobs, weights: &Blobs) -> (Score, Vec<u8>) {
        let params = evaluate::params(self.declared(&evaluate::settings()), self.reads()).unwrap();
        let slots = [("dataset", &self.dataset), ("architecture", architecture), ("weights", weights)];
        let mut context = MemoryContext::new(&slots, self.seed);
        let parts = Parts { objective: self.task.objective, metric: self.task.metric, child: self.space.child };
        evaluate::evaluate(&self.names(), &params, &parts, &mut context).unwrap();
        let bytes = context.outputs().remove(SCORE_FILE).unwrap();
        (serde_json::from_slice(&bytes).unwrap(), bytes)
    }

    fn run(&self) -> (Score, TrainingLog, Vec<u8>) {
        let architecture = self.search();
        let weights = self.retrain(&architecture);
        let log = serde_json::from_slice(&weights[TRAINING_FILE]).unwrap();
        let (score, bytes) = self.evaluate(&architecture, &weights);
        (score, log, [weights[WEIGHTS_FILE].clone(), bytes].concat())
    }
}

fn cifar() -> Cell {
    let settings = json!({
        "network.width": 1, "retrain.epochs": 6, "retrain.batch": 8, "retrain.learning_rate": 0.05,
        "retrain.cutout": false, "evaluate.batch": 7, "fidelity.point_shuffle": true
    });
    Cell::new("cifar100", images(16, 4, 48, 40), settings)
}

fn darcy() -> Cell {
    let settings = json!({
        "network.width": 1, "retrain.epochs": 8, "retrain.batch": 4, "retrain.learning_rate": 0.01,
        "evaluate.batch": 4, "fidelity.darcy_batch_means": true
    });
    Cell::new("darcy", fields(9, 22, 10), settings)
}

#[test]
fn a_point_cell_learns_and_beats_the_majority_class() {
    let cell = cifar();
    let (score, log, bytes) = cell.run();
    assert!(score.value + 15.0 < score.trivial.value, "{} against {}", score.value, score.trivial.value);
    assert_eq!((score.metric.as_str(), score.unit.as_str(), score.test_samples), ("top-1 error", "%", 40));
    assert_eq!((score.task.as_str(), score.space.as_str(), score.data.as_str()), ("cifar100", "wrn", "embedded:tiny"));
    assert_eq!((log.steps, log.samples, log.epochs.len()), (36, 48, 6));
    assert_eq!(score.parameters, log.parameters);
    // milestones 60, 120, 160 of 200 in proportion to 6 epochs: 1, 3, 4
    let rates: Vec<f64> = log.epochs.iter().map(|e| e.learning_rate).collect();
    for (rate, expected) in rates.iter().zip([0.05, 0.01, 0.01, 0.002, 0.0004, 0.0004]) {
        assert!((rate - expected).abs() < 1e-12, "{rates:?}");
    }
    assert_eq!(cell.run().2, bytes, "again: the same bytes");
    let other = Cell { seed: 1, ..cifar() };
    assert_ne!(other.run().2, bytes, "another seed: other weights");
}

#[test]
fn a_dense_cell_learns_and_beats_the_mean_field() {
    let (score, log, _) = darcy().run();
    assert!(score.value < 0.9 * score.trivial.value, "{} against {}", score.value, score.trivial.value);
    assert!(log.epochs[7].loss < 0.5 * log.epochs[0].loss, "{:?}", log.epochs);
    assert_eq!(
        (score.metric.as_str(), score.unit.as_str(), score.trivial.name.as_str()),
        ("relative L2", "", "mean field")
    );
    // 22 samples in batches of 4, 8 epochs: floor(8·22/4) steps of 6 per pass
    assert_eq!((log.steps, log.epochs.last().unwrap().steps), (44, 2));
    assert_eq!(score.value, score.details["mean of batch means"]);
    let mut exact = darcy();
    exact.settings.insert("fidelity.darcy_batch_means".into(), json!(false));
    let (exact, _, _) = exact.run();
    assert_eq!(exact.value, exact.details["mean over samples"]);
    assert_eq!(exact.details, score.details);
    assert_ne!(exact.value, score.value);
}

#[test]
fn interrupted_at_any_step_it_ends_with_the_same_bytes() {
    for cell in [cifar(), darcy()] {
        let architecture = cell.search();
        let whole = cell.retrain(&architecture);
        let slots = [("dataset", &cell.dataset), ("architecture", &architecture)];
        for cut in [0, 1, 5, 6, 7, 20, 35] {
            let mut context = MemoryContext::new(&slots, cell.seed);
            context.stop_after = Some(cut);
            assert!(matches!(cell.retrain_in(&mut context), Err(StageError::Interrupted)), "cut at {cut}");
            assert!(context.outputs().is_empty());
            // a second interruption, then to the end
            let mut again = MemoryContext::new(&slots, cell.seed);
            again.saved = context.saved;
            again.stop_after = Some(1);
            let ended = cell.retrain_in(&mut again);
            assert!(matches!(ended, Err(StageError::Interrupted)) || (cut == 35 && ended.is_ok()), "cut at {cut}");
            let mut last = MemoryContext::new(&slots, cell.seed);
            last.saved = again.saved;
            cell.retrain_in(&mut last).unwrap();
            assert!(last.outputs() == whole, "cut at {cut}: other bytes");
        }
        let mut saving = MemoryContext::new(&slots, cell.seed);
        saving.save_always = true;
        cell.retrain_in(&mut saving).unwrap();
        assert!(saving.outputs() == whole && saving.saves > 30, "saving changes nothing");
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    for cell in [cifar(), darcy()] {
        let architecture = cell.search();
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| cell.run().2)
        };
        let one = run(1);
        for threads in [2, 3, 4] {
            assert!(run(threads) == one, "{threads} threads gave other bytes");
        }
        assert!(!architecture[ARCHITECTURE_FILE].is_empty());
    }
}

/// Three steps whose tensors are large enough for every parallel path, candle's own included (64 Ki values).
#[test]
#[ignore = "run as a child process by the next test"]
fn three_steps_in_a_child() {
    let settings = json!({"network.width": 2, "retrain.epochs": 1, "retrain.batch": 11, "evaluate.batch": 11});
    let cell = Cell::new("cifar100", images(32, 4, 33, 22), settings);
    println!("digest {}", Digest::of(cell.run().2));
}

/// Candle has a pool of its own, which only the environment of a process can size.
#[test]
fn processes_with_other_numbers_of_threads_give_the_same_bytes() {
    let run = |rayon: &str, candle: &str| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "training::three_steps_in_a_child"])
            .env("RAYON_NUM_THREADS", rayon)
            .env("CANDLE_NUM_THREADS", candle)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let at = text.find("digest ").unwrap_or_else(|| panic!("no digest in {text}"));
        text[at + 7..at + 71].to_string()
    };
    let one = run("1", "1");
    for (rayon, candle) in [("2", "1"), ("3", "3"), ("4", "2")] {
        assert_eq!(run(rayon, candle), one, "{rayon} and {candle} threads");
    }
}

#[test]
fn permuted_labels_leave_nothing_to_learn() {
    let mut cell = cifar();
    let honest = cell.run().0;
    cell.settings.insert("retrain.permute_labels".into(), json!(true));
    let control = cell.run().0;
    // 40 test images of 4 classes: chance is 75 % error, its standard error 7 points
    assert!(control.value > honest.value + 20.0, "{} against {}", control.value, honest.value);
    assert!((control.value - 75.0).abs() < 21.0, "{}", control.value);
}

#[test]
fn a_search_split_scores_validation_rows() {
    let mut cell = darcy();
    cell.settings.insert("retrain.split".into(), json!("search"));
    let (score, log, _) = cell.run();
    assert_eq!((score.test_samples, log.samples), (5, 17));
}

#[test]
fn divergence_is_a_numeric_failure() {
    let mut cell = darcy();
    cell.settings.insert("retrain.learning_rate".into(), json!(1e6));
    let architecture = cell.search();
    let mut context = MemoryContext::new(&[("dataset", &cell.dataset), ("architecture", &architecture)], cell.seed);
    let error = cell.retrain_in(&mut context).unwrap_err();
    assert!(matches!(&error, StageError::Numeric(message) if message.contains("diverged")), "{error}");
    assert!(context.outputs().is_empty());
}

#[test]
fn broken_inputs_are_data_errors_that_name_the_file() {
    let cell = cifar();
    let architecture = cell.search();
    let fails = |dataset: &Blobs, architecture: &Blobs| {
        let mut context = MemoryContext::new(&[("dataset", dataset), ("architecture", architecture)], 0);
        cell.retrain_in(&mut context).unwrap_err()
    };
    let mut cut = cell.dataset.clone();
    cut.get_mut("train.safetensors").unwrap().truncate(100);
    assert!(matches!(fails(&cut, &architecture), StageError::Data(m) if m.contains("train.safetensors")));
    let mut foreign = cell.dataset.clone();
    foreign.insert("dataset.json".into(), b"{}".to_vec());
    assert!(matches!(fails(&foreign, &architecture), StageError::Data(m) if m.contains("dataset.json")));
    let mut wrong = architecture.clone();
    wrong.insert(ARCHITECTURE_FILE.into(), br#"{"format":1,"space":"darts","body":{}}"#.to_vec());
    assert!(matches!(fails(&cell.dataset, &wrong), StageError::Data(m) if m.contains("darts")));
}

#[test]
fn an_evaluation_stops_when_asked_and_refuses_broken_weights() {
    let cell = cifar();
    let architecture = cell.search();
    let weights = cell.retrain(&architecture);
    let params = evaluate::params(cell.declared(&evaluate::settings()), cell.reads()).unwrap();
    let parts = Parts { objective: cell.task.objective, metric: cell.task.metric, child: cell.space.child };
    let run = |weights: &Blobs, stop_after| {
        let slots = [("dataset", &cell.dataset), ("architecture", &architecture), ("weights", weights)];
        let mut context = MemoryContext::new(&slots, 0);
        context.stop_after = stop_after;
        let ended = evaluate::evaluate(&cell.names(), &params, &parts, &mut context);
        (ended, context.outputs().len())
    };
    assert!(matches!(run(&weights, None), (Ok(()), 1)));
    assert!(matches!(run(&weights, Some(2)), (Err(StageError::Interrupted), 0)));
    let changed = |change: &dyn Fn(&mut Vec<Saved>)| {
        let mut saved = decode(&weights[WEIGHTS_FILE]).unwrap();
        change(&mut saved);
        Blobs::from([(WEIGHTS_FILE.to_string(), encode(&saved).unwrap())])
    };
    let nan = changed(&|saved| saved.iter_mut().for_each(|s| s.values.fill(f32::NAN)));
    assert!(matches!(run(&nan, None).0, Err(StageError::Numeric(m)) if m.contains("not finite")));
    let short = changed(&|saved| drop(saved.remove(0)));
    assert!(matches!(run(&short, None).0, Err(StageError::Data(m)) if m.contains("lacks")));
}

#[test]
fn every_fidelity_switch_is_a_setting_whose_default_is_as_run() {
    let stages = [
        (search::settings(), search::params as ParamsFn),
        (retrain::settings(), retrain::params),
        (evaluate::settings(), evaluate::params),
    ];
    for switch in SWITCHES {
        let mut found = false;
        for (settings, params) in &stages {
            let Some(setting) = settings.iter().find(|s| s.key == switch.key) else { continue };
            found = true;
            for value in [switch.as_run.value(), switch.as_described.value()] {
                let fits = match setting.kind {
                    Kind::Bool => value.is_boolean(),
                    Kind::Choice(names) => names.iter().any(|n| value == *n),
                    _ => false,
                };
                assert!(fits, "{}: {value}", switch.key);
            }
            // some matter in one of the splits only
            let canonical = |value: Option<Value>| {
                ["search", "final"].map(|split| {
                    let mut map = Map::from_iter([("retrain.split".to_string(), json!(split))]);
                    map.retain(|key, _| settings.iter().any(|s| s.key == key));
                    map.extend(value.clone().map(|v| (switch.key.to_string(), v)));
                    params(
                        map,
                        Reads { task: &[switch.key], space: &[switch.key], algorithm: &[switch.key], trains: true },
                    )
                    .unwrap()
                })
            };
            assert_ne!(canonical(Some(switch.as_run.value())), canonical(Some(switch.as_described.value())));
            assert_eq!(canonical(None), canonical(Some(switch.as_run.value())), "{}", switch.key);
        }
        assert!(found, "no stage reads {}", switch.key);
    }
}

#[test]
fn method_definitions_set_only_what_stages_read() {
    for text in [
        include_str!("../../manifests/methods/darts-darts.toml"),
        include_str!("../../manifests/methods/darts-default.toml"),
        include_str!("../../manifests/methods/darts-gaea.toml"),
        include_str!("../../manifests/methods/wrn-default.toml"),
    ] {
        sets_what_stages_read(&text.parse().unwrap());
    }
    // the published values are also the stage's defaults
    let definition: toml::Table = include_str!("../../manifests/methods/wrn-default.toml").parse().unwrap();
    let set = serde_json::to_value(&definition["set"]).unwrap();
    let declared: Map<String, Value> = set.as_object().unwrap().clone();
    let retrain_only = declared.into_iter().filter(|(key, _)| key.starts_with("retrain.")).collect();
    let reads = Reads { task: &[], space: &["retrain.droprate"], algorithm: &[], trains: false };
    assert_eq!(retrain::params(retrain_only, reads).unwrap(), retrain::params(Map::new(), reads).unwrap());
}

fn sets_what_stages_read(definition: &toml::Table) {
    let settings = [search::settings(), retrain::settings(), evaluate::settings()].concat();
    let overrides = definition["override"].as_array().unwrap().iter().map(|o| &o["set"]);
    for set in std::iter::once(&definition["set"]).chain(overrides) {
        for (key, value) in set.as_table().unwrap() {
            let setting = settings.iter().find(|s| s.key == key).unwrap_or_else(|| panic!("no stage reads {key}"));
            let fits = match setting.kind {
                Kind::Bool => value.is_bool(),
                Kind::Count { min } => value.as_integer().is_some_and(|v| v >= min as i64),
                Kind::Float { min, max } => {
                    let number = value.as_float().or(value.as_integer().map(|v| v as f64));
                    number.is_some_and(|v| (min..=max).contains(&v))
                }
                Kind::Choice(names) => value.as_str().is_some_and(|v| names.contains(&v)),
                _ => false,
            };
            assert!(fits, "{key} = {value}");
        }
    }
}
