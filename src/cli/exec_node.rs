//! `exec-node`: one node in this process. Reads a specification, prints reports as JSON lines; everything else goes to
//! standard error, which is the node's log.

use crate::cli::catalog::Catalog;
use crate::cli::exit::{DONE, Exit, FAILED, Outcome};
use crate::cli::options::ExecNodeOptions;
use crate::cli::session::open_store;
use crate::execute::exec_node::exec_node as execute;
use crate::execute::spec::{NodeSpec, Report};
use crate::fingerprint::table::Table;
use crate::stages::entry::StageEntry;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub fn exec_node(options: &ExecNodeOptions) -> Outcome {
    let catalog = Catalog::collect();
    serve(&options.spec, &options.cache.cache, &catalog.stages, catalog.table)
}

/// Runs the specification in `spec` (`-`: standard input) with these tables.
pub fn serve(spec: &Path, cache: &Path, stages: &[StageEntry], table: &Table) -> Outcome {
    end_with_parent();
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT, signal_hook::consts::SIGUSR1] {
        signal_hook::flag::register(signal, stop.clone()).map_err(Exit::failed)?;
    }
    let mut text = String::new();
    match spec.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text).map_err(Exit::failed)?,
        _ => std::fs::File::open(spec)
            .and_then(|mut file| file.read_to_string(&mut text))
            .map_err(|e| Exit::usage(format!("{}: {e}", spec.display())))?,
    };
    let spec: NodeSpec = serde_json::from_str(&text).map_err(|e| Exit::usage(format!("no node specification: {e}")))?;
    let store = open_store(cache)?;
    let report = execute(&spec, stages, table, &store, stop, Arc::new(|report| say(&report)));
    say(&report);
    if let Report::Failed { class, message } = &report {
        eprintln!("{class}: {message}");
        return Ok(FAILED);
    }
    Ok(DONE)
}

fn say(report: &Report) {
    let line = serde_json::to_string(report).expect("a report is JSON");
    let mut out = std::io::stdout().lock();
    // A parent that is gone reads nothing more; the result is in the store all the same.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// A node whose parent dies saves its state and ends, instead of computing for nobody.
fn end_with_parent() {
    #[cfg(target_os = "linux")]
    // SAFETY: prctl with PR_SET_PDEATHSIG takes a plain signal number and touches no memory.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
    }
}
