//! The scheduler alone: toy stages, a launcher that answers by script, a store in memory. What ran, in what order, and what a
//! failure means for the rest.

use nasperf_pipe::digest::Digest;
use nasperf_pipe::execute::child::{Launcher, Message, Running};
use nasperf_pipe::execute::event::{Display, Event};
use nasperf_pipe::execute::pool::Slots;
use nasperf_pipe::execute::scheduler::{Backing, Options, Scheduler};
use nasperf_pipe::execute::spec::{NodeSpec, Report};
use nasperf_pipe::execute::state::State;
use nasperf_pipe::fingerprint::table::Table;
use nasperf_pipe::manifest::resolve::Cell;
use nasperf_pipe::plan::expand::expand;
use nasperf_pipe::plan::external::Memo;
use nasperf_pipe::plan::node::Plan;
use nasperf_pipe::plan::stale::{Assessor, Codes};
use nasperf_pipe::stages::entry::{Axis, Need, Resources, StageEntry};
use nasperf_pipe::store::object::BlobRef;
use nasperf_pipe::store::record::Outputs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CELL: &[Axis] = &[Axis::Task, Axis::Space, Axis::Algorithm, Axis::Seed];

fn stage(name: &'static str, axes: &'static [Axis], needs: &[(&'static str, bool)]) -> StageEntry {
    let need = |(stage, optional): &(&'static str, bool)| Need {
        slot: stage,
        stage,
        output: "",
        method: None,
        optional: *optional,
        only_with: None,
        applies: |_| true,
    };
    StageEntry {
        name,
        axes,
        needs: needs.iter().map(need).collect(),
        settings: Vec::new(),
        stochastic: true,
        numeric: false,
        params: Box::new(|_, settings| Ok(settings)),
        external: Box::new(|_, _| Vec::new()),
        roots: Box::new(|_, _| vec!["digest.rs".to_string()]),
        resources: Resources { threads: 1, memory_mib: 1, gpus: 0, seconds: Some(1) },
        run: Box::new(|_, _, _| Ok(())),
    }
}

fn stages() -> Vec<StageEntry> {
    vec![
        stage("fetch", &[Axis::Task], &[]),
        stage("train", CELL, &[("fetch", false)]),
        stage("score", CELL, &[("train", false)]),
        stage("table", &[], &[("score", true)]),
    ]
}

fn plan(stages: &[StageEntry], seeds: u64) -> Plan {
    let cell =
        |seed| Cell { task: "t".into(), space: "s".into(), algorithm: "a".into(), seed, settings: Arc::default() };
    expand(stages, (0..seeds).map(cell).collect(), &Arc::default(), &|_| None).expect("a plan")
}

fn outputs(spec: &NodeSpec) -> Outputs {
    Outputs::from([("out".to_string(), BlobRef { digest: Digest::of(&spec.label), size: 1 })])
}

/// What a node answers at its n-th start; `None`: it runs until it is stopped.
type Script = Box<dyn Fn(&NodeSpec, u32) -> Option<Report>>;

struct Actors {
    script: Script,
    /// Labels in the order of their starts.
    started: Mutex<Vec<String>>,
    threads: Mutex<Vec<u32>>,
}

struct Actor {
    node: usize,
    messages: Sender<Message>,
}

impl Running for Actor {
    fn pid(&self) -> u32 {
        0
    }

    fn stop(&self) {
        let _ = self.messages.send(Message { node: self.node, report: Report::Interrupted });
    }

    fn kill(&self) {
        self.stop();
    }
}

impl Launcher for Actors {
    fn launch(
        &self,
        node: usize,
        spec: &NodeSpec,
        _log: &Path,
        messages: Sender<Message>,
    ) -> std::io::Result<Box<dyn Running>> {
        let mut started = self.started.lock().unwrap();
        started.push(spec.label.clone());
        self.threads.lock().unwrap().push(spec.threads);
        let times = started.iter().filter(|label| **label == spec.label).count() as u32;
        if let Some(report) = (self.script)(spec, times) {
            messages.send(Message { node, report }).expect("the scheduler listens");
        }
        Ok(Box::new(Actor { node, messages }))
    }
}

#[derive(Default)]
struct Memory {
    /// Keys that another process finishes after so many look-ups.
    elsewhere: Mutex<BTreeMap<String, u32>>,
}

impl Backing for Memory {
    fn hit(&self, stage: &str, _key: &Digest) -> Option<Outputs> {
        let mut elsewhere = self.elsewhere.lock().unwrap();
        let left = elsewhere.get_mut(stage)?;
        *left = left.saturating_sub(1);
        (*left == 0).then(|| Outputs::from([("out".to_string(), BlobRef { digest: Digest::of(stage), size: 1 })]))
    }

    fn log(&self, label: &str) -> PathBuf {
        PathBuf::from("/nonexistent").join(label)
    }
}

#[derive(Default)]
struct Seen(Vec<Event>);

impl Display for Seen {
    fn event(&mut self, event: &Event) {
        self.0.push(event.clone());
    }
}

struct Ran {
    started: Vec<String>,
    threads: Vec<u32>,
    words: BTreeMap<String, &'static str>,
    states: Vec<State>,
    events: Vec<Event>,
}

/// Runs the toy plan with `seeds` cells; `change` sets options, `backing` what other processes do.
fn run(seeds: u64, script: Script, backing: Memory, change: impl Fn(&mut Options), interrupts: usize) -> Ran {
    let stages = stages();
    let plan = plan(&stages, seeds);
    let count = plan.nodes.len();
    let mut assessor = Assessor {
        stages: &stages,
        plan: &plan,
        codes: Codes::new(Table::embedded()),
        memo: Memo::default(),
        numerics: String::new(),
    };
    let status = assessor.assess(|_, _| None, &[]).expect("an assessment");
    let mut options = Options {
        slots: Slots { threads: 2, memory_mib: 100, gpus: 0 },
        targets: vec![true; count],
        forced: vec![false; count],
        max_fail: None,
        fail_fast: false,
        save_every: Duration::from_secs(60),
        retry_after: Duration::from_millis(1),
    };
    change(&mut options);
    let actors = Actors { script, started: Mutex::default(), threads: Mutex::default() };
    let mut seen = Seen::default();
    let count = Arc::new(AtomicUsize::new(0));
    count.store(interrupts, Ordering::Relaxed);
    let states =
        Scheduler::new(&mut assessor, options, &actors, &backing, vec![&mut seen], count).run(&status).expect("a run");
    let words = states.iter().enumerate().map(|(id, s)| (plan.nodes[id].label.clone(), s.word())).collect();
    let (started, threads) = (actors.started.into_inner().unwrap(), actors.threads.into_inner().unwrap());
    Ran { started, threads, words, states, events: seen.0 }
}

fn done(spec: &NodeSpec) -> Option<Report> {
    Some(Report::Done { outputs: outputs(spec), seconds: 0.0, differing: Vec::new() })
}

fn failed(class: &str, message: &str) -> Option<Report> {
    Some(Report::Failed { class: class.into(), message: message.into() })
}

fn label(stage: &str, seed: u64) -> String {
    format!("{stage}[task=t,method=s/a,seed={seed}]")
}

fn of<'a>(words: &'a BTreeMap<String, &'static str>, word: &str) -> BTreeSet<&'a str> {
    words.iter().filter(|(_, w)| **w == word).map(|(label, _)| label.as_str()).collect()
}

#[test]
fn producers_run_before_consumers_and_cells_end_early() {
    let ran = run(3, Box::new(|spec, _| done(spec)), Memory::default(), |_| {}, 0);
    let at = |label: &str| ran.started.iter().position(|l| l == label).expect("it ran");
    assert_eq!(ran.started.len(), 1 + 3 + 3 + 1);
    for seed in 0..3 {
        assert!(at("fetch[task=t]") < at(&label("train", seed)));
        assert!(at(&label("train", seed)) < at(&label("score", seed)));
        assert!(at(&label("score", seed)) < at("table"));
    }
    assert!(at(&label("score", 0)) < at(&label("train", 2)), "one cell ends before the last begins: {:?}", ran.started);
    // The first fetch has the machine to itself, for nothing else can start before it ends … at its own stage.
    assert_eq!(ran.threads[0], 2);
    assert_eq!(of(&ran.words, "done").len(), 8);
}

#[test]
fn each_failure_class_has_its_own_budget() {
    for (class, attempts) in [("infrastructure", 4), ("resource", 2), ("numeric", 1), ("data", 1), ("code", 1)] {
        let script: Script = Box::new(move |spec, _| match spec.label == label("train", 0) {
            true => failed(class, "no"),
            false => done(spec),
        });
        let ran = run(2, script, Memory::default(), |_| {}, 0);
        let tried = ran.started.iter().filter(|l| **l == label("train", 0)).count();
        assert_eq!(tried, attempts, "{class}");
        assert_eq!(of(&ran.words, "failed"), BTreeSet::from([label("train", 0).as_str()]), "{class}");
        assert_eq!(of(&ran.words, "blocked"), BTreeSet::from([label("score", 0).as_str()]), "{class}");
        assert_eq!(ran.words["table"], "done", "an optional slot takes a hole");
    }
    // A retry that succeeds leaves no trace but the event.
    let script: Script =
        Box::new(
            |spec, times| {
                if spec.stage == "train" && times == 1 { failed("infrastructure", "disk") } else { done(spec) }
            },
        );
    let ran = run(1, script, Memory::default(), |_| {}, 0);
    assert_eq!(of(&ran.words, "done").len(), 4);
    assert!(
        ran.events
            .iter()
            .any(|e| matches!(e, Event::NodeRetried { attempt: 2, class, .. } if class == "infrastructure"))
    );
}

#[test]
fn the_same_failure_twice_at_once_holds_the_rest() {
    let script: Script = Box::new(|spec, _| match spec.stage.as_str() {
        "train" => failed("code", &format!("no file for seed {}", spec.names.seed.unwrap_or(0))),
        _ => done(spec),
    });
    let ran = run(6, script, Memory::default(), |_| {}, 0);
    assert_eq!(of(&ran.words, "failed").len(), 2, "{:?}", ran.words);
    assert_eq!(of(&ran.words, "held").len(), 4);
    assert_eq!(of(&ran.words, "blocked").len(), 6);
}

#[test]
fn failures_can_stop_the_start_of_more() {
    let script = || -> Script {
        Box::new(|spec, _| match spec.stage.as_str() {
            // Different words each time, so that no canary holds them.
            "train" => failed("data", &"x".repeat(1 + spec.names.seed.unwrap_or(0) as usize)),
            _ => done(spec),
        })
    };
    let ran = run(6, script(), Memory::default(), |options| options.max_fail = Some(2), 0);
    assert_eq!(of(&ran.words, "failed").len(), 2);
    let ran = run(6, script(), Memory::default(), |options| options.fail_fast = true, 0);
    assert_eq!(of(&ran.words, "failed").len(), 1);
    let ran = run(6, script(), Memory::default(), |_| {}, 0);
    assert_eq!(of(&ran.words, "failed").len(), 6, "keep going is the default");
}

#[test]
fn a_node_over_its_time_is_stopped_and_says_how_to_go_on() {
    let script: Script = Box::new(|spec, _| if spec.stage == "train" { None } else { done(spec) });
    let ran = run(1, script, Memory::default(), |_| {}, 0);
    let State::Failed { class, message, .. } = &ran.states[1] else { panic!("{:?}", ran.states[1]) };
    assert_eq!(class, "timeout");
    assert!(message.contains("resources.time"), "{message}");
    assert_eq!(ran.started.iter().filter(|l| l.starts_with("train")).count(), 1, "no second attempt");
}

#[test]
fn what_another_process_works_on_is_awaited() {
    let script: Script = Box::new(|spec, _| match spec.stage.as_str() {
        "train" => Some(Report::Busy { holder: "pid 1 on elsewhere".into() }),
        _ => done(spec),
    });
    // Found at the third look: once when its inputs are known, then while it is awaited.
    let backing = Memory { elsewhere: Mutex::new(BTreeMap::from([("train".to_string(), 3)])) };
    let ran = run(1, script, backing, |_| {}, 0);
    assert_eq!(ran.words[&label("train", 0)], "cached");
    assert_eq!(ran.words[&label("score", 0)], "done");
    assert!(ran.events.iter().any(|e| matches!(e, Event::NodeAwaited { holder, .. } if holder.contains("elsewhere"))));
}

#[test]
fn an_interrupt_starts_nothing_more() {
    let ran = run(2, Box::new(|spec, _| done(spec)), Memory::default(), |_| {}, 1);
    assert!(ran.started.len() <= 1, "{:?}", ran.started);
    assert!(of(&ran.words, "failed").is_empty());
}

#[test]
fn damaged_inputs_are_made_again_but_not_for_ever() {
    let script = |repairs: u32| -> Script {
        Box::new(move |spec, times| match spec.stage.as_str() {
            "train" if times <= repairs => Some(Report::Damaged { digests: vec![Digest::of("fetch[task=t]")] }),
            _ => done(spec),
        })
    };
    let ran = run(1, script(1), Memory::default(), |_| {}, 0);
    assert_eq!(ran.started.iter().filter(|l| l.starts_with("fetch")).count(), 2);
    assert_eq!(of(&ran.words, "done").len(), 4);
    assert!(ran.events.iter().any(|e| matches!(e, Event::Quarantined { .. })));
    let ran = run(1, script(99), Memory::default(), |_| {}, 0);
    assert_eq!(ran.words[&label("train", 0)], "failed");
}
