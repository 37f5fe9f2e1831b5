//! What a report means: for the node, for its consumers, for the rest of the run. The other half of `scheduler`.

use crate::digest::Digest;
use crate::execute::child::{Message, is_final, tail};
use crate::execute::event::Event;
use crate::execute::failure::Class;
use crate::execute::scheduler::Scheduler;
use crate::execute::spec::Report;
use crate::execute::state::State;
use crate::plan::node::NodeId;
use crate::plan::stale::StaleError;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a node that another process runs is looked up.
const AWAITED_EVERY: Duration = Duration::from_millis(200);
/// A damaged input is made again at most this often for one node.
const REPAIRS: u32 = 3;

impl Scheduler<'_, '_> {
    pub(super) fn take(&mut self, message: Message) -> Result<(), StaleError> {
        let id = message.node;
        let node = self.label(id);
        if !is_final(&message.report) {
            if let Report::Progress { unit, done, total, note } = message.report {
                self.emit(Event::NodeProgress { node, unit, done, total, note });
            }
            return Ok(());
        }
        let active = self.active.remove(&id);
        if let Some(active) = &active {
            self.pool.give_back(active.slots);
        }
        let (Some(active), Some(key)) = (active, self.states[id].key().copied()) else { return Ok(()) };
        match message.report {
            Report::Done { outputs, seconds, differing } => {
                self.ended_well(id);
                for output in differing {
                    self.emit(Event::Nondeterministic { node: node.clone(), output });
                }
                self.states[id] = State::Done { key, outputs: Arc::new(outputs), seconds };
                self.emit(Event::NodeDone { node, seconds });
                self.settle_consumers(id)
            }
            Report::Cached { outputs } => {
                self.ended_well(id);
                self.found(id, key, outputs)
            }
            Report::Busy { holder } => {
                self.ended_well(id);
                self.attempts.entry(id).and_modify(|n| *n -= 1);
                if !matches!(self.states[id], State::Awaited { .. }) {
                    self.emit(Event::NodeAwaited { node, holder });
                }
                self.states[id] = State::Awaited { key };
                self.later.push((Instant::now() + AWAITED_EVERY, id));
                Ok(())
            }
            Report::Damaged { digests } => self.repair(id, &digests),
            Report::Interrupted if active.timed_out => self.timed_out(id),
            Report::Interrupted => {
                self.states[id] = State::Interrupted;
                self.emit(Event::NodeInterrupted { node });
                Ok(())
            }
            Report::Failed { .. } if active.timed_out => self.timed_out(id),
            Report::Failed { .. } if active.stop_sent.is_some() && self.stopping => {
                self.states[id] = State::Interrupted;
                self.emit(Event::NodeInterrupted { node });
                Ok(())
            }
            Report::Failed { class, message } => self.failed(id, Class::parse(&class), message),
            Report::Progress { .. } => Ok(()),
        }
    }

    fn ended_well(&mut self, id: NodeId) {
        let (group, label) = (self.group(id), self.label(id));
        self.canaries.ended(&group, id, &label, None, Instant::now());
    }

    fn timed_out(&mut self, id: NodeId) -> Result<(), StaleError> {
        let limit = self.plan.nodes[id].resources.seconds.unwrap_or(0);
        let message =
            format!("took longer than resources.time ({limit} s); its state is saved: raise the limit and run again");
        self.failed(id, Class::Timeout, message)
    }

    pub(super) fn failed(&mut self, id: NodeId, class: Class, message: String) -> Result<(), StaleError> {
        let attempt = self.attempts.get(&id).copied().unwrap_or(1);
        let node = self.label(id);
        let Some(key) = self.states[id].key().copied() else { return Ok(()) };
        if attempt <= class.retries() && !self.stopping {
            self.emit(Event::NodeRetried { node, attempt: attempt + 1, class: class.to_string(), message });
            let pause = self.options.retry_after * 4u32.pow(attempt.saturating_sub(1));
            self.later.push((Instant::now() + pause, id));
            self.states[id] = State::Ready { key };
            return Ok(());
        }
        let (group, log) = (self.group(id), self.backing.log(&node));
        self.canaries.ended(&group, id, &node, Some(&message), Instant::now());
        self.states[id] = State::Failed { key, class: class.to_string(), message: message.clone() };
        let tail = tail(&log, 20);
        let log = log.display().to_string();
        self.emit(Event::NodeFailed { node, class: class.to_string(), message, log, tail });
        self.failures += 1;
        if self.options.fail_fast || self.options.max_fail.is_some_and(|most| self.failures >= most) {
            self.stopping = true;
            if self.options.fail_fast {
                self.stop_all();
            }
        }
        self.settle_consumers(id)
    }

    /// Producers of damaged inputs run again, then this node.
    fn repair(&mut self, id: NodeId, digests: &[Digest]) -> Result<(), StaleError> {
        let node = self.label(id);
        for digest in digests {
            self.emit(Event::Quarantined { digest: digest.to_string(), node: node.clone() });
        }
        let rounds = self.repairs.entry(id).or_insert(0);
        *rounds += 1;
        if *rounds > REPAIRS {
            return self.failed(id, Class::Code, "its inputs came out damaged again and again".to_string());
        }
        let producers: BTreeSet<NodeId> =
            self.plan.nodes[id].slots.iter().flat_map(|slot| slot.producers.iter().copied()).collect();
        self.attempts.remove(&id);
        self.states[id] = State::Waiting { missing: 0 };
        for producer in producers {
            let made = self.states[producer].outputs();
            if made.is_some_and(|made| made.values().any(|blob| digests.contains(&blob.digest))) {
                self.states[producer] = State::Waiting { missing: 0 };
                self.settle(producer)?;
            }
        }
        if matches!(self.states[id], State::Waiting { .. }) { self.settle(id) } else { Ok(()) }
    }
}
