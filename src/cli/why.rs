//! `why`: the exact cause that a node runs or ran. Runs nothing.

use crate::cli::catalog::Catalog;
use crate::cli::exit::{DONE, Exit, Outcome};
use crate::cli::explain::Explainer;
use crate::cli::options::{LayerOptions, NodeOptions};
use crate::cli::session::{Session, open_store, snapshot_hits};
use crate::execute::run_log;
use crate::plan::stale::Status;
use crate::store::store::Store;
use std::path::PathBuf;

pub fn why(options: &NodeOptions) -> Outcome {
    let store = open_store(&options.cache.cache)?;
    let (manifest, layers) = manifest_or_latest(&store, &options.manifest, &options.layers)?;
    let session = Session::open(Catalog::collect(), &manifest, &layers)?;
    let nodes = session.select(std::slice::from_ref(&options.node))?;
    let mut assessor = session.assessor(&store);
    let status = assessor.assess(snapshot_hits(&store)?, &[]).map_err(Exit::usage)?;
    let mut explainer = Explainer::new(&session, &store);
    for id in nodes {
        let explanation = explainer.explain(&mut assessor, &status, id, false)?;
        let causes: Vec<String> = explanation.causes.iter().map(|cause| cause.to_string()).collect();
        println!("{}", session.label(id));
        match &status[id] {
            Status::Hit { key, .. } => {
                println!("  cached: key {} is in the store, nothing reruns", key.short());
                println!("  it ran because");
            }
            Status::Run { key } => println!("  runs: no result for key {}, because", key.short()),
            Status::Waits { .. } if causes.is_empty() => {
                println!("  waits: a hit if these give the same bytes as before: {}", explanation.waits.join(", "));
                println!("  nothing else has changed");
            }
            Status::Waits { .. } => {
                println!("  waits for {}; it then runs in any case, because", explanation.waits.join(", "));
            }
        }
        for cause in causes {
            println!("    {cause}");
        }
    }
    Ok(DONE)
}

/// The manifest named, or the one of the latest run with what lay over it.
pub fn manifest_or_latest(
    store: &Store,
    manifest: &Option<PathBuf>,
    layers: &LayerOptions,
) -> Result<(PathBuf, LayerOptions), Exit> {
    if let Some(manifest) = manifest {
        return Ok((manifest.clone(), layers.clone()));
    }
    let latest = run_log::latest(&store.runs()).map_err(Exit::failed)?;
    let latest = latest.ok_or_else(|| Exit::usage("no run in this cache yet: name the manifest, or pass --cache"))?;
    let mut set = latest.set;
    set.extend(layers.set.iter().cloned());
    Ok((latest.manifest, LayerOptions { set, profile: layers.profile.clone().or(latest.profile) }))
}
