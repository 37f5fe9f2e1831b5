//! From the aggregate node's output to report files and the table on the terminal. Computes no statistics.

use crate::artifacts::summary::{SUMMARY_FILE, Summary};
use crate::cli::exit::Exit;
use crate::cli::searches::searched;
use crate::cli::session::Session;
use crate::execute::state::State;
use crate::report::searches::PAGE;
use crate::report::terminal::{Look, render};
use crate::report::write::write;
use crate::store::error::StoreError;
use crate::store::store::Store;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// What became of the report.
pub enum Rendered {
    Written {
        summary: Box<Summary>,
        folder: PathBuf,
    },
    /// An object of the summary or of a search is damaged or gone: `node` must run again.
    Damaged {
        digest: String,
        node: String,
    },
}

/// Writes the report of the aggregate node, if it gave a summary.
pub fn write_report(
    session: &Session,
    store: &Store,
    states: &[State],
    out: Option<&Path>,
) -> Result<Option<Rendered>, Exit> {
    for (id, state) in states.iter().enumerate() {
        let Some(blob) = state.outputs().and_then(|outputs| outputs.get(SUMMARY_FILE)) else { continue };
        let bytes = match store.read(&blob.digest) {
            Ok(bytes) => bytes,
            Err(StoreError::Corrupt { .. } | StoreError::Missing { .. }) => {
                let (digest, node) = (blob.digest.to_string(), session.label(id).to_string());
                return Ok(Some(Rendered::Damaged { digest, node }));
            }
            Err(error) => return Err(Exit::failed(error)),
        };
        let summary = Summary::from_bytes(&bytes).map_err(Exit::failed)?;
        let folder = out.map_or_else(|| Path::new("report").join(&session.manifest.name), Path::to_path_buf);
        let mut searches = Vec::new();
        for (id, state) in states.iter().enumerate() {
            let Some(outputs) = state.outputs() else { continue };
            match searched(session, store, id, outputs) {
                Ok(found) => searches.extend(found),
                Err(StoreError::Corrupt { digest } | StoreError::Missing { digest }) => {
                    let (digest, node) = (digest.to_string(), session.label(id).to_string());
                    return Ok(Some(Rendered::Damaged { digest, node }));
                }
                Err(error) => return Err(Exit::failed(error)),
            }
        }
        write(&summary, &searches, &folder).map_err(Exit::failed)?;
        return Ok(Some(Rendered::Written { summary: Box::new(summary), folder }));
    }
    Ok(None)
}

/// The table on standard output, then where the files are.
pub fn say_path(summary: &Summary, folder: &Path, json: bool) {
    if json {
        println!("{}", String::from_utf8_lossy(&summary.to_bytes()));
        return;
    }
    let terminal = std::io::stdout().is_terminal();
    let width = std::env::var("COLUMNS").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    println!("{}", render(summary, Look { width, colour }));
    println!("report: {}", folder.join("report.md").display());
    let searches = folder.join(PAGE);
    if searches.exists() {
        println!("searches: {}", searches.display());
    }
}
