//! `status`: where a run stands, read from the store alone; the run may be alive, ended or killed.

use crate::cli::exit::{DONE, Exit, Outcome};
use crate::cli::logs::runs;
use crate::cli::options::{Format, StatusOptions};
use crate::cli::session::open_store;
use crate::execute::run_log::RunFile;
use crate::plan::show::duration;
use crate::store::process::Process;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

pub fn status(options: &StatusOptions) -> Outcome {
    let store = open_store(&options.cache.cache)?;
    let Some(run) = runs(&store, options.run.as_deref())?.into_iter().next() else {
        return Err(Exit::nothing("no run in this cache yet"));
    };
    let states = states(&run, &store.runs().join(&run.run));
    let life = match (run.ended, alive(&run)) {
        (Some(ended), _) => format!("ended after {}", duration(ended.saturating_sub(run.started) as f64)),
        (None, Some(true)) => format!("running as process {}", run.pid),
        (None, Some(false)) => "was killed; run the same command again to go on".to_string(),
        (None, None) => format!("running or killed on host {}", run.host),
    };
    if options.format == Format::Json {
        let nodes: Vec<Value> =
            states.iter().map(|(node, s)| json!({"node": node, "state": s.0, "note": s.1})).collect();
        println!("{:#}", json!({"run": run.run, "manifest": run.manifest, "life": life, "nodes": nodes}));
        return Ok(DONE);
    }
    println!("run {} of {}: {life}", run.run, run.manifest.display());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (state, _) in states.values() {
        *counts.entry(state).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(state, n)| format!("{n} {state}")).collect();
    println!("{} nodes: {}", states.len(), counts.join(", "));
    for (node, (state, note)) in states.iter().filter(|(_, (state, _))| state != "cached" && state != "done") {
        println!("  {state:<12} {node}  {note}");
    }
    Ok(DONE)
}

/// State and remark of each node: the end states where the run has ended, else what its events tell.
fn states(run: &RunFile, folder: &Path) -> BTreeMap<String, (String, String)> {
    let mut states: BTreeMap<String, (String, String)> = run
        .nodes
        .iter()
        .map(|(label, end)| (label.clone(), (end.state.clone(), end.message.clone().unwrap_or_default())))
        .collect();
    if run.ended.is_some() {
        return states;
    }
    let text = std::fs::read_to_string(folder.join("events.jsonl")).unwrap_or_default();
    for event in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let field = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
        let state = match event.get("event").and_then(Value::as_str) {
            Some("node-started") => ("running", String::new()),
            Some("node-cached") => ("cached", String::new()),
            Some("node-done") => ("done", String::new()),
            Some("node-retried") => ("waits to retry", field("message")),
            Some("node-failed") => ("failed", field("message")),
            Some("node-blocked") => ("blocked", field("because")),
            Some("node-held") => ("held", field("canary")),
            Some("node-awaited") => ("run by another process", field("holder")),
            Some("node-interrupted") => ("interrupted", String::new()),
            _ => continue,
        };
        states.insert(field("node"), (state.0.to_string(), state.1));
    }
    states
}

/// Whether the run's process lives; `None` where it is on another host.
fn alive(run: &RunFile) -> Option<bool> {
    (run.host == Process::this().host).then(|| Path::new("/proc").join(run.pid.to_string()).exists())
}
