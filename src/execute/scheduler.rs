//! The run itself: starts what is ready, takes reports, decides what a failure means for the rest.
//! Knows nodes, slots and states; neither processes (`child`) nor terminals (`event`).

use crate::digest::Digest;
use crate::execute::canary::{Canaries, Leave};
use crate::execute::child::{Launcher, Message, Running};
use crate::execute::event::{Display, Event};
use crate::execute::failure::Class;
use crate::execute::pool::{Pool, Slots};
use crate::execute::spec::NodeSpec;
use crate::execute::state::State;
use crate::plan::graph::Graph;
use crate::plan::inputs::Inputs;
use crate::plan::node::{NodeId, Plan};
use crate::plan::stale::{Assessor, StaleError, Status};
use crate::stages::entry::StageEntry;
use crate::store::record::Outputs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How a run is to behave.
pub struct Options {
    pub slots: Slots,
    /// Nodes asked for; their ancestors run where they must.
    pub targets: Vec<bool>,
    /// Run although stored.
    pub forced: Vec<bool>,
    /// Stop starting nodes after this many failures.
    pub max_fail: Option<usize>,
    /// Stop the running ones as well.
    pub fail_fast: bool,
    pub save_every: Duration,
    /// First pause before another attempt; four times as long after each.
    pub retry_after: Duration,
}

/// Seconds between the request to stop and the end by force.
const GRACE: Duration = Duration::from_secs(60);

pub(super) struct Active {
    running: Box<dyn Running>,
    pub(super) slots: Slots,
    started: Instant,
    pub(super) stop_sent: Option<Instant>,
    killed: bool,
    pub(super) timed_out: bool,
}

/// What the store and the file system do for the scheduler.
pub trait Backing {
    fn hit(&self, stage: &str, key: &Digest) -> Option<Outputs>;
    fn log(&self, label: &str) -> PathBuf;
}

/// One run of one plan.
pub struct Scheduler<'a, 'p> {
    assessor: &'a mut Assessor<'p>,
    pub(super) plan: &'p Plan,
    stages: &'p [StageEntry],
    graph: Graph,
    pub(super) options: Options,
    launcher: &'a dyn Launcher,
    pub(super) backing: &'a dyn Backing,
    displays: Vec<&'a mut dyn Display>,
    /// Signals received so far: 1 asks to stop, 2 ends at once.
    interrupts: Arc<AtomicUsize>,
    pub(super) states: Vec<State>,
    inputs: BTreeMap<NodeId, Inputs>,
    pub(super) attempts: BTreeMap<NodeId, u32>,
    pub(super) repairs: BTreeMap<NodeId, u32>,
    ready: BTreeSet<(std::cmp::Reverse<usize>, NodeId)>,
    pub(super) later: Vec<(Instant, NodeId)>,
    pub(super) active: BTreeMap<NodeId, Active>,
    pub(super) canaries: Canaries,
    pub(super) pool: Pool,
    pub(super) failures: usize,
    pub(super) stopping: bool,
    sender: Sender<Message>,
    messages: Receiver<Message>,
}

impl<'a, 'p> Scheduler<'a, 'p> {
    pub fn new(
        assessor: &'a mut Assessor<'p>,
        options: Options,
        launcher: &'a dyn Launcher,
        backing: &'a dyn Backing,
        displays: Vec<&'a mut dyn Display>,
        interrupts: Arc<AtomicUsize>,
    ) -> Self {
        let graph = Graph::of(assessor.plan);
        let pool = Pool::new(options.slots);
        let (sender, messages) = channel();
        let (plan, stages) = (assessor.plan, assessor.stages);
        Scheduler {
            assessor,
            plan,
            stages,
            graph,
            options,
            launcher,
            backing,
            displays,
            interrupts,
            states: Vec::new(),
            inputs: BTreeMap::new(),
            attempts: BTreeMap::new(),
            repairs: BTreeMap::new(),
            ready: BTreeSet::new(),
            later: Vec::new(),
            active: BTreeMap::new(),
            canaries: Canaries::default(),
            pool,
            failures: 0,
            stopping: false,
            sender,
            messages,
        }
    }

    /// Runs until nothing more can run, and gives the end state of each node.
    pub fn run(mut self, status: &[Status]) -> Result<Vec<State>, StaleError> {
        self.begin(status)?;
        while !self.finished() {
            self.start_ready()?;
            self.wait()?;
            self.watch_clock();
        }
        for state in &mut self.states {
            if matches!(state, State::Waiting { .. } | State::Ready { .. } | State::Awaited { .. }) && self.stopping {
                *state = State::Skipped;
            }
        }
        Ok(self.states)
    }

    pub(super) fn emit(&mut self, event: Event) {
        for display in &mut self.displays {
            display.event(&event);
        }
    }

    pub(super) fn label(&self, id: NodeId) -> String {
        self.plan.nodes[id].label.clone()
    }

    pub(super) fn stage_name(&self, id: NodeId) -> &'static str {
        self.stages[self.plan.nodes[id].stage].name
    }

    fn begin(&mut self, status: &[Status]) -> Result<(), StaleError> {
        let stored = |id: NodeId| matches!(status[id], Status::Hit { .. });
        let missing: Vec<NodeId> = (0..status.len()).filter(|&id| self.options.targets[id] && !stored(id)).collect();
        let needed = self.graph.ancestors(&missing);
        for (id, status) in status.iter().enumerate() {
            self.states.push(match status {
                Status::Hit { key, outputs } => State::Hit { key: *key, outputs: outputs.clone() },
                _ if needed[id] => State::Waiting { missing: 0 },
                _ => State::Skipped,
            });
        }
        for id in 0..self.states.len() {
            if matches!(self.states[id], State::Waiting { .. }) {
                self.settle(id)?;
            }
        }
        Ok(())
    }

    /// Nothing runs, and nothing can start.
    fn finished(&self) -> bool {
        self.active.is_empty() && (self.stopping || (self.ready.is_empty() && self.later.is_empty()))
    }

    /// Looks at a waiting node again: counts what is missing; once nothing is, finds it cached or makes it ready.
    pub(super) fn settle(&mut self, id: NodeId) -> Result<(), StaleError> {
        let mut missing = 0;
        for slot in &self.plan.nodes[id].slots {
            for &producer in &slot.producers {
                let state = &self.states[producer];
                if state.outputs().is_some() {
                    continue;
                }
                if state.is_lost() {
                    if slot.optional {
                        continue;
                    }
                    let because = match state {
                        State::Blocked { because } => because.clone(),
                        _ => self.plan.nodes[producer].label.clone(),
                    };
                    self.states[id] = State::Blocked { because: because.clone() };
                    let node = self.label(id);
                    self.emit(Event::NodeBlocked { node, because });
                    return self.settle_consumers(id);
                }
                missing += 1;
            }
        }
        self.states[id] = State::Waiting { missing };
        if missing > 0 {
            return Ok(());
        }
        let states = &self.states;
        let (preimage, inputs) = self.assessor.preimage(id, |producer| states[producer].outputs().cloned())?;
        let key = preimage.key();
        let forced = self.options.forced.get(id).copied().unwrap_or(false);
        if !forced && let Some(outputs) = self.backing.hit(self.stage_name(id), &key) {
            return self.found(id, key, outputs);
        }
        self.inputs.insert(id, inputs);
        self.make_ready(id, key);
        Ok(())
    }

    fn make_ready(&mut self, id: NodeId, key: Digest) {
        self.states[id] = State::Ready { key };
        // Later stages first: a cell ends before the next one begins, so results come early.
        self.ready.insert((std::cmp::Reverse(self.plan.nodes[id].stage), id));
    }

    pub(super) fn found(&mut self, id: NodeId, key: Digest, outputs: Outputs) -> Result<(), StaleError> {
        self.states[id] = State::Cached { key, outputs: Arc::new(outputs) };
        let node = self.label(id);
        self.emit(Event::NodeCached { node });
        self.settle_consumers(id)
    }

    pub(super) fn settle_consumers(&mut self, id: NodeId) -> Result<(), StaleError> {
        for consumer in self.graph.consumers(id) {
            if matches!(self.states[consumer], State::Waiting { .. }) {
                self.settle(consumer)?;
            }
        }
        Ok(())
    }

    pub(super) fn group(&self, id: NodeId) -> (usize, String) {
        let node = &self.plan.nodes[id];
        (node.stage, node.variant())
    }

    fn start_ready(&mut self) -> Result<(), StaleError> {
        let now = Instant::now();
        let due: Vec<NodeId> = self.later.iter().filter(|(at, _)| *at <= now).map(|(_, id)| *id).collect();
        self.later.retain(|(at, _)| *at > now);
        for id in due {
            self.look_again(id)?;
        }
        if self.stopping {
            return Ok(());
        }
        let candidates: Vec<NodeId> = self.ready.iter().map(|(_, id)| *id).collect();
        for id in candidates {
            if !self.pool.has_room() {
                break;
            }
            match self.canaries.leave(&self.group(id), id, now) {
                Leave::Later => continue,
                Leave::Held(canary) => self.hold(id, canary)?,
                Leave::Go => {
                    let wish = self.plan.nodes[id].resources.clone();
                    if let Some(slots) = self.pool.take(&wish, self.others(id)) {
                        self.launch(id, slots)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Nodes that may want a thread before this one ends: what is open at its stage or before. Counted up to the number
    /// of threads, since more change nothing.
    fn others(&self, id: NodeId) -> usize {
        let stage = self.plan.nodes[id].stage;
        let open = |(other, state): &(NodeId, &State)| {
            let open = matches!(state, State::Ready { .. } | State::Waiting { .. });
            open && *other != id && self.plan.nodes[*other].stage <= stage
        };
        self.states.iter().enumerate().filter(open).take(self.options.slots.threads as usize).count()
    }

    /// A node whose pause is over: another attempt, or a look whether the other process has finished it.
    fn look_again(&mut self, id: NodeId) -> Result<(), StaleError> {
        let Some(key) = self.states[id].key().copied() else { return Ok(()) };
        match self.backing.hit(self.stage_name(id), &key) {
            Some(outputs) if matches!(self.states[id], State::Awaited { .. }) => self.found(id, key, outputs),
            _ => {
                self.make_ready(id, key);
                Ok(())
            }
        }
    }

    fn hold(&mut self, id: NodeId, canary: String) -> Result<(), StaleError> {
        self.ready.retain(|(_, ready)| *ready != id);
        self.states[id] = State::Held { canary: canary.clone() };
        let node = self.label(id);
        self.emit(Event::NodeHeld { node, canary });
        self.settle_consumers(id)
    }

    fn launch(&mut self, id: NodeId, slots: Slots) -> Result<(), StaleError> {
        self.ready.retain(|(_, ready)| *ready != id);
        let Some(key) = self.states[id].key().copied() else { return Ok(()) };
        let attempt = *self.attempts.entry(id).and_modify(|n| *n += 1).or_insert(1);
        let node = &self.plan.nodes[id];
        let inputs = self.inputs.get(&id).cloned().unwrap_or_default();
        let spec = NodeSpec {
            label: node.label.clone(),
            stage: self.stage_name(id).to_string(),
            names: node.names.clone(),
            params: node.params.all.clone(),
            inputs: inputs.slots,
            external: inputs.external,
            numerics: self.assessor.numerics.clone(),
            key,
            forced: self.options.forced.get(id).copied().unwrap_or(false),
            attempt,
            threads: slots.threads,
            save_every_seconds: self.options.save_every.as_secs_f64(),
        };
        let log = self.backing.log(&spec.label);
        self.states[id] = State::Running { key };
        self.canaries.started(self.group(id), id, Instant::now());
        match self.launcher.launch(id, &spec, &log, self.sender.clone()) {
            Ok(running) => {
                let pid = running.pid();
                let started = Instant::now();
                self.active
                    .insert(id, Active { running, slots, started, stop_sent: None, killed: false, timed_out: false });
                let (node, log) = (spec.label, log.display().to_string());
                self.emit(Event::NodeStarted { node, attempt, pid, log });
                Ok(())
            }
            Err(error) => {
                self.pool.give_back(slots);
                self.failed(id, Class::Infrastructure, format!("cannot start a process: {error}"))
            }
        }
    }

    /// Waits for the next report, but not past the next thing to do by the clock.
    fn wait(&mut self) -> Result<(), StaleError> {
        let now = Instant::now();
        let next = self.later.iter().map(|(at, _)| at.saturating_duration_since(now)).min();
        let pause = next.unwrap_or(Duration::from_millis(200)).min(Duration::from_millis(200));
        match self.messages.recv_timeout(pause) {
            Ok(message) => self.take(message)?,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
        }
        while let Ok(message) = self.messages.try_recv() {
            self.take(message)?;
        }
        Ok(())
    }

    pub(super) fn stop_all(&mut self) {
        let now = Instant::now();
        for active in self.active.values_mut().filter(|active| active.stop_sent.is_none()) {
            active.running.stop();
            active.stop_sent = Some(now);
        }
    }

    /// Time limits and signals.
    fn watch_clock(&mut self) {
        let now = Instant::now();
        match self.interrupts.load(Ordering::Relaxed) {
            0 => {}
            1 => {
                self.stopping = true;
                self.stop_all();
            }
            _ => {
                self.stopping = true;
                for active in self.active.values_mut().filter(|active| !active.killed) {
                    active.running.kill();
                    active.killed = true;
                    active.stop_sent = active.stop_sent.or(Some(now));
                }
            }
        }
        for (id, active) in &mut self.active {
            let limit = self.plan.nodes[*id].resources.seconds.map(Duration::from_secs);
            if active.stop_sent.is_none() && limit.is_some_and(|limit| now.duration_since(active.started) > limit) {
                active.running.stop();
                active.stop_sent = Some(now);
                active.timed_out = true;
            }
            if !active.killed && active.stop_sent.is_some_and(|at| now.duration_since(at) > GRACE) {
                active.running.kill();
                active.killed = true;
            }
        }
    }
}
