//! What a display has seen so far: counts, running nodes, failures. Knows no text and no terminal.

use crate::execute::event::Event;
use crate::progress::pace::Pace;
use std::collections::BTreeMap;
use std::time::Duration;

/// A node between its start and its end.
#[derive(Clone, Debug)]
pub struct Running {
    pub since: Duration,
    /// `None` until the node says how far it is.
    pub pace: Option<Pace>,
}

/// A failed node, kept to be shown again at the end.
#[derive(Clone, Debug)]
pub struct Failure {
    pub node: String,
    pub class: String,
    pub message: String,
    pub log: String,
    pub tail: Vec<String>,
    /// Seconds since its last start; `None` where it never started.
    pub seconds: Option<f64>,
}

/// Counts of one run. A node is *settled* once nothing more will happen to it.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub run: String,
    /// Nodes that were not in the store when the run started: what `settled` goes up to.
    pub to_run: usize,
    /// In the store, at the start or found later.
    pub cached: usize,
    pub cached_at_start: usize,
    pub done: usize,
    pub blocked: usize,
    pub held: usize,
    pub interrupted: usize,
    pub running: BTreeMap<String, Running>,
    pub failures: Vec<Failure>,
    /// How many nodes did not run because of this failed one.
    pub blocked_by: BTreeMap<String, usize>,
    /// How many nodes were not started because of this canary.
    pub held_by: BTreeMap<String, usize>,
    /// Nodes and outputs that came out otherwise than before.
    pub nondeterministic: Vec<(String, String)>,
}

impl Tally {
    /// Takes one event that happened at `now`.
    pub fn take(&mut self, event: &Event, now: Duration) {
        match event {
            Event::RunStarted { run, nodes, cached, .. } => {
                *self = Tally {
                    run: run.clone(),
                    to_run: nodes.saturating_sub(*cached),
                    cached: *cached,
                    cached_at_start: *cached,
                    ..Tally::default()
                };
            }
            Event::NodeStarted { node, .. } => {
                self.running.insert(node.clone(), Running { since: now, pace: None });
            }
            Event::NodeProgress { node, unit, done, total, note } => {
                let running = self.running.entry(node.clone()).or_insert(Running { since: now, pace: None });
                match &mut running.pace {
                    Some(pace) => pace.advance(unit, *done, *total, note, now),
                    None => running.pace = Some(Pace::new(unit, *done, *total, note, now)),
                }
            }
            Event::NodeCached { node } => {
                self.running.remove(node);
                self.cached += 1;
            }
            Event::NodeDone { node, .. } => {
                self.running.remove(node);
                self.done += 1;
            }
            Event::NodeRetried { node, .. } => {
                self.running.remove(node);
            }
            Event::NodeFailed { node, class, message, log, tail } => {
                let seconds = self.running.remove(node).map(|r| now.saturating_sub(r.since).as_secs_f64());
                self.failures.push(Failure {
                    node: node.clone(),
                    class: class.clone(),
                    message: message.clone(),
                    log: log.clone(),
                    tail: tail.clone(),
                    seconds,
                });
            }
            Event::NodeBlocked { because, .. } => {
                self.blocked += 1;
                *self.blocked_by.entry(because.clone()).or_default() += 1;
            }
            Event::NodeHeld { canary, .. } => {
                self.held += 1;
                *self.held_by.entry(canary.clone()).or_default() += 1;
            }
            Event::NodeInterrupted { node } => {
                self.running.remove(node);
                self.interrupted += 1;
            }
            Event::Nondeterministic { node, output } => {
                self.nondeterministic.push((node.clone(), output.clone()));
            }
            Event::Quarantined { .. } | Event::NodeAwaited { .. } => {}
            Event::RunFinished { .. } => self.running.clear(),
        }
    }

    /// Nodes of `to_run` to which nothing more will happen.
    pub fn settled(&self) -> usize {
        let later = self.cached - self.cached_at_start;
        later + self.done + self.failures.len() + self.blocked + self.held + self.interrupted
    }
}
