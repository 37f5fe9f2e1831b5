//! What happens during a run, as values: the only way from execution to displays. Knows no terminal.

use serde::Serialize;

/// One event. `node` is the node's label, such as `retrain[task=darcy,method=wrn/default,seed=0]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    RunStarted {
        run: String,
        manifest: String,
        nodes: usize,
        cached: usize,
    },
    NodeStarted {
        node: String,
        attempt: u32,
        pid: u32,
        log: String,
    },
    /// From inside a stage; `total` is 0 where it is not known.
    NodeProgress {
        node: String,
        unit: String,
        done: u64,
        total: u64,
        note: String,
    },
    /// Found in the store only now, because its inputs came out as before (early cut-off) or another process made it.
    NodeCached {
        node: String,
    },
    NodeDone {
        node: String,
        seconds: f64,
    },
    /// The budget of its failure class allows another attempt.
    NodeRetried {
        node: String,
        attempt: u32,
        class: String,
        message: String,
    },
    NodeFailed {
        node: String,
        class: String,
        message: String,
        log: String,
        tail: Vec<String>,
    },
    /// Not run, because `because` failed.
    NodeBlocked {
        node: String,
        because: String,
    },
    /// Not started, because the first node of its stage and variant (the canary) failed at once.
    NodeHeld {
        node: String,
        canary: String,
    },
    /// Asked to stop; its checkpoint is saved.
    NodeInterrupted {
        node: String,
    },
    /// A damaged object was set aside; the node that made it runs again.
    Quarantined {
        digest: String,
        node: String,
    },
    /// The same key gave other bytes than before.
    Nondeterministic {
        node: String,
        output: String,
    },
    /// Another process holds the node's lease and works on it.
    NodeAwaited {
        node: String,
        holder: String,
    },
    RunFinished {
        done: usize,
        cached: usize,
        failed: usize,
        blocked: usize,
        interrupted: bool,
        seconds: f64,
    },
}

/// Consumes events; implementations stand in `progress/`.
pub trait Display: Send {
    fn event(&mut self, event: &Event);
}
