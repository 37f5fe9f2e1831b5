//! `logs`: what a node printed, from the newest run that ran it.

use crate::cli::exit::{DONE, Exit, Outcome};
use crate::cli::options::LogsOptions;
use crate::cli::session::open_store;
use crate::execute::run_log::{RunFile, node_log, read};
use crate::store::store::Store;

pub fn logs(options: &LogsOptions) -> Outcome {
    let store = open_store(&options.cache.cache)?;
    let mut labels: Vec<String> = Vec::new();
    for run in runs(&store, options.run.as_deref())? {
        for label in run.nodes.keys().filter(|label| label.starts_with(&options.node)) {
            let path = node_log(&store.runs().join(&run.run), label);
            let Ok(text) = std::fs::read(&path) else {
                labels.push(label.clone());
                continue;
            };
            eprintln!("{label} in run {}: {}", run.run, path.display());
            print!("{}", String::from_utf8_lossy(&text));
            return Ok(DONE);
        }
    }
    match labels.first() {
        Some(label) => Err(Exit::nothing(format!("{label} has no log here: it was cached in every run of this cache"))),
        None => {
            Err(Exit::nothing(format!("no node `{}` in any run of this cache; `status` lists nodes", options.node)))
        }
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
