//! Runs one node in this process: key, lease, look-up, stage, record. What the local pool starts as a child, and what
//! any other executor will call. Knows one node only.

use crate::digest::Digest;
use crate::execute::context::{NodeContext, Reporter, stage_error};
use crate::execute::failure::Class;
use crate::execute::spec::{NodeSpec, Report};
use crate::fingerprint::table::Table;
use crate::plan::external::file_digest;
use crate::plan::inputs::Inputs;
use crate::plan::key::{Preimage, listing_digests, listing_text};
use crate::plan::node::{Node, Params};
use crate::stages::context::StageError;
use crate::stages::entry::{Resources, StageEntry};
use crate::store::lease::LeaseOutcome;
use crate::store::process::Process;
use crate::store::record::Outputs;
use crate::store::record::{Provenance, Published, Record};
use crate::store::store::{Durability, Store};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Results of nodes that ran longer than this, in seconds, survive a power cut; shorter ones may have to run again.
const FLUSHED_ABOVE: f64 = 2.0;

/// Runs `spec` and gives the final report; progress goes through `report` on the way.
pub fn exec_node(
    spec: &NodeSpec,
    stages: &[StageEntry],
    table: &Table,
    store: &Store,
    stop: Arc<AtomicBool>,
    report: Reporter,
) -> Report {
    match run(spec, stages, table, store, stop, report) {
        Ok(report) => report,
        Err(StageError::Interrupted) => Report::Interrupted,
        Err(error) => Report::Failed { class: Class::of(&error).to_string(), message: error.to_string() },
    }
}

fn run(
    spec: &NodeSpec,
    stages: &[StageEntry],
    table: &Table,
    store: &Store,
    stop: Arc<AtomicBool>,
    report: Reporter,
) -> Result<Report, StageError> {
    let entry = stages
        .iter()
        .find(|entry| entry.name == spec.stage)
        .ok_or_else(|| StageError::Code(format!("this binary has no stage `{}`", spec.stage)))?;
    let inputs = Inputs { slots: spec.inputs.clone(), external: spec.external.clone() };
    let (preimage, code_text) = preimage(spec, entry, table, &inputs)?;
    if preimage.key() != spec.key {
        return Err(StageError::Code(format!(
            "this binary computes key {} for {}, the plan says {}: it was built from other sources than the planner",
            preimage.key().short(),
            spec.label,
            spec.key.short()
        )));
    }
    let reads: Vec<Digest> = spec.inputs.values().flat_map(|blobs| blobs.values().map(|blob| blob.digest)).collect();
    let _lease = match store.lease(&spec.key, &reads).map_err(stage_error)? {
        LeaseOutcome::Held(lease) => lease,
        LeaseOutcome::Busy { holder } => return Ok(Report::Busy { holder }),
    };
    if !spec.forced
        && let Some(outputs) = store.hit(&spec.stage, &spec.key).map_err(stage_error)?
    {
        return Ok(Report::Cached { outputs });
    }
    for (name, (path, digest)) in &spec.external {
        let found = file_digest(path).map_err(|e| StageError::Data(format!("{}: {e}", path.display())))?;
        if found != *digest {
            return Err(StageError::Data(format!(
                "`{name}` ({}) changed between planning and running: {} → {}; run the command again",
                path.display(),
                digest.short(),
                found.short()
            )));
        }
    }
    // Outputs are flushed when their record is, so nothing is flushed twice.
    let quick = store.clone().with_durability(Durability::Rename);
    let mut context = NodeContext::new(&quick, spec, stop, report);
    let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let clock = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| (entry.run)(&spec.names, &spec.params, &mut context)));
    let damaged = context.damaged();
    if !damaged.is_empty() {
        return Ok(Report::Damaged { digests: damaged });
    }
    result.unwrap_or_else(|panic| Err(StageError::Code(format!("panicked: {}", panic_text(&panic)))))?;
    let outputs = context.outputs();
    let seconds = clock.elapsed().as_secs_f64();
    store_listings(&quick, &inputs, &code_text)?;
    let record = Record {
        format: Record::FORMAT,
        key: spec.key,
        stage: spec.stage.clone(),
        names: spec.names.clone(),
        preimage: preimage.value(),
        outputs: outputs.clone(),
        provenance: Provenance {
            started,
            seconds,
            host: Process::this().host.clone(),
            user: Process::this().user.clone(),
            threads: spec.threads,
            device: "cpu".to_string(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            peak_rss_mib: peak_rss_mib(),
            attempts: spec.attempt,
        },
        observations: Vec::new(),
    };
    // What took less time than a flush of a busy disk is cheaper to run again after a power cut than to flush.
    let durable = if seconds > FLUSHED_ABOVE { store } else { &quick };
    let differing = publish(durable, &record)?;
    context.clear()?;
    Ok(Report::Done { outputs, seconds, differing })
}

/// The ingredients of the key, and the text of the code listing.
fn preimage(
    spec: &NodeSpec,
    entry: &StageEntry,
    table: &Table,
    inputs: &Inputs,
) -> Result<(Preimage, String), StageError> {
    let code =
        table.code(&(entry.roots)(&spec.names, &spec.params)).map_err(|error| StageError::Code(error.to_string()))?;
    let node = Node {
        stage: 0,
        names: spec.names.clone(),
        label: spec.label.clone(),
        params: Arc::new(Params::new(&entry.settings, spec.params.clone())),
        slots: Vec::new(),
        external: Vec::new(),
        resources: Resources { threads: spec.threads, memory_mib: 0, gpus: 0, seconds: None },
    };
    let preimage = Preimage::of(entry, &node, code.digest(), listing_digests(&inputs.listings()), &spec.numerics);
    Ok((preimage, code.text()))
}

/// What stands behind the digests of the key goes into the store too: `why` reads it later.
fn store_listings(store: &Store, inputs: &Inputs, code_text: &str) -> Result<(), StageError> {
    let texts = inputs.listings().values().map(listing_text).chain([code_text.to_string()]).collect::<Vec<_>>();
    for text in texts {
        if !store.has(&Digest::of(&text)) {
            store.put(text.as_bytes()).map_err(stage_error)?;
        }
    }
    Ok(())
}

/// Names of outputs that differ from what the same key gave before.
fn publish(store: &Store, record: &Record) -> Result<Vec<String>, StageError> {
    match store.publish(record).map_err(stage_error)? {
        Published::First | Published::Same => Ok(Vec::new()),
        Published::Different => {
            let first = store.record(&record.stage, &record.key).map_err(stage_error)?;
            let before: Outputs = first.map(|record| record.outputs).unwrap_or_default();
            let names = before.keys().chain(record.outputs.keys());
            let mut differing: Vec<String> =
                names.filter(|name| before.get(*name) != record.outputs.get(*name)).cloned().collect();
            differing.sort();
            differing.dedup();
            Ok(differing)
        }
    }
}

fn panic_text(panic: &Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string())).unwrap_or_else(|| "no message".to_string())
}

/// The most memory this process has held, in MiB; 0 where the system does not tell.
fn peak_rss_mib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).map_or(0, |kib| kib / 1024)
}
