//! What a running stage may touch: its inputs, its outputs, its checkpoint. Knows neither store nor scheduler,
//! and has no clock, environment or path. Every stage depends on this file, so keep it tiny.

use std::io::{Read, Write};

/// Why a stage stopped without a result. The class decides the retry budget (pipeline §6).
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The input data are not what the task expects: names the file, what was expected and what was found.
    #[error("{0}")]
    Data(String),
    /// Training diverged (NaN or infinite loss): never retried.
    #[error("{0}")]
    Numeric(String),
    /// Disk, network, signals from outside: retried.
    #[error("{0}")]
    Infrastructure(String),
    /// Not enough memory or disk: retried once.
    #[error("{0}")]
    Resource(String),
    /// A broken invariant of the program itself: never retried.
    #[error("{0}")]
    Code(String),
    /// Asked to stop; the checkpoint is saved and the next run goes on from it.
    #[error("interrupted, state saved")]
    Interrupted,
}

impl From<std::io::Error> for StageError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::OutOfMemory => {
                StageError::Resource(error.to_string())
            }
            _ => StageError::Infrastructure(error.to_string()),
        }
    }
}

/// One measured value on the way, for displays and logs; never part of a result.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    /// What is counted, such as `epoch`, `field` or `byte`.
    pub unit: &'a str,
    pub done: u64,
    /// 0 where it is not known.
    pub total: u64,
    /// Shown as it is, such as `loss 2.31`.
    pub note: &'a str,
}

/// The world of one node. Inputs and outputs are named byte streams: an artifact is a set of names.
pub trait Context {
    /// Names in an input slot, sorted. Empty where the slot is not there.
    fn names(&self, slot: &str) -> Vec<String>;
    /// Opens one input. Its digest is verified while it is read.
    fn open(&self, slot: &str, name: &str) -> Result<Box<dyn Read + Send>, StageError>;
    /// Opens one output. It counts only once `close` returned and the stage has ended well.
    fn create(&mut self, name: &str) -> Result<Box<dyn Output>, StageError>;
    /// An empty folder of this node alone, removed after it ends; kept between attempts for partial downloads.
    fn scratch(&self) -> Result<std::path::PathBuf, StageError>;
    /// The state saved last by an earlier, interrupted attempt at this very node.
    fn restore(&self) -> Result<Option<Vec<u8>>, StageError>;
    /// Replaces the saved state, atomically.
    fn save(&mut self, state: &[u8]) -> Result<(), StageError>;
    /// True where it is time to `save`: every few minutes, and when a stop was asked for.
    fn save_due(&self) -> bool;
    /// True once the node was asked to stop: save, then return `StageError::Interrupted`.
    fn stop_asked(&self) -> bool;
    fn progress(&self, progress: Progress<'_>);
    /// Says a line in the node's log.
    fn log(&self, _line: &str) {}
    /// The node's seed: 0 for a stage without the seed axis.
    fn seed(&self) -> u64;

    /// Reads one input whole.
    fn read(&self, slot: &str, name: &str) -> Result<Vec<u8>, StageError> {
        let mut bytes = Vec::new();
        self.open(slot, name)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes one output whole.
    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), StageError> {
        let mut output = self.create(name)?;
        output.write_all(bytes)?;
        output.close()
    }
}

/// A growing output; dropped without `close` it leaves nothing behind.
pub trait Output: Write + Send {
    fn close(self: Box<Self>) -> Result<(), StageError>;
}
