//! Each verb once, as a person would use it; the shipped manifests and the shipped schema.

use crate::support::lab::{Lab, SMALL};
use nasperf_pipe::cli::catalog::Catalog;
use nasperf_pipe::manifest::load::load;
use nasperf_pipe::manifest::request::Request;
use nasperf_pipe::manifest::schema::schema;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_reader_that_went_away_ends_the_program_without_a_word() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Lab::new("").command(&["schema"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(141), ""));
}

#[test]
fn the_catalog_is_sound_and_the_shipped_schema_is_its_own() {
    let catalog = Catalog::collect();
    assert_eq!(catalog.vocabulary.conflicts(), Vec::<String>::new());
    let text = format!("{:#}\n", schema(&catalog.vocabulary));
    let path = root().join("manifests/schema/manifest.schema.json");
    if std::env::var("NASPERF_GOLDEN").as_deref() == Ok("renew") {
        std::fs::write(&path, &text).unwrap();
    }
    let shipped = std::fs::read_to_string(&path).unwrap();
    assert!(shipped == text, "run `nasperf-pipe schema > manifests/schema/manifest.schema.json`");
}

#[test]
fn every_shipped_manifest_is_right() {
    let lab = Lab::new(SMALL);
    let mut checked = 0;
    for folder in ["manifests", "manifests/one"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let path = path.to_str().unwrap();
                lab.expect(0, &["check", path, "--set", "data.dir=."]);
                checked += 1;
            }
        }
    }
    assert!(checked >= 7, "{checked}");
    assert!(!lab.path("cache").exists(), "check opens no store");
}

/// An epoch of FSD50K is 40,966 records as published, of which tiny data have none.
#[test]
fn smoke_profiles_are_short_on_every_task() {
    let catalog = Catalog::collect();
    let request = Request { profile: Some("smoke".to_string()), ..Request::default() };
    let one = std::fs::read_dir(root().join("manifests/one")).unwrap().map(|entry| entry.unwrap().path());
    for path in one.chain([root().join("manifests/full.toml")]) {
        let manifest = load(&path, &catalog.vocabulary, &request).unwrap_or_else(|errors| panic!("{errors}"));
        for cell in &manifest.cells {
            let whole = cell.settings.get("fidelity.epoch_accounting").is_some_and(|value| value == "epochs");
            let records = cell.settings.get("retrain.records_per_epoch").and_then(serde_json::Value::as_u64);
            assert!(whole || records.is_none_or(|records| records <= 1000), "{}: {}", path.display(), cell.task);
            assert_eq!(cell.settings["retrain.epochs"], 1, "{}: {}", path.display(), cell.task);
        }
    }
}

#[test]
fn plan_says_what_would_run_and_runs_nothing() {
    let lab = Lab::new(SMALL);
    let plan = lab.expect(0, &["plan", "m.toml"]);
    assert!(plan.out.contains("never ran"), "{}", plan.out);
    assert!(plan.out.contains("fetch             2       0     2"), "{}", plan.out);
    lab.expect(0, &["m.toml"]);
    let plan = lab.expect(0, &["plan", "m.toml"]);
    assert!(plan.out.contains("nothing to do"), "{}", plan.out);
    let plan = lab.expect(0, &["plan", "m.toml", "--set", "retrain.epochs=2", "--all"]);
    assert!(plan.out.contains("parameter retrain.epochs: 3 → 2"), "{}", plan.out);
    assert!(plan.out.contains("a hit if `retrain["), "{}", plan.out);
    assert!(plan.out.contains('~'), "earlier runs give an estimate: {}", plan.out);
    let json = lab.expect(0, &["plan", "m.toml", "--format", "json"]);
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value["nodes"].as_array().unwrap().len(), 17);
    assert!(value["nodes"].as_array().unwrap().iter().all(|node| node["status"] == "cached"));
}

#[test]
fn looking_back_needs_the_cache_alone() {
    let lab = Lab::new(SMALL);
    let none = lab.expect(3, &["status"]);
    assert!(none.err.contains("no run"), "{}", none.err);
    lab.expect(0, &["m.toml"]);
    lab.expect(0, &["m.toml", "--set", "retrain.epochs=2"]);
    let status = lab.expect(0, &["status", "small-1"]);
    assert!(status.out.contains("17 nodes: 17 done"), "{}", status.out);
    let diff = lab.expect(0, &["diff", "small-1", "small-2"]);
    assert!(diff.out.contains("retrain[task=darcy,method=wrn/default,seed=0]\n  key "), "{}", diff.out);
    assert!(!diff.out.contains("preprocess["), "{}", diff.out);
    let results = lab.expect(0, &["results", "--format", "csv"]);
    assert_eq!(results.out.lines().count(), 1 + 4, "{}", results.out);
    let results = lab.expect(0, &["results", "m.toml", "--format", "json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&results.out).unwrap().as_array().unwrap().len(), 4);
    let log = lab.expect(0, &["logs", "retrain[task=darcy,method=wrn/default,seed=1]"]);
    assert!(log.out.contains("attempt 1 key"), "{}", log.out);
    let one = lab.expect(0, &["logs", "retrain[task=darcy,seed=1]"]);
    assert_eq!(one.out, log.out, "what matches one node means it");
    let several = lab.expect(2, &["logs", "retrain[task=darcy]"]);
    assert_eq!(several.out.lines().count(), 2, "{}", several.out);
    assert!(several.err.contains("matches 2 nodes") && several.out.contains("wrn/default,seed=0]"), "{}", several.err);
    assert!(lab.expect(3, &["logs", "retrain[task=ecg]"]).err.contains("no node"));
    std::fs::remove_dir_all(lab.path("report")).unwrap();
    let report = lab.expect(0, &["report", "m.toml"]);
    assert!(report.out.contains("report/small/report.md") && lab.path("report/small/report.md").exists());
    let missing = lab.expect(4, &["report", "m.toml", "--set", "retrain.epochs=9"]);
    assert!(missing.err.contains("runs what is missing"), "{}", missing.err);
    let why = lab.expect(0, &["why", "evaluate[task=darcy,seed=0]", "-m", "m.toml", "--set", "retrain.batch=5"]);
    assert!(why.out.contains("waits: a hit if these give the same bytes"), "{}", why.out);
    let why = lab.expect(0, &["why", "retrain[task=darcy,seed=0]"]);
    assert!(why.out.contains("it ran because") && why.out.contains("retrain.epochs: 3 → 2"), "{}", why.out);
}

#[test]
fn graphs_completions_and_doctor() {
    let lab = Lab::new(SMALL);
    let dot = lab.expect(0, &["graph", "m.toml", "--until", "search[task=darcy,seed=0]"]);
    assert!(dot.out.starts_with("digraph") && dot.out.matches("->").count() == 2, "{}", dot.out);
    let json = lab.expect(0, &["graph", "m.toml", "--format", "json"]);
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    // preprocess 2 · search 4 · retrain 4·2 · evaluate 4·3 · aggregate 4
    assert_eq!(value["edges"].as_array().unwrap().len(), 2 + 4 + 8 + 12 + 4);
    assert!(lab.expect(0, &["graph", "m.toml", "--format", "mermaid"]).out.starts_with("flowchart"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(lab.expect(0, &["completions", shell]).out.contains("nasperf-pipe"));
    }
    let doctor = lab.expect(0, &["doctor", "--format", "json"]);
    let value: serde_json::Value = serde_json::from_str(&doctor.out).unwrap();
    assert!(value["cpu"].as_str().unwrap().contains("threads"));
    assert!(lab.expect(0, &["--help"]).out.contains("Exit codes"));
    lab.expect(2, &["run"]);
    lab.expect(2, &["m.toml", "--nonsense"]);
}

#[test]
fn gates_decide_the_exit_code() {
    let gate = |margin: f64| {
        format!("{SMALL}\n[aggregate]\ngates = [{{ task = \"darcy\", margin = {margin}, control = [1] }}]\n")
    };
    // Width 1 and three epochs gain next to nothing: the gate fails, its control passes.
    let lab = Lab::new(&gate(0.99));
    let said = lab.expect(1, &["m.toml"]);
    assert!(said.out.contains("FAILED") && said.out.contains("1 control"), "{}", said.out);
    assert!(said.err.contains("1 of 2 gates failed"), "{}", said.err);
    let wrong = Lab::new(&gate(7.0)).expect(2, &["m.toml"]);
    assert!(wrong.err.contains("margin"), "{}", wrong.err);
}

#[test]
fn json_lines_for_programs() {
    let lab = Lab::new(SMALL);
    let said = lab.expect(0, &["m.toml", "--format", "json", "--only", "fetch[task=darcy]"]);
    let events: Vec<serde_json::Value> = said.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.first().unwrap()["event"], "run-started");
    assert_eq!(events.last().unwrap()["event"], "run-finished");
}
