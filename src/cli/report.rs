//! `report`: the report again from the store. Runs nothing.

use crate::cli::catalog::Catalog;
use crate::cli::exit::{DONE, Exit, Outcome};
use crate::cli::options::ReportOptions;
use crate::cli::render::{Rendered, say_path, write_report};
use crate::cli::session::{Session, open_store, snapshot_hits};
use crate::execute::state::State;
use crate::plan::stale::Status;

pub fn report(options: &ReportOptions) -> Outcome {
    let session = Session::open(Catalog::collect(), &options.manifest.manifest, &options.manifest.layers)?;
    let store = open_store(&options.cache.cache)?;
    let status = session.assessor(&store).assess(snapshot_hits(&store)?, &[]).map_err(Exit::usage)?;
    let states: Vec<State> = status
        .into_iter()
        .map(|status| match status {
            Status::Hit { key, outputs } => State::Hit { key, outputs },
            _ => State::Skipped,
        })
        .collect();
    match write_report(&session, &store, &states, options.out.as_deref())? {
        Some(Rendered::Written { summary, folder }) => {
            say_path(&summary, &folder, false);
            Ok(DONE)
        }
        Some(Rendered::Damaged { digest, node }) => Err(Exit::miss(format!(
            "object {digest} was damaged and is in quarantine; `nasperf-pipe run` makes {node} again"
        ))),
        None => Err(Exit::miss(format!(
            "no aggregate for {} in this cache; `nasperf-pipe {}` runs what is missing",
            options.manifest.manifest.display(),
            options.manifest.manifest.display()
        ))),
    }
}
