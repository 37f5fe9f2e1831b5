//! `diff`: what changed between two runs: nodes, keys, states, outputs.

use crate::cli::exit::{DONE, Exit, Outcome};
use crate::cli::options::{DiffOptions, Format};
use crate::cli::session::open_store;
use crate::execute::run_log::{NodeEnd, read};
use serde_json::json;
use std::collections::BTreeSet;

pub fn diff(options: &DiffOptions) -> Outcome {
    let store = open_store(&options.cache.cache)?;
    let load = |run: &str| read(&store.runs(), run).map_err(|e| Exit::nothing(format!("run `{run}`: {e}")));
    let (old, new) = (load(&options.old)?, load(&options.new)?);
    let labels: BTreeSet<&String> = old.nodes.keys().chain(new.nodes.keys()).collect();
    let mut rows = Vec::new();
    for label in labels {
        let changes = changes(old.nodes.get(label), new.nodes.get(label));
        if !changes.is_empty() {
            rows.push((label, changes));
        }
    }
    if options.format == Format::Json {
        let rows: Vec<_> = rows.iter().map(|(label, changes)| json!({"node": label, "changes": changes})).collect();
        println!("{:#}", json!({"old": options.old, "new": options.new, "nodes": rows}));
        return Ok(DONE);
    }
    if old.manifest != new.manifest {
        println!("manifest {} → {}", old.manifest.display(), new.manifest.display());
    }
    if old.set != new.set {
        println!("--set {:?} → {:?}", old.set, new.set);
    }
    for (label, changes) in &rows {
        println!("{label}");
        for change in changes {
            println!("  {change}");
        }
    }
    if rows.is_empty() {
        println!("no node differs");
    }
    Ok(DONE)
}

fn changes(old: Option<&NodeEnd>, new: Option<&NodeEnd>) -> Vec<String> {
    let (Some(old), Some(new)) = (old, new) else {
        return vec![if old.is_some() { "only in the old run" } else { "only in the new run" }.to_string()];
    };
    let mut changes = Vec::new();
    let ended_well = |end: &NodeEnd| matches!(end.state.as_str(), "cached" | "done");
    if old.state != new.state && !(ended_well(old) && ended_well(new)) {
        changes.push(format!("state {} → {}", old.state, new.state));
    }
    if let (Some(a), Some(b)) = (old.key, new.key)
        && a != b
    {
        changes.push(format!("key {} → {}", a.short(), b.short()));
    }
    let names: BTreeSet<&String> = old.outputs.keys().chain(new.outputs.keys()).collect();
    for name in names {
        let (a, b) = (old.outputs.get(name), new.outputs.get(name));
        if a != b {
            let short = |blob: Option<&crate::store::object::BlobRef>| blob.map_or("none".into(), |b| b.digest.short());
            changes.push(format!("output {name} {} → {}", short(a), short(b)));
        }
    }
    changes
}
