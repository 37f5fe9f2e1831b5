//! From the paper's Table 2 to its Table 3 and its four panels, through the aggregate stage as the pipeline runs it.

use nasperf_pipe::artifacts::published::Published;
use nasperf_pipe::artifacts::summary::{Panel, Scale, Standing, State, Summary};
use nasperf_pipe::stages::aggregate::{AggregateParams, aggregate};
use nasperf_pipe::stages::context::{Context, Output, Progress, StageError};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

type Files = BTreeMap<String, Vec<u8>>;

/// Inputs by (slot, name), outputs by name; nothing else of a context is there for this stage to use.
#[derive(Default)]
struct Shelf {
    inputs: BTreeMap<(String, String), Vec<u8>>,
    outputs: Arc<Mutex<Files>>,
}

struct Book(String, Vec<u8>, Arc<Mutex<Files>>);

impl Write for Book {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.1.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Output for Book {
    fn close(self: Box<Self>) -> Result<(), StageError> {
        self.2.lock().unwrap().insert(self.0, self.1);
        Ok(())
    }
}

impl Context for Shelf {
    fn names(&self, slot: &str) -> Vec<String> {
        self.inputs.keys().filter(|key| key.0 == slot).map(|key| key.1.clone()).collect()
    }

    fn open(&self, slot: &str, name: &str) -> Result<Box<dyn Read + Send>, StageError> {
        let bytes = self.inputs.get(&(slot.to_string(), name.to_string()));
        let bytes = bytes.ok_or_else(|| StageError::Code(format!("no {slot}/{name}")))?;
        Ok(Box::new(Cursor::new(bytes.clone())))
    }

    fn create(&mut self, name: &str) -> Result<Box<dyn Output>, StageError> {
        Ok(Box::new(Book(name.to_string(), Vec::new(), self.outputs.clone())))
    }

    fn scratch(&self) -> Result<PathBuf, StageError> {
        Err(StageError::Code("aggregate needs no folder".to_string()))
    }

    fn restore(&self) -> Result<Option<Vec<u8>>, StageError> {
        Ok(None)
    }

    fn save(&mut self, _: &[u8]) -> Result<(), StageError> {
        Err(StageError::Code("aggregate needs no checkpoint".to_string()))
    }

    fn save_due(&self) -> bool {
        false
    }

    fn stop_asked(&self) -> bool {
        false
    }

    fn progress(&self, _: Progress<'_>) {}

    fn seed(&self) -> u64 {
        0
    }
}

fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests")
}

fn table2() -> Vec<u8> {
    std::fs::read(manifests().join("expected/paper-table2.toml")).unwrap()
}

fn settings(value: Value) -> AggregateParams {
    AggregateParams::from_settings(&value.as_object().cloned().unwrap_or_else(Map::new)).unwrap()
}

/// Runs the stage; exactly one output must come out.
fn run(params: &AggregateParams, inputs: &[(&str, &str, Vec<u8>)]) -> Result<Summary, StageError> {
    let mut shelf = Shelf::default();
    for (slot, name, bytes) in inputs {
        shelf.inputs.insert((slot.to_string(), name.to_string()), bytes.clone());
    }
    aggregate(params, &mut shelf)?;
    let outputs = shelf.outputs.lock().unwrap().clone();
    assert_eq!(outputs.keys().collect::<Vec<_>>(), ["summary.json"]);
    let summary = Summary::from_bytes(&outputs["summary.json"]).unwrap();
    Ok(summary)
}

fn published() -> Summary {
    run(&settings(json!({})), &[("external", "scores", table2())]).unwrap()
}

fn standing<'a>(summary: &'a Summary, method: &str) -> &'a Standing {
    summary.standings.iter().find(|s| s.method == method).unwrap()
}

fn score(task: &str, method: &str, seed: u64, value: f64, data: &str) -> (String, Vec<u8>) {
    let (space, algorithm) = method.split_once('/').unwrap();
    let (metric, unit, direction) = match task {
        "ecg" => ("macro F1", "", "higher"),
        "darcy" => ("relative L2", "", "lower"),
        _ => ("top-1 error", "%", "lower"),
    };
    let json = json!({
        "format": 1, "task": task, "space": space, "algorithm": algorithm, "seed": seed, "metric": metric, "unit": unit,
        "direction": direction, "value": value, "trivial": { "name": "majority class", "value": 99.0 }, "details": {},
        "parameters": 10, "test_samples": 20, "data": data,
    });
    (format!("evaluate[task={task},method={method},seed={seed}]/score.json"), serde_json::to_vec(&json).unwrap())
}

fn run_scores(
    params: &AggregateParams,
    scores: &[(String, Vec<u8>)],
    external: &[(&str, Vec<u8>)],
) -> Result<Summary, StageError> {
    let mut inputs: Vec<(&str, &str, Vec<u8>)> =
        scores.iter().map(|(name, bytes)| ("scores", name.as_str(), bytes.clone())).collect();
    inputs.extend(external.iter().map(|(name, bytes)| ("external", *name, bytes.clone())));
    run(params, &inputs)
}

#[test]
fn table_3_follows_from_table_2() {
    let summary = published();
    // (method, tasks, median rank, median improvement in percent to the digits of the paper).
    let expected = [
        ("wrn/default", 10, 4.0, 0.0, 0.05),
        ("wrn/asha", 10, 3.5, 0.0, 0.05),
        ("darts/gaea", 10, 1.5, 20.1, 0.05),
        ("densenas/original", 10, 4.0, 0.0, 0.005),
        ("densenas/random", 10, 4.0, 2.53, 0.005),
        ("autodeeplab/darts", 3, 6.0, -75.3, 0.05),
        ("amber/enas", 3, 1.0, 20.0, 0.05),
    ];
    let methods: Vec<_> = expected.iter().map(|e| e.0).collect();
    assert_eq!(summary.methods, methods);
    for (method, tasks, rank, improvement, digits) in expected {
        let standing = standing(&summary, method);
        assert_eq!(standing.tasks, tasks, "{method}");
        assert_eq!(standing.median_rank, Some(rank), "{method}");
        let found = standing.median_improvement.unwrap();
        assert!((found - improvement).abs() <= digits, "{method}: {found} is not {improvement}");
    }
    // Full precision, from an independent calculation with Python's statistics.median.
    let exact = |method| standing(&summary, method).median_improvement.unwrap();
    assert!((exact("darts/gaea") - 20.084_225_381_716_646).abs() < 1e-9);
    assert!((exact("densenas/random") - 2.532_653_711_373_051).abs() < 1e-9);
    assert!((exact("autodeeplab/darts") + 75.260_416_666_666_69).abs() < 1e-9);
}

#[test]
fn the_swap_in_print_is_told() {
    let summary = published();
    let told = |text: &str| summary.notes.iter().filter(|note| note.contains(text)).count();
    assert_eq!(told("densenas/original: median improvement 0.00 % computed from the table, 2.53 % printed"), 1);
    assert_eq!(told("densenas/random: median improvement 2.53 % computed from the table, 0.00 % printed"), 1);
    assert_eq!(told("seem to be swapped in print"), 1);
    // Everything else agrees with print, so nothing else is told.
    assert_eq!(summary.notes.len(), 3, "{:#?}", summary.notes);
}

#[test]
fn table_2_is_the_published_one() {
    let summary = published();
    let order =
        ["cifar100", "spherical", "ninapro", "fsd50k", "darcy", "psicov", "cosmic", "ecg", "satellite", "deepsea"];
    assert_eq!(summary.tasks.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), order);
    let best: Vec<String> = summary
        .rows()
        .map(|(_, cells)| {
            let best: Vec<_> = cells.iter().filter(|c| c.best).map(|c| c.method.as_str()).collect();
            best.join(" ")
        })
        .collect();
    let expected = [
        "wrn/default",
        "darts/gaea",
        "wrn/default",
        "densenas/random",
        "darts/gaea",
        "darts/gaea",
        "darts/gaea",
        "amber/enas",
        "darts/gaea",
        "amber/enas",
    ];
    assert_eq!(best, expected);
    let cells = |state| summary.cells.iter().filter(|c| c.state == state).count();
    assert_eq!((cells(State::Done), cells(State::NotApplicable)), (56, 14));
    let darcy = summary.cells.iter().find(|c| c.task == "darcy" && c.method == "wrn/default").unwrap();
    assert_eq!((darcy.mean, darcy.deviation, darcy.seeds_done), (Some(0.073), Some(0.001), 3));
    // Tied third places on PSICOV: WRN default, WRN ASHA, DenseNAS original at 3.84, behind 2.94 and 3.70.
    let psicov = summary.rows().find(|(task, _)| task.name == "psicov").unwrap().1;
    let ranks: Vec<_> = psicov.iter().map(|c| c.rank).collect();
    assert_eq!(ranks, [Some(4.0), Some(4.0), Some(1.0), Some(4.0), Some(2.0), Some(6.0), None]);
}

fn panel<'a>(summary: &'a Summary, name: &str) -> &'a Panel {
    summary.panels.iter().find(|p| p.name == name).unwrap_or_else(|| panic!("no panel {name}"))
}

#[test]
fn the_four_panels_of_the_paper() {
    let summary = published();
    let names: Vec<_> = summary.panels.iter().map(|p| (p.name.as_str(), p.curves.len(), p.tasks.len())).collect();
    let expected = [
        ("Constrained search", 2, 10),
        ("Less constrained search", 2, 10),
        ("All general methods", 5, 10),
        ("All general methods, 2D point tasks", 5, 4),
    ];
    assert_eq!(names, expected);

    // By hand: WRN default against DenseNAS original. WRN is lower or equal on CIFAR-100, NinaPro, Darcy, PSICOV (tie),
    // Cosmic, DeepSEA (tie); DenseNAS on Spherical, FSD50K, PSICOV, ECG, Satellite, DeepSEA.
    let pair = panel(&summary, "Constrained search");
    assert_eq!(pair.scale, Scale::Linear);
    let curve = |method: &str| pair.curves.iter().find(|c| c.method == method).unwrap();
    let wrn: Vec<_> = curve("wrn/default").steps.iter().map(|s| (s.tau, s.fraction)).collect();
    let ecg: f64 = (1.0 - 0.57) / (1.0 - 0.60);
    let expected =
        [(1.0, 0.6), (ecg, 0.7), (15.49 / 13.81, 0.8), (85.77 / 72.99, 0.9), ((1.0 - 0.08) / (1.0 - 0.36), 1.0)];
    let mut expected = expected.to_vec();
    expected.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!(wrn, expected);
    let densenas: Vec<_> = curve("densenas/original").steps.iter().map(|s| (s.tau, s.fraction)).collect();
    let expected = [(1.0, 0.6), (25.98 / 23.35, 0.7), (0.10 / 0.073, 0.8), (10.17 / 6.78, 0.9), (79.52 / 51.76, 1.0)];
    assert_eq!(densenas, expected);
    assert_eq!(pair.tau_max, 1.6);

    // The best of five general methods, specialists left out: GAEA on six tasks (AMBER does not count here).
    let all = panel(&summary, "All general methods");
    let at_one: Vec<_> = all.curves.iter().map(|c| c.steps[0].fraction).collect();
    assert_eq!(at_one, [0.2, 0.0, 0.7, 0.0, 0.1]);
    assert_eq!(all.tau_max, 4.0);
}

#[test]
fn the_shipped_manifest_names_the_shipped_table() {
    let text = std::fs::read_to_string(manifests().join("published.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&text).unwrap();
    let path = manifest["aggregate"]["scores"].as_str().unwrap();
    let table = Published::parse(&std::fs::read(manifests().join(path)).unwrap()).unwrap();
    assert_eq!(table.value.values().map(BTreeMap::len).sum::<usize>(), 56);
    assert!(table.value.values().flat_map(BTreeMap::values).all(|v| v.std.is_some()));
    assert!(!manifest.contains_key("grid"));
}

#[test]
fn results_are_compared_with_published_values_band_by_band() {
    let scores = [
        score("cifar100", "wrn/default", 0, 23.5, "official"),
        score("cifar100", "wrn/default", 1, 24.5, "official"),
        score("darcy", "wrn/default", 0, 0.2, "official"),
        score("satellite", "wrn/default", 0, 15.49, "embedded:tiny"),
    ];
    let summary = run_scores(&settings(json!({})), &scores, &[("expect", table2())]).unwrap();
    let found: Vec<_> =
        summary.deviations.iter().map(|d| (d.task.as_str(), d.measured, d.published, d.within)).collect();
    assert_eq!(found, [("cifar100", 24.0, 23.35, Some(true)), ("darcy", 0.2, 0.073, Some(false))]);
    let band = summary.deviations[1].band.unwrap();
    assert!((band - 0.05 * 0.073).abs() < 1e-12); // wider than three deviations of 0.001
    assert!(summary.notes.iter().any(|n| n == "satellite: embedded data, not compared with published values."));
    // Expectations never fill the table.
    assert_eq!(summary.methods, ["wrn/default"]);
    assert_eq!(summary.published, None);
}

#[test]
fn published_values_stand_beside_own_results_but_never_beside_embedded_data() {
    let own =
        [score("cifar100", "wrn/default", 0, 20.0, "official"), score("darcy", "wrn/default", 0, 0.5, "embedded:tiny")];
    let summary = run_scores(&settings(json!({})), &own, &[("scores", table2())]).unwrap();
    let row = |task: &str| summary.rows().find(|(t, _)| t.name == task).unwrap();
    let cifar: Vec<_> = row("cifar100").1.iter().map(|c| (c.mean, c.data.join("+"))).collect();
    assert_eq!(cifar[0], (Some(20.0), "official".to_string()));
    assert_eq!(cifar[2], (Some(24.02), "published".to_string()));
    assert!(row("darcy").1[1..].iter().all(|c| c.mean.is_none()));
    assert_eq!(row("darcy").0.data, ["embedded:tiny"]);
    // Table 3 as printed is about another table.
    assert!(summary.standings.iter().all(|s| s.printed.is_none()));
    assert!(summary.notes.iter().any(|n| n.starts_with("Cells marked `published` were not run here")));
}

#[test]
fn holes_show_and_are_imputed_only_on_request() {
    let expected: Vec<Value> = ["wrn/default", "wrn/asha", "darts/gaea"]
        .iter()
        .flat_map(|method| {
            let (space, algorithm) = method.split_once('/').unwrap();
            (0..2).map(move |seed| json!({ "task": "cifar100", "space": space, "algorithm": algorithm, "seed": seed }))
        })
        .collect();
    let scores = [
        score("cifar100", "wrn/default", 0, 30.0, "official"),
        score("cifar100", "wrn/default", 1, 32.0, "official"),
        score("cifar100", "darts/gaea", 1, 20.0, "official"),
    ];
    let with = |impute: &str| {
        let params = settings(json!({ "aggregate.impute": impute, "aggregate.expected_cells": expected }));
        run_scores(&params, &scores, &[]).unwrap()
    };
    let asha = |summary: &Summary| summary.cells.iter().find(|c| c.method == "wrn/asha").cloned().unwrap();

    let none = with("none");
    let states: Vec<_> = none.cells.iter().map(|c| c.state).collect();
    assert_eq!(states, [State::Done, State::Missing, State::Partial]);
    assert_eq!((asha(&none).error, asha(&none).rank, asha(&none).imputed), (None, None, false));
    assert_eq!(none.cells[2].seeds_missing, [0]);
    assert_eq!(standing(&none, "wrn/asha").median_rank, None);
    let never = &panel(&none, "All general methods").curves[1];
    assert_eq!((never.method.as_str(), never.steps.last().unwrap().fraction), ("wrn/asha", 0.0));

    let worst = with("worst");
    assert_eq!((asha(&worst).mean, asha(&worst).error, asha(&worst).rank), (None, Some(31.0), Some(2.5)));
    assert!(asha(&worst).imputed && !asha(&worst).best);
    assert_eq!(standing(&worst, "wrn/asha").tasks_imputed, 1);

    assert_eq!(asha(&with("baseline:darts/gaea")).error, Some(20.0));
    assert!(!asha(&with("baseline:darts/gaea")).best);
    let other = with("baseline:amber/enas");
    assert_eq!(asha(&other).error, None);
    assert!(other.notes.iter().any(|n| n.contains("nothing to impute from (baseline:amber/enas)")));
}

#[test]
fn one_method_alone() {
    let summary = run_scores(&settings(json!({})), &[score("ecg", "wrn/default", 5, 0.75, "files")], &[]).unwrap();
    let cell = &summary.cells[0];
    assert_eq!(
        (cell.mean, cell.deviation, cell.error, cell.rank, cell.best),
        (Some(0.75), None, Some(0.25), Some(1.0), false)
    );
    assert_eq!(standing(&summary, "wrn/default").median_improvement, Some(0.0));
    assert!(summary.panels.is_empty());
    // Asked for, even a panel of one is drawn.
    let params = settings(json!({ "aggregate.panels": [{ "name": "mine", "methods": ["wrn/default", "a/b"] }] }));
    let summary = run_scores(&params, &[score("ecg", "wrn/default", 5, 0.75, "files")], &[]).unwrap();
    assert_eq!(summary.panels[0].curves.len(), 1);
    assert!(summary.notes.iter().any(|n| n == "Panel \"mine\": not in this run: a/b."));
}

#[test]
fn a_grid_without_the_papers_methods_gets_one_panel_of_all() {
    let scores = [score("mine", "my/one", 0, 2.0, "files"), score("mine", "my/two", 0, 3.0, "files")];
    let summary = run_scores(&settings(json!({})), &scores, &[]).unwrap();
    assert_eq!(panel(&summary, "All methods").curves.len(), 2);
    assert!(summary.notes.iter().any(|n| n.contains("the baseline wrn/default has no result")));
}

#[test]
fn wrong_inputs_are_told_with_their_name() {
    let message = |scores: &[(String, Vec<u8>)], external: &[(&str, Vec<u8>)]| {
        let error = run_scores(&settings(json!({})), scores, external).unwrap_err();
        assert!(matches!(error, StageError::Data(_)), "{error:?}");
        error.to_string()
    };
    assert!(message(&[], &[]).contains("nothing to aggregate"));
    assert!(message(&[("x/score.json".to_string(), b"{}".to_vec())], &[]).starts_with("x/score.json: not a score"));
    let (name, bytes) = score("ecg", "a/b", 0, 0.5, "files");
    let newer = String::from_utf8(bytes).unwrap().replace("\"format\":1", "\"format\":9");
    assert!(message(&[(name, newer.into_bytes())], &[]).contains("expected score format 1, found 9"));
    assert!(message(&[], &[("scores", b"x = ".to_vec())]).starts_with("aggregate.scores: "));
    assert!(message(&[], &[("expect", vec![0xff])]).starts_with("aggregate.expect: not UTF-8"));
    let (_, other) = score("ecg", "a/b", 0, 0.25, "files");
    let twice = [score("ecg", "a/b", 0, 0.5, "files"), ("again/score.json".to_string(), other)];
    assert!(message(&twice, &[]).contains("task ecg, method a/b, seed 0: two scores, 0.25 and 0.5"));
    let (name, bytes) = score("ecg", "a/c", 0, 0.5, "files");
    let percent = String::from_utf8(bytes).unwrap().replace("\"unit\":\"\"", "\"unit\":\"%\"");
    let mixed = [score("ecg", "a/b", 0, 0.5, "files"), (name, percent.into_bytes())];
    assert!(message(&mixed, &[]).contains("task ecg: scores cannot be compared"));
}
