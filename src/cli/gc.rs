//! `gc`: frees space in the cache, after saying what goes. What a running node uses is never touched (`store/sweep.rs`).

use crate::cli::catalog::Catalog;
use crate::cli::exit::{DONE, Exit, FAILED, Outcome};
use crate::cli::options::{GcOptions, LayerOptions};
use crate::cli::session::{Session, open_store, snapshot_hits};
use crate::digest::Digest;
use crate::manifest::duration::seconds;
use crate::plan::stale::Status;
use crate::store::store::Store;
use crate::store::sweep::{Policy, Swept};
use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

pub fn gc(options: &GcOptions) -> Outcome {
    let store = open_store(&options.cache.cache)?;
    let policy = policy(options, &store)?;
    let would = store.sweep(&policy, true).map_err(Exit::failed)?;
    print!("{}", text(&would, "would go"));
    if options.dry_run || would.classes.is_empty() {
        return Ok(DONE);
    }
    let loses_results = options.all || !options.keep.is_empty() || options.older_than.is_some();
    if loses_results && !options.yes && !confirmed(&store)? {
        return Ok(DONE);
    }
    let swept = store.sweep(&policy, false).map_err(Exit::failed)?;
    print!("{}", text(&swept, "gone"));
    for failure in &swept.failed {
        eprintln!("{failure}");
    }
    Ok(if swept.failed.is_empty() { DONE } else { FAILED })
}

fn policy(options: &GcOptions, store: &Store) -> Result<Policy, Exit> {
    let older_than = options.older_than.as_deref().map(|text| {
        let time = seconds(text).map(Duration::from_secs);
        time.ok_or_else(|| Exit::usage(format!("--older-than `{text}`: write a time such as 12h or 30d")))
    });
    let older_than = older_than.transpose()?;
    let keep = if options.keep.is_empty() { None } else { Some(keys(&options.keep, store)?) };
    Ok(Policy { all: options.all, older_than, keep, ..Policy::safe() })
}

/// Keys that the manifests' nodes have now.
fn keys(manifests: &[PathBuf], store: &Store) -> Result<BTreeSet<Digest>, Exit> {
    let mut keys = BTreeSet::new();
    for manifest in manifests {
        let session = Session::open(Catalog::collect(), manifest, &LayerOptions::default())?;
        let status = session.assessor(store).assess(snapshot_hits(store)?, &[]).map_err(Exit::usage)?;
        keys.extend(status.iter().filter_map(|status| match status {
            Status::Hit { key, .. } | Status::Run { key } => Some(*key),
            Status::Waits { .. } => None,
        }));
    }
    Ok(keys)
}

fn confirmed(store: &Store) -> Result<bool, Exit> {
    if !std::io::stdin().is_terminal() {
        return Err(Exit::usage("results would be lost: pass --yes, or answer at a terminal"));
    }
    eprint!("remove these from {}? [y/N] ", store.root().display());
    std::io::stderr().flush().map_err(Exit::failed)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(Exit::failed)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn text(swept: &Swept, what: &str) -> String {
    let mut out = String::new();
    for (class, tally) in &swept.classes {
        let class = format!("{class:?}").to_lowercase();
        out.push_str(&format!("{class:<12} {:>8} {:>12}\n", tally.count, bytes(tally.bytes)));
    }
    out.push_str(&format!("{} {what}\n", bytes(swept.bytes())));
    out
}

/// `1536` → `1.5 KiB`.
pub fn bytes(count: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", units[unit]) }
}
