//! `logs`: what a node printed, from the newest run that ran it.

use crate::cli::exit::{DONE, Exit, Outcome};
use crate::cli::options::LogsOptions;
use crate::cli::session::open_store;
use crate::execute::run_log::{RunFile, node_log, read};
use crate::plan::select::Selector;
use crate::store::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub fn logs(options: &LogsOptions) -> Outcome {
    let store = open_store(&options.cache.cache)?;
    let selector = Selector::parse(&options.node).map_err(Exit::usage)?;
    // the newest log of each node that is meant, and those that have none
    let mut found: BTreeMap<String, (String, PathBuf)> = BTreeMap::new();
    let mut bare: BTreeSet<String> = BTreeSet::new();
    for run in runs(&store, options.run.as_deref())? {
        let exact = run.nodes.contains_key(&options.node);
        let meant = |label: &&String| if exact { **label == options.node } else { selector.matches_label(label) };
        for label in run.nodes.keys().filter(meant) {
            let path = node_log(&store.runs().join(&run.run), label);
            if path.is_file() {
                found.entry(label.clone()).or_insert_with(|| (run.run.clone(), path));
            } else {
                bare.insert(label.clone());
            }
        }
    }
    let mut entries = found.iter();
    match (entries.next(), entries.next()) {
        (Some((label, (run, path))), None) => {
            let text = std::fs::read(path).map_err(|e| Exit::failed(format!("{}: {e}", path.display())))?;
            eprintln!("{label} in run {run}: {}", path.display());
            print!("{}", String::from_utf8_lossy(&text));
            Ok(DONE)
        }
        (Some(_), Some(_)) => {
            found.keys().for_each(|label| println!("{label}"));
            let count = found.len();
            Err(Exit::usage(format!("`{}` matches {count} nodes with a log; name one of them", options.node)))
        }
        (None, _) => match bare.first() {
            Some(label) => {
                Err(Exit::nothing(format!("{label} has no log here: it was cached in every run of this cache")))
            }
            None => {
                Err(Exit::nothing(format!("no node `{}` in any run of this cache; `status` lists nodes", options.node)))
            }
        },
    }
}

/// The runs of the cache, newest first, or the one that was named.
pub fn runs(store: &Store, name: Option<&str>) -> Result<Vec<RunFile>, Exit> {
    if let Some(name) = name {
        let run = read(&store.runs(), name).map_err(|e| Exit::nothing(format!("run `{name}`: {e}")))?;
        return Ok(vec![run]);
    }
    let mut runs: Vec<RunFile> = std::fs::read_dir(store.runs())
        .map_err(Exit::failed)?
        .filter_map(|entry| read(&store.runs(), entry.ok()?.file_name().to_str()?).ok())
        .collect();
    runs.sort_by(|a, b| (b.started, b.run.len(), &b.run).cmp(&(a.started, a.run.len(), &a.run)));
    Ok(runs)
}
