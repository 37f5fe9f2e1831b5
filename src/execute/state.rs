//! The states of a node during one run.

use crate::digest::Digest;
use crate::store::record::Outputs;
use std::sync::Arc;

/// ```text
/// Waiting → Ready → Running → Done | Failed | Interrupted
///    │        └→ Awaited → Ready                 (another process holds the lease)
///    ├→ Cached                                   (found once the inputs were known)
///    └→ Blocked | Held | Skipped
/// ```
#[derive(Clone, Debug)]
pub enum State {
    /// In the store before the run.
    Hit {
        key: Digest,
        outputs: Arc<Outputs>,
    },
    /// Not asked for.
    Skipped,
    /// `missing` producers have not ended.
    Waiting {
        missing: usize,
    },
    /// All inputs are known; waits for slots.
    Ready {
        key: Digest,
    },
    Running {
        key: Digest,
    },
    /// Another process runs it; looked at again from time to time.
    Awaited {
        key: Digest,
    },
    /// Found in the store during the run.
    Cached {
        key: Digest,
        outputs: Arc<Outputs>,
    },
    Done {
        key: Digest,
        outputs: Arc<Outputs>,
        seconds: f64,
    },
    Failed {
        key: Digest,
        class: String,
        message: String,
    },
    /// A producer failed.
    Blocked {
        because: String,
    },
    /// Its canary failed at once.
    Held {
        canary: String,
    },
    /// Its state is saved.
    Interrupted,
}

impl State {
    /// What it gave, once it ended well.
    pub fn outputs(&self) -> Option<&Arc<Outputs>> {
        match self {
            State::Hit { outputs, .. } | State::Cached { outputs, .. } | State::Done { outputs, .. } => Some(outputs),
            _ => None,
        }
    }

    /// It will not give anything in this run.
    pub fn is_lost(&self) -> bool {
        matches!(self, State::Failed { .. } | State::Blocked { .. } | State::Held { .. })
    }

    pub fn key(&self) -> Option<&Digest> {
        match self {
            State::Hit { key, .. }
            | State::Ready { key }
            | State::Running { key }
            | State::Awaited { key }
            | State::Cached { key, .. }
            | State::Done { key, .. }
            | State::Failed { key, .. } => Some(key),
            _ => None,
        }
    }

    /// The word that `status` and the report show.
    pub fn word(&self) -> &'static str {
        match self {
            State::Hit { .. } | State::Cached { .. } => "cached",
            State::Skipped => "not asked for",
            State::Waiting { .. } | State::Ready { .. } => "not run",
            State::Running { .. } => "running",
            State::Awaited { .. } => "run by another process",
            State::Done { .. } => "done",
            State::Failed { .. } => "failed",
            State::Blocked { .. } => "blocked",
            State::Held { .. } => "held",
            State::Interrupted => "interrupted",
        }
    }
}
