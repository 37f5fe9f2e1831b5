//! `preview`: a figure of a few samples of a task. Prepares the data where the cache does not hold them: embedded ones, or
//! those of a manifest.

use crate::cli::catalog::Catalog;
use crate::cli::exit::{DONE, Exit, Outcome};
use crate::cli::options::{ManifestOptions, PreviewOptions, RunOptions, SelectOptions};
use crate::cli::run::execute;
use crate::cli::session::{Session, open_store, snapshot_hits};
use crate::plan::stale::Status;
use crate::report::samples_plot::draw;
use std::path::PathBuf;

pub fn preview(options: &PreviewOptions) -> Outcome {
    let folder = tempfile::tempdir().map_err(Exit::failed)?;
    let manifest = match &options.manifest {
        Some(manifest) => manifest.clone(),
        None => {
            let tasks: Vec<String> = Catalog::collect().vocabulary.tasks.into_iter().map(|task| task.name).collect();
            if !tasks.contains(&options.task) {
                let (task, tasks) = (&options.task, tasks.join(", "));
                return Err(Exit::usage(format!(
                    "error: expected one of the tasks {tasks}, found `{task}`; for a task of your own add --manifest FILE"
                )));
            }
            let path = folder.path().join("preview.toml");
            let text = format!(
                "[run]\nname = \"preview\"\nseeds = [0]\n[[grid]]\ntask = [\"{}\"]\nmethod = \"*\"\n[data]\nsource = \"embedded\"\n\
                 size = \"tiny\"\n",
                options.task.escape_default()
            );
            std::fs::write(&path, text).map_err(Exit::failed)?;
            path
        }
    };
    let manifest = ManifestOptions { manifest, layers: options.layers.clone() };
    let only = format!("preprocess[task={}]", options.task);
    let run = RunOptions::of(manifest.clone(), options.cache.clone());
    let code =
        execute(&run, Catalog::collect(), &SelectOptions { only: vec![only.clone()], ..SelectOptions::default() })?;
    if code != DONE {
        return Ok(code);
    }
    let session = Session::open(Catalog::collect(), &manifest.manifest, &manifest.layers)?;
    let store = open_store(&options.cache.cache)?;
    let status = session.assessor(&store).assess(snapshot_hits(&store)?, &[]).map_err(Exit::usage)?;
    let chosen = session.select(&[only])?;
    let Some(Status::Hit { outputs, .. }) = chosen.first().map(|id| &status[*id]) else {
        return Err(Exit::miss("the prepared data are not in this cache any more; run the command again"));
    };
    let read = |name: &str| {
        let blob = outputs.get(name).ok_or_else(|| format!("the data set lacks `{name}`"))?;
        store.read(&blob.digest).map_err(|e| e.to_string())
    };
    let samples = (session.catalog.preview)(&options.task, &read, options.count).map_err(Exit::failed)?;
    let title = format!("{}: {} samples of the training rows", options.task, samples.len());
    let output = options.output.clone().unwrap_or_else(|| PathBuf::from(format!("{}.svg", options.task)));
    std::fs::write(&output, draw(&title, &samples)).map_err(|e| Exit::failed(format!("{}: {e}", output.display())))?;
    println!("{}", output.display());
    for sample in &samples {
        println!("  {:?} {}", [&[sample.channels][..], &sample.spatial].concat(), sample.label);
    }
    Ok(DONE)
}
