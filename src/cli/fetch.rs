//! `fetch`: the data of a manifest and nothing else; `run` narrowed to the fetch stage, after what will be downloaded and under
//! which terms has been shown.

use crate::cli::catalog::Catalog;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::gc::bytes;
use crate::cli::options::{RunOptions, SelectOptions};
use crate::cli::run::execute;
use crate::cli::session::{Session, open_store, snapshot_hits};
use crate::plan::stale::Status;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

pub fn fetch(options: &RunOptions) -> Outcome {
    let mut only = options.select.only.clone();
    // `--until preprocess` prepares the data too, for previews and bundles
    if only.is_empty() && options.select.until.is_empty() {
        only.push("fetch".to_string());
    }
    let select = SelectOptions { only, ..options.select.clone() };
    announce(options, &select)?;
    let code = execute(options, Catalog::collect(), &select)?;
    conclude(options, &select)?;
    Ok(code)
}

/// Who gave the files of each task that is official, on standard error.
fn conclude(options: &RunOptions, select: &SelectOptions) -> Result<(), Exit> {
    let session = Session::open(Catalog::collect(), &options.manifest.manifest, &options.manifest.layers)?;
    let store = open_store(&options.cache.cache)?;
    let status = session.assessor(&store).assess(snapshot_hits(&store)?, &[]).map_err(Exit::usage)?;
    let (targets, _) = session.targets(select)?;
    for (id, node) in session.plan.nodes.iter().enumerate() {
        let Status::Hit { outputs, .. } = &status[id] else { continue };
        let official = node.params.all.get("data.source").is_some_and(|source| source == "official");
        if targets[id] && session.stage(id) == "fetch" && official {
            let hosted = names_of(node.params.all.get("data.files"));
            let place = if outputs.keys().eq(&hosted) { "data.files" } else { "the publishers' originals" };
            let names: Vec<&str> = outputs.keys().map(String::as_str).collect();
            eprintln!("{}: {place}: {}", node.names.task.as_deref().unwrap_or_default(), names.join(", "));
        }
    }
    Ok(())
}

/// The names in a set of files.
fn names_of(files: Option<&Value>) -> BTreeSet<String> {
    let files = files.and_then(Value::as_array).into_iter().flatten();
    files.filter_map(|file| file.get("name")?.as_str().map(str::to_string)).collect()
}

/// Size, licence and terms of each task that will be downloaded, on standard error.
fn announce(options: &RunOptions, select: &SelectOptions) -> Result<(), Exit> {
    let session = Session::open(Catalog::collect(), &options.manifest.manifest, &options.manifest.layers)?;
    let store = open_store(&options.cache.cache)?;
    let status = session.assessor(&store).assess(snapshot_hits(&store)?, &[]).map_err(Exit::usage)?;
    let (targets, _) = session.targets(select)?;
    for (id, node) in session.plan.nodes.iter().enumerate() {
        let official = node.params.all.get("data.source").is_some_and(|source| source == "official");
        if !targets[id] || session.stage(id) != "fetch" || !official || matches!(status[id], Status::Hit { .. }) {
            continue;
        }
        let task = node.names.task.as_deref().unwrap_or_default();
        eprint!("{}", terms(&session.catalog, task, &node.params.all));
    }
    Ok(())
}

fn terms(catalog: &Catalog, task: &str, params: &Map<String, Value>) -> String {
    let texts = catalog.vocabulary.definitions.iter().filter_map(|one| one.text.parse::<toml::Table>().ok());
    let about = texts
        .filter(|table| table.get("task").and_then(toml::Value::as_str) == Some(task))
        .find_map(|table| table.get("about")?.as_table().cloned())
        .unwrap_or_default();
    let word = |key: &str| about.get(key).and_then(toml::Value::as_str).unwrap_or("not stated").to_string();
    let files = params.get("data.files").and_then(Value::as_array).cloned().unwrap_or_default();
    let sizes: Vec<Option<u64>> = files.iter().map(|file| file.get("bytes").and_then(Value::as_u64)).collect();
    let known: u64 = sizes.iter().flatten().sum();
    let size = match sizes.iter().filter(|size| size.is_none()).count() {
        0 => bytes(known),
        unknown if known == 0 => format!("{unknown} files of unknown size"),
        unknown => format!("{} and {unknown} files of unknown size", bytes(known)),
    };
    let mut said = format!(
        "{task}: {}\n  size     {size}\n  licence  {}\n  cite     {}\n  terms    {}\n",
        word("title"),
        word("licence"),
        word("citation"),
        word("page")
    );
    let sets = params.get("data.publisher").and_then(Value::as_array).into_iter().flatten();
    for set in sets {
        let names: Vec<String> = names_of(Some(set)).into_iter().collect();
        let when = if files.is_empty() { "original" } else { "if gone" };
        said.push_str(&format!("  {when:<8} {}\n", names.join(", ")));
    }
    for file in &files {
        let name = file.get("name").and_then(Value::as_str).unwrap_or_default();
        let from = params.get("data.urls").and_then(|urls| urls.get(name)).and_then(|urls| urls.get(0));
        said.push_str(&format!("  file     {name} from {}\n", from.and_then(Value::as_str).unwrap_or("a mirror")));
    }
    said
}
