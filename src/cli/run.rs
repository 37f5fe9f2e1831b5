//! `run`: plan, execute what is missing, write the report. The one verb that does everything.

use crate::cli::catalog::Catalog;
use crate::cli::exit::{DONE, Exit, FAILED, INTERRUPTED, Outcome, TERMINATED};
use crate::cli::options::{Format, RunOptions, SelectOptions};
use crate::cli::render::{Rendered, say_path, write_report};
use crate::cli::session::{Session, memo_path, open_store, snapshot_hits};
use crate::digest::Digest;
use crate::execute::child::Processes;
use crate::execute::event::{Display, Event};
use crate::execute::pool::Slots;
use crate::execute::run_log::{NodeEnd, RUN_FORMAT, RunFile, RunLog, node_log};
use crate::execute::scheduler::{Backing, Options, Scheduler};
use crate::execute::state::State;
use crate::manifest::duration::seconds;
use crate::manifest::resolve::Manifest;
use crate::plan::graph::Graph;
use crate::plan::stale::Status;
use crate::progress::choose::{Surroundings, choose, display};
use crate::store::process::Process;
use crate::store::record::Outputs;
use crate::store::store::Store;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Rounds of repair: a damaged summary is found only when the report reads it.
const ROUNDS: usize = 3;

pub fn run(options: &RunOptions) -> Outcome {
    execute(options, Catalog::collect(), &options.select)
}

/// Runs a manifest with these tables, narrowed to `select`.
pub fn execute(options: &RunOptions, catalog: Catalog, select: &SelectOptions) -> Outcome {
    let begun = Instant::now();
    let mut layers = options.manifest.layers.clone();
    if options.offline {
        layers.set.push("data.offline=true".to_string());
    }
    let save_every = match options.save_every.as_str() {
        "0s" => Some(0),
        time => seconds(time),
    };
    let save_every = save_every.ok_or_else(|| {
        Exit::usage(format!("--save-every `{}`: write a time such as 0s, 30s, 5m or 1h", options.save_every))
    })?;
    let session = Session::open(catalog, &options.manifest.manifest, &layers)?;
    if options.format != Format::Json {
        say_notes(&session.manifest);
    }
    let store = open_store(&options.cache.cache)?;
    let (targets, mut forced) = session.targets(select)?;
    let interrupts = Interrupts::listen()?;
    let mut shown = Shown::new(options, &store, &session)?;
    for round in 1.. {
        let mut assessor = session.assessor(&store);
        let status = assessor.assess(snapshot_hits(&store)?, &forced).map_err(Exit::usage)?;
        assessor.memo.save(&memo_path(&store));
        if options.require_cached {
            require_cached(&session, &status, &targets)?;
        }
        if round == 1 {
            let cached =
                (0..status.len()).filter(|&id| targets[id] && matches!(status[id], Status::Hit { .. })).count();
            let missing: Vec<usize> =
                (0..status.len()).filter(|&id| targets[id] && !matches!(status[id], Status::Hit { .. })).collect();
            let needed = Graph::of(&session.plan).ancestors(&missing);
            let to_run =
                (0..status.len()).filter(|&id| needed[id] && !matches!(status[id], Status::Hit { .. })).count();
            let nodes = cached + to_run;
            let manifest = session.manifest.path.display().to_string();
            shown.begin(
                &session,
                options,
                &layers.set,
                Event::RunStarted { run: shown.log.run.clone(), manifest, nodes, cached },
            )?;
        }
        let states = {
            let scheduling = scheduling(options, &targets, &forced, save_every);
            let launcher = Processes { program: current_program()?, cache: store.root().to_path_buf() };
            let backing = StoreBacking { store: &store, folder: shown.log.folder.clone() };
            let displays: Vec<&mut dyn Display> = vec![&mut *shown.display, &mut shown.log];
            Scheduler::new(&mut assessor, scheduling, &launcher, &backing, displays, interrupts.count.clone())
                .run(&status)
                .map_err(Exit::failed)?
        };
        forced.fill(false);
        let stopped = interrupts.count.load(Ordering::Relaxed) > 0;
        let whole = targets.iter().all(|&target| target);
        let report =
            if whole && !stopped { write_report(&session, &store, &states, options.out.as_deref())? } else { None };
        if let Some(Rendered::Damaged { digest, node }) = &report
            && round < ROUNDS
        {
            shown.event(&Event::Quarantined { digest: digest.clone(), node: node.clone() });
            continue;
        }
        let code = shown.end(&session, &states, &targets, stopped.then(|| interrupts.code()), begun)?;
        return match report {
            Some(Rendered::Damaged { digest, .. }) => {
                Err(Exit::failed(format!("object {digest} comes out damaged each time it is written: check the disk")))
            }
            Some(Rendered::Written { summary, folder }) => {
                say_path(&summary, &folder, options.format == Format::Json);
                let verdicts = summary.verdicts();
                let missed = verdicts.iter().filter(|passed| !**passed).count();
                if missed > 0 {
                    eprintln!("{missed} of {} gates failed", verdicts.len());
                }
                Ok(if missed > 0 { code.max(FAILED) } else { code })
            }
            None => Ok(code),
        };
    }
    unreachable!("the loop ends by returning")
}

/// What the grid leaves out, and that there are overrides; `plan` counts their cells one by one.
fn say_notes(manifest: &Manifest) {
    for note in &manifest.notes {
        eprintln!("note: {note}");
    }
    match manifest.overrides.as_slice() {
        [] => {}
        [only] => eprintln!("note: {only}"),
        several => {
            eprintln!("note: {} overrides apply; `nasperf-pipe plan` lists them with their cells", several.len())
        }
    }
}

fn scheduling(options: &RunOptions, targets: &[bool], forced: &[bool], save_every: u64) -> Options {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
    Options {
        slots: Slots { threads: options.jobs.unwrap_or(cores), memory_mib: memory_mib(), gpus: 0 },
        targets: targets.to_vec(),
        forced: forced.to_vec(),
        max_fail: options.max_fail.map(|n| n as usize),
        fail_fast: options.fail_fast,
        save_every: Duration::from_secs(save_every),
        retry_after: Duration::from_secs(1),
    }
}

/// Physical memory of this machine; a large number where it cannot be read.
fn memory_mib() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.map_or(u64::MAX >> 20, |kib| kib / 1024)
}

/// This very binary; the link in /proc still works after the file was replaced by a new build.
fn current_program() -> Result<PathBuf, Exit> {
    let linked = PathBuf::from("/proc/self/exe");
    if linked.exists() { Ok(linked) } else { std::env::current_exe().map_err(Exit::failed) }
}

fn require_cached(session: &Session, status: &[Status], targets: &[bool]) -> Result<(), Exit> {
    let misses: Vec<&str> = (0..status.len())
        .filter(|&id| targets[id] && !matches!(status[id], Status::Hit { .. }))
        .map(|id| session.label(id))
        .collect();
    if misses.is_empty() {
        return Ok(());
    }
    let first = misses.iter().take(5).copied().collect::<Vec<_>>().join("\n  ");
    Err(Exit::miss(format!("{} nodes are not cached (--require-cached); the first:\n  {first}", misses.len())))
}

struct StoreBacking<'a> {
    store: &'a Store,
    folder: PathBuf,
}

impl Backing for StoreBacking<'_> {
    fn hit(&self, stage: &str, key: &Digest) -> Option<Outputs> {
        self.store.hit(stage, key).ok().flatten()
    }

    fn log(&self, label: &str) -> PathBuf {
        node_log(&self.folder, label)
    }
}

/// Ctrl-C and TERM: the first asks, the second ends at once.
struct Interrupts {
    count: Arc<AtomicUsize>,
    last: Arc<AtomicUsize>,
}

impl Interrupts {
    fn listen() -> Result<Interrupts, Exit> {
        let interrupts = Interrupts { count: Arc::default(), last: Arc::default() };
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            let (count, last) = (interrupts.count.clone(), interrupts.last.clone());
            let note = move || {
                count.fetch_add(1, Ordering::Relaxed);
                last.store(signal as usize, Ordering::Relaxed);
            };
            // SAFETY: the action only touches atomics, which is allowed in a signal handler.
            unsafe { signal_hook::low_level::register(signal, note) }.map_err(Exit::failed)?;
        }
        Ok(interrupts)
    }

    fn code(&self) -> u8 {
        let term = self.last.load(Ordering::Relaxed) == signal_hook::consts::SIGTERM as usize;
        if term { TERMINATED } else { INTERRUPTED }
    }
}

/// The display and the log of this run.
struct Shown {
    display: Box<dyn Display>,
    log: RunLog,
    file: Option<RunFile>,
}

impl Shown {
    fn new(options: &RunOptions, store: &Store, session: &Session) -> Result<Shown, Exit> {
        let choice = choose(options.format == Format::Json, &Surroundings::of_this_process());
        let log = RunLog::create(&store.runs(), &session.manifest.name)
            .map_err(|e| Exit::failed(format!("{}: {e}", store.runs().display())))?;
        Ok(Shown { display: display(choice, Box::new(std::io::stderr())), log, file: None })
    }

    fn event(&mut self, event: &Event) {
        self.display.event(event);
        self.log.event(event);
    }

    fn begin(&mut self, session: &Session, options: &RunOptions, set: &[String], event: Event) -> Result<(), Exit> {
        let nodes = (0..session.plan.nodes.len()).map(|id| {
            let end =
                NodeEnd { state: "not run".into(), key: None, seconds: None, message: None, outputs: Outputs::new() };
            (session.label(id).to_string(), end)
        });
        let file = RunFile {
            format: RUN_FORMAT,
            run: self.log.run.clone(),
            manifest: absolute(&options.manifest.manifest),
            profile: options.manifest.layers.profile.clone(),
            set: set.to_vec(),
            pid: std::process::id(),
            host: Process::this().host.clone(),
            started: now(),
            ended: None,
            nodes: nodes.collect(),
        };
        self.log.write(&file).map_err(|e| Exit::failed(format!("{}: {e}", self.log.folder.display())))?;
        self.file = Some(file);
        self.event(&event);
        Ok(())
    }

    /// Writes the end states, says the last event and gives the exit code.
    fn end(
        &mut self,
        session: &Session,
        states: &[State],
        targets: &[bool],
        signal: Option<u8>,
        begun: Instant,
    ) -> Outcome {
        let count = |word: &str| states.iter().filter(|state| state.word() == word).count();
        let failed = count("failed");
        let cached = (0..states.len()).filter(|&id| targets[id] && states[id].word() == "cached").count();
        let blocked = count("blocked") + count("held");
        let seconds = begun.elapsed().as_secs_f64();
        let interrupted = signal.is_some();
        self.event(&Event::RunFinished { done: count("done"), cached, failed, blocked, interrupted, seconds });
        if let Some(mut file) = self.file.take() {
            file.ended = Some(now());
            file.nodes = ends(session, states);
            self.log.write(&file).map_err(|e| Exit::failed(format!("{}: {e}", self.log.folder.display())))?;
        }
        Ok(signal.unwrap_or(if failed + blocked > 0 { FAILED } else { DONE }))
    }
}

fn ends(session: &Session, states: &[State]) -> BTreeMap<String, NodeEnd> {
    let end = |state: &State| NodeEnd {
        state: state.word().to_string(),
        key: state.key().copied(),
        seconds: match state {
            State::Done { seconds, .. } => Some(*seconds),
            _ => None,
        },
        message: match state {
            State::Failed { class, message, .. } => Some(format!("{class}: {message}")),
            State::Blocked { because } => Some(because.clone()),
            State::Held { canary } => Some(canary.clone()),
            _ => None,
        },
        outputs: state.outputs().map(|outputs| (**outputs).clone()).unwrap_or_default(),
    };
    states.iter().enumerate().map(|(id, state)| (session.label(id).to_string(), end(state))).collect()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
