//! `plan`: what would run and why. Runs nothing, writes nothing.

use crate::cli::catalog::Catalog;
use crate::cli::exit::{DONE, Exit, Outcome};
use crate::cli::explain::Explainer;
use crate::cli::options::{Format, PlanOptions};
use crate::cli::session::{Session, memo_path, open_store, snapshot_hits};
use crate::plan::show::{Remark, text, value};
use crate::plan::stale::Status;
use std::cell::RefCell;

/// Without `--all`, causes are shown for this many nodes.
const SHOWN: usize = 12;

pub fn plan(options: &PlanOptions) -> Outcome {
    let session = Session::open(Catalog::collect(), &options.manifest.manifest, &options.manifest.layers)?;
    let store = open_store(&options.cache.cache)?;
    let (targets, forced) = session.targets(&options.select)?;
    let mut assessor = session.assessor(&store);
    let status = assessor.assess(snapshot_hits(&store)?, &forced).map_err(Exit::usage)?;
    let mut explainer = Explainer::new(&session, &store);
    let open: Vec<usize> =
        (0..status.len()).filter(|&id| targets[id] && !matches!(status[id], Status::Hit { .. })).collect();
    let most = if options.all || options.format == Format::Json { open.len() } else { SHOWN.min(open.len()) };
    let mut remarks = Vec::new();
    for &id in &open[..most] {
        let explanation = explainer.explain(&mut assessor, &status, id, forced[id])?;
        let mut causes: Vec<String> = explanation.causes.iter().map(|cause| cause.to_string()).collect();
        if !explanation.waits.is_empty() && causes.is_empty() {
            let on = explanation.waits.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ");
            causes.push(format!("a hit if {on} gives the same bytes"));
        }
        remarks.push(Remark { node: id, causes });
    }
    assessor.memo.save(&memo_path(&store));
    let explainer = RefCell::new(explainer);
    let estimate = |id: usize| explainer.borrow_mut().estimate(id);
    let stages = &session.catalog.stages;
    if options.format == Format::Json {
        println!("{:#}", value(stages, &session.plan, &status, &remarks, &estimate));
        return Ok(DONE);
    }
    for note in session.manifest.notes.iter().chain(&session.manifest.overrides) {
        eprintln!("note: {note}");
    }
    print!("{}", text(stages, &session.plan, &status, &remarks, &estimate));
    if open.len() > most {
        println!("… and {} more nodes; --all shows them", open.len() - most);
    }
    if open.is_empty() {
        println!("\nnothing to do: everything is cached");
    }
    Ok(DONE)
}
