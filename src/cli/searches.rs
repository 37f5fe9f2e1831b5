//! What reports and exports show of searches and trainings, from the store.

use crate::artifacts::architecture::{ARCHITECTURE_FILE, Architecture};
use crate::artifacts::search_log::{SEARCH_FILE, SearchLog};
use crate::cli::session::Session;
use crate::report::searched::Searched;
use crate::store::error::StoreError;
use crate::store::record::Outputs;
use crate::store::store::Store;

/// One search whose results are in the store, if there is anything to show of it.
///
/// Errors of the store are told apart from others: a damaged object can be made again.
pub fn searched(
    session: &Session,
    store: &Store,
    id: usize,
    outputs: &Outputs,
) -> Result<Option<Searched>, StoreError> {
    if session.stage(id) != "search" {
        return Ok(None);
    }
    let read = |name: &str| outputs.get(name).map(|blob| store.read(&blob.digest)).transpose();
    // an older format shows nothing rather than failing the report
    let log = read(SEARCH_FILE)?.and_then(|bytes| serde_json::from_slice::<SearchLog>(&bytes).ok());
    let architecture = read(ARCHITECTURE_FILE)?.and_then(|bytes| Architecture::decode(&bytes).ok());
    let drawing = architecture.and_then(|a| (session.catalog.draw)(&a)).and_then(Result::ok);
    let names = &session.plan.nodes[id].names;
    let text = |name: &Option<String>| name.clone().unwrap_or_default();
    let method = format!("{}/{}", text(&names.space), text(&names.algorithm));
    let found = Searched { task: text(&names.task), method, seed: names.seed.unwrap_or(0), log, drawing };
    Ok((found.log.is_some() || found.drawing.is_some()).then_some(found))
}
