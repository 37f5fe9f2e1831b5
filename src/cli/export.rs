//! `export`: curves of searches and trainings for TensorBoard, architectures as graphs for Graphviz. Runs nothing.

use crate::artifacts::search_log::SearchLog;
use crate::artifacts::training_log::{TRAINING_FILE, TrainingLog};
use crate::cli::catalog::Catalog;
use crate::cli::exit::{DONE, Exit, Outcome};
use crate::cli::options::{ExportFormat, ExportOptions};
use crate::cli::searches::searched;
use crate::cli::session::{Session, open_store, snapshot_hits};
use crate::plan::stale::Status;
use crate::report::cell_plot::dot;
use crate::report::tensorboard::{Scalar, events};
use crate::store::record::Outputs;
use crate::store::store::Store;
use std::path::Path;

/// TensorBoard looks for `tfevents` in names, and takes a folder for a run.
const EVENTS: &str = "events.out.tfevents.0.nasperf";

pub fn export(options: &ExportOptions) -> Outcome {
    let session = Session::open(Catalog::collect(), &options.manifest.manifest, &options.manifest.layers)?;
    let store = open_store(&options.cache.cache)?;
    let (targets, _) = session.targets(&options.select)?;
    let status = session.assessor(&store).assess(snapshot_hits(&store)?, &[]).map_err(Exit::usage)?;
    let hits: Vec<(usize, &Outputs)> = (0..targets.len())
        .filter(|id| targets[*id])
        .filter_map(|id| match &status[id] {
            Status::Hit { outputs, .. } => Some((id, &**outputs)),
            _ => None,
        })
        .collect();
    let mut count = 0;
    for (id, outputs) in &hits {
        let Some(search) = searched(&session, &store, *id, outputs).map_err(Exit::failed)? else { continue };
        match options.format {
            ExportFormat::Tensorboard => {
                let Some(log) = &search.log else { continue };
                write(&options.out.join(format!("search-{}", search.stem())), EVENTS, &events(&of_search(log)))?;
            }
            ExportFormat::Dot => {
                let Some(drawing) = &search.drawing else { continue };
                let text = dot(&search.title(), drawing);
                write(&options.out, &format!("{}.dot", search.stem()), text.as_bytes())?;
            }
        }
        count += 1;
    }
    if options.format == ExportFormat::Tensorboard {
        count += trainings(&session, &store, &hits, &options.out)?;
    }
    if count == 0 {
        let manifest = options.manifest.manifest.display();
        return Err(Exit::miss(format!(
            "nothing to export of {manifest} in this cache; `nasperf-pipe {manifest}` runs what is missing"
        )));
    }
    println!("{count} in {}", options.out.display());
    Ok(DONE)
}

fn trainings(session: &Session, store: &Store, hits: &[(usize, &Outputs)], out: &Path) -> Result<usize, Exit> {
    let mut count = 0;
    for (id, outputs) in hits.iter().filter(|(id, _)| session.stage(*id) == "retrain") {
        let Some(blob) = outputs.get(TRAINING_FILE) else { continue };
        let bytes = store.read(&blob.digest).map_err(Exit::failed)?;
        let log: TrainingLog =
            serde_json::from_slice(&bytes).map_err(|e| Exit::failed(format!("{TRAINING_FILE}: {e}")))?;
        let names = &session.plan.nodes[*id].names;
        let word = |name: &Option<String>| name.clone().unwrap_or_default();
        let words =
            [word(&names.task), word(&names.space), word(&names.algorithm), names.seed.unwrap_or(0).to_string()];
        let each = log
            .epochs
            .iter()
            .flat_map(|e| [scalar("loss/train", e.epoch, e.loss), scalar("learning_rate", e.epoch, e.learning_rate)]);
        write(&out.join(format!("retrain-{}", words.join("-"))), EVENTS, &events(&each.collect::<Vec<_>>()))?;
        count += 1;
    }
    Ok(count)
}

fn scalar(tag: &str, step: u64, value: f64) -> Scalar {
    Scalar { tag: tag.to_string(), step, value }
}

fn of_search(log: &SearchLog) -> Vec<Scalar> {
    let mut scalars = Vec::new();
    for e in &log.epochs {
        scalars.push(scalar("loss/weights", e.epoch, e.loss));
        scalars.extend(e.architecture_loss.map(|loss| scalar("loss/architecture", e.epoch, loss)));
        scalars.push(scalar("learning_rate", e.epoch, e.learning_rate));
        scalars.push(scalar("entropy", e.epoch, e.entropy));
        for mixture in &e.mixture {
            let each = mixture.weights.iter();
            scalars.extend(each.map(|(name, weight)| scalar(&format!("{}/{name}", mixture.cell), e.epoch, *weight)));
        }
    }
    scalars
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Exit> {
    let path = folder.join(name);
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, bytes));
    written
        .map_err(|e| Exit::failed(format!("{}: {e}; choose a folder that can be written with --out", path.display())))
}
