//! The `Context` of a running node over the store: inputs verified as they are read, outputs counted when closed,
//! the checkpoint of this key. Knows no scheduler; talks to its parent through `Reporter`.

use crate::digest::Digest;
use crate::execute::spec::{NodeSpec, Report};
use crate::plan::key::EXTERNAL_SLOT;
use crate::stages::context::{Context, Output, Progress, StageError};
use crate::store::checkpoint::Checkpoint;
use crate::store::error::StoreError;
use crate::store::object::BlobWriter;
use crate::store::record::Outputs;
use crate::store::store::Store;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Carries reports to the parent.
pub type Reporter = Arc<dyn Fn(Report) + Send + Sync>;

/// Progress is passed on at most this often.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

pub struct NodeContext<'a> {
    store: &'a Store,
    spec: &'a NodeSpec,
    checkpoint: Checkpoint,
    stop: Arc<AtomicBool>,
    report: Reporter,
    outputs: Arc<Mutex<Outputs>>,
    damaged: Arc<Mutex<Vec<Digest>>>,
    saved: Cell<Instant>,
    saved_for_stop: Cell<bool>,
    shown: Cell<Option<Instant>>,
}

impl<'a> NodeContext<'a> {
    pub fn new(store: &'a Store, spec: &'a NodeSpec, stop: Arc<AtomicBool>, report: Reporter) -> Self {
        NodeContext {
            store,
            spec,
            checkpoint: store.checkpoint(&spec.key),
            stop,
            report,
            outputs: Arc::default(),
            damaged: Arc::default(),
            saved: Cell::new(Instant::now()),
            saved_for_stop: Cell::new(false),
            shown: Cell::new(None),
        }
    }

    /// The outputs that were closed.
    pub fn outputs(&self) -> Outputs {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Inputs that turned out damaged or gone while they were read.
    pub fn damaged(&self) -> Vec<Digest> {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Removes checkpoint and scratch of a finished node.
    pub fn clear(&self) -> Result<(), StageError> {
        self.checkpoint.clear().map_err(stage_error)?;
        self.store.clear_scratch(&self.spec.key).map_err(stage_error)
    }

    fn note_damage(&self, error: &StoreError, digest: Digest) {
        if matches!(error, StoreError::Missing { .. } | StoreError::Corrupt { .. }) {
            self.damaged.lock().unwrap_or_else(PoisonError::into_inner).push(digest);
        }
    }
}

/// Store errors as a stage sees them.
pub fn stage_error(error: StoreError) -> StageError {
    match error {
        StoreError::Full { .. } => StageError::Resource(error.to_string()),
        other => StageError::Infrastructure(other.to_string()),
    }
}

/// Notes damage that shows only while reading.
struct Watched<R> {
    inner: R,
    digest: Digest,
    damaged: Arc<Mutex<Vec<Digest>>>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).inspect_err(|error| {
            if error.get_ref().is_some_and(|inner| inner.is::<StoreError>()) {
                self.damaged.lock().unwrap_or_else(PoisonError::into_inner).push(self.digest);
            }
        })
    }
}

struct BlobOutput {
    name: String,
    writer: BlobWriter,
    outputs: Arc<Mutex<Outputs>>,
}

impl Write for BlobOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Output for BlobOutput {
    fn close(self: Box<Self>) -> Result<(), StageError> {
        let blob = self.writer.finish().map_err(stage_error)?;
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner).insert(self.name, blob);
        Ok(())
    }
}

impl Context for NodeContext<'_> {
    fn names(&self, slot: &str) -> Vec<String> {
        match slot {
            EXTERNAL_SLOT => self.spec.external.keys().cloned().collect(),
            _ => self.spec.inputs.get(slot).map(|blobs| blobs.keys().cloned().collect()).unwrap_or_default(),
        }
    }

    fn open(&self, slot: &str, name: &str) -> Result<Box<dyn Read + Send>, StageError> {
        if slot == EXTERNAL_SLOT {
            let (path, _) = self.spec.external.get(name).ok_or_else(|| no_input(slot, name))?;
            let file = File::open(path).map_err(|e| StageError::Data(format!("{}: {e}", path.display())))?;
            return Ok(Box::new(io::BufReader::with_capacity(1 << 16, file)));
        }
        let blob = self.spec.inputs.get(slot).and_then(|blobs| blobs.get(name)).ok_or_else(|| no_input(slot, name))?;
        let inner = self.store.reader(&blob.digest).map_err(|error| {
            self.note_damage(&error, blob.digest);
            stage_error(error)
        })?;
        Ok(Box::new(Watched { inner, digest: blob.digest, damaged: self.damaged.clone() }))
    }

    fn create(&mut self, name: &str) -> Result<Box<dyn Output>, StageError> {
        let writer = self.store.create().map_err(stage_error)?;
        Ok(Box::new(BlobOutput { name: name.to_string(), writer, outputs: self.outputs.clone() }))
    }

    fn scratch(&self) -> Result<PathBuf, StageError> {
        self.store.scratch(&self.spec.key).map_err(stage_error)
    }

    fn restore(&self) -> Result<Option<Vec<u8>>, StageError> {
        self.checkpoint.load().map_err(stage_error)
    }

    fn save(&mut self, state: &[u8]) -> Result<(), StageError> {
        let stopping = self.stop_asked();
        self.checkpoint.save(state).map_err(stage_error)?;
        self.saved.set(Instant::now());
        self.saved_for_stop.set(stopping);
        Ok(())
    }

    fn save_due(&self) -> bool {
        let stop = self.stop_asked() && !self.saved_for_stop.get();
        stop || self.saved.get().elapsed().as_secs_f64() >= self.spec.save_every_seconds
    }

    fn stop_asked(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn progress(&self, progress: Progress<'_>) {
        let now = Instant::now();
        let fresh = self.shown.get().is_some_and(|at| now.duration_since(at) < PROGRESS_EVERY);
        if fresh && progress.done != progress.total {
            return;
        }
        self.shown.set(Some(now));
        (self.report)(Report::Progress {
            unit: progress.unit.to_string(),
            done: progress.done,
            total: progress.total,
            note: progress.note.to_string(),
        });
    }

    fn log(&self, line: &str) {
        // The standard error of a node's process is its log.
        eprintln!("{line}");
    }

    fn seed(&self) -> u64 {
        self.spec.names.seed.unwrap_or(0)
    }
}

fn no_input(slot: &str, name: &str) -> StageError {
    StageError::Code(format!("the stage asked for `{name}` in slot `{slot}`, which it has not declared or nobody made"))
}
