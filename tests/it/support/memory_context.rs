//! A node's world in memory: input slots as maps, outputs as bytes, a checkpoint, a stop at a chosen moment.

use nasperf_pipe::stages::context::{Context, Output, Progress, StageError};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// Named byte streams: an artifact.
pub type Blobs = BTreeMap<String, Vec<u8>>;

#[derive(Default)]
pub struct MemoryContext {
    pub slots: BTreeMap<String, Blobs>,
    pub seed: u64,
    pub saved: Option<Vec<u8>>,
    /// Ask to stop once so many progress reports came; `None`: never.
    pub stop_after: Option<u64>,
    /// `save_due` holds at each of its calls.
    pub save_always: bool,
    pub saves: u64,
    reports: Cell<u64>,
    pub notes: RefCell<Vec<String>>,
    outputs: Arc<Mutex<Blobs>>,
}

impl MemoryContext {
    pub fn new(slots: &[(&str, &Blobs)], seed: u64) -> Self {
        let slots = slots.iter().map(|(name, blobs)| (name.to_string(), (*blobs).clone())).collect();
        MemoryContext { slots, seed, ..Self::default() }
    }

    /// What the stage wrote and closed.
    pub fn outputs(&self) -> Blobs {
        self.outputs.lock().unwrap().clone()
    }
}

struct MemoryOutput {
    name: String,
    bytes: Vec<u8>,
    outputs: Arc<Mutex<Blobs>>,
}

impl Write for MemoryOutput {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Output for MemoryOutput {
    fn close(self: Box<Self>) -> Result<(), StageError> {
        self.outputs.lock().unwrap().insert(self.name, self.bytes);
        Ok(())
    }
}

impl Context for MemoryContext {
    fn names(&self, slot: &str) -> Vec<String> {
        self.slots.get(slot).map(|blobs| blobs.keys().cloned().collect()).unwrap_or_default()
    }

    fn open(&self, slot: &str, name: &str) -> Result<Box<dyn Read + Send>, StageError> {
        match self.slots.get(slot).and_then(|blobs| blobs.get(name)) {
            Some(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
            None => Err(StageError::Code(format!("slot `{slot}` has no `{name}`"))),
        }
    }

    fn create(&mut self, name: &str) -> Result<Box<dyn Output>, StageError> {
        let outputs = self.outputs.clone();
        Ok(Box::new(MemoryOutput { name: name.to_string(), bytes: Vec::new(), outputs }))
    }

    fn scratch(&self) -> Result<PathBuf, StageError> {
        Err(StageError::Code("no folder in memory".to_string()))
    }

    fn restore(&self) -> Result<Option<Vec<u8>>, StageError> {
        Ok(self.saved.clone())
    }

    fn save(&mut self, state: &[u8]) -> Result<(), StageError> {
        self.saved = Some(state.to_vec());
        self.saves += 1;
        Ok(())
    }

    fn save_due(&self) -> bool {
        self.save_always
    }

    fn stop_asked(&self) -> bool {
        self.stop_after.is_some_and(|after| self.reports.get() >= after)
    }

    fn progress(&self, progress: Progress<'_>) {
        self.reports.set(self.reports.get() + 1);
        let Progress { unit, done, total, note } = progress;
        self.notes.borrow_mut().push(format!("{unit} {done}/{total} {note}"));
    }

    fn seed(&self) -> u64 {
        self.seed
    }
}
