//! `results`: the scores that are in the store, one row per evaluated cell.

use crate::artifacts::score::{SCORE_FILE, Score};
use crate::cli::catalog::Catalog;
use crate::cli::exit::{DONE, Exit, Outcome};
use crate::cli::options::{Format, ResultsOptions};
use crate::cli::session::{Session, open_store, snapshot_hits};
use crate::cli::why::manifest_or_latest;
use crate::plan::stale::Status;
use crate::stats::error_form::error_form;

pub fn results(options: &ResultsOptions) -> Outcome {
    let store = open_store(&options.cache.cache)?;
    let (manifest, layers) = manifest_or_latest(&store, &options.manifest, &options.layers)?;
    let session = Session::open(Catalog::collect(), &manifest, &layers)?;
    let status = session.assessor(&store).assess(snapshot_hits(&store)?, &[]).map_err(Exit::usage)?;
    let mut scores: Vec<Score> = Vec::new();
    for status in &status {
        let Status::Hit { outputs, .. } = status else { continue };
        let Some(blob) = outputs.get(SCORE_FILE) else { continue };
        let bytes = store.read(&blob.digest).map_err(Exit::failed)?;
        scores.push(serde_json::from_slice(&bytes).map_err(|e| Exit::failed(format!("{SCORE_FILE}: {e}")))?);
    }
    scores.sort_by(|a, b| (&a.task, &a.space, &a.algorithm, a.seed).cmp(&(&b.task, &b.space, &b.algorithm, b.seed)));
    match options.format {
        Format::Json => println!("{:#}", serde_json::to_value(&scores).map_err(Exit::failed)?),
        Format::Csv => {
            println!("task,method,seed,metric,value,unit,error,trivial,trivial_name,parameters,test_samples,data");
            for s in &scores {
                let (error, trivial) = (error_form(s.direction, &s.unit, s.value), &s.trivial);
                println!(
                    "{},{}/{},{},{},{},{},{error},{},{},{},{},{}",
                    s.task,
                    s.space,
                    s.algorithm,
                    s.seed,
                    s.metric,
                    s.value,
                    s.unit,
                    trivial.value,
                    trivial.name,
                    s.parameters,
                    s.test_samples,
                    s.data
                );
            }
        }
        Format::Text => {
            println!(
                "{:<12} {:<18} {:>4}  {:<12} {:>12} {:>12}  data",
                "task", "method", "seed", "metric", "value", "trivial"
            );
            for s in &scores {
                let method = format!("{}/{}", s.space, s.algorithm);
                println!(
                    "{:<12} {method:<18} {:>4}  {:<12} {:>12.5} {:>12.5}  {}",
                    s.task, s.seed, s.metric, s.value, s.trivial.value, s.data
                );
            }
        }
    }
    if scores.is_empty() {
        eprintln!("no score in this cache for {}", manifest.display());
    }
    Ok(DONE)
}
