//! What the engine costs beyond the work of its nodes: planning 100,000 cached nodes, a rerun of 651 nodes that has nothing to do,
//! 651 trivial nodes executed on two slots. Prints the figures beside their budgets and asserts none. The binary runs itself:
//! as the whole program over toy stages (`run`), as a node (`exec-node`), and as a planner (`plan-only`).
//!
//! `cargo bench --bench engine`; `NASPERF_BENCH_NODES=20000` for a smaller plan.

use clap::Parser;
use nasperf_pipe::cli::catalog::Catalog;
use nasperf_pipe::cli::exec_node::serve;
use nasperf_pipe::cli::options::{Cli, LayerOptions, Verb};
use nasperf_pipe::cli::run::execute;
use nasperf_pipe::cli::session::{Session, snapshot_hits};
use nasperf_pipe::fingerprint::table::Table;
use nasperf_pipe::manifest::vocabulary::{Form, MethodWord, TaskWord, Vocabulary};
use nasperf_pipe::plan::stale::Status;
use nasperf_pipe::stages::entry::{Axis, Need, Resources, StageEntry};
use nasperf_pipe::store::record::{Provenance, Record};
use nasperf_pipe::store::store::{Durability, Options, Store};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

const TASKS: usize = 10;
const METHODS: usize = 7;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("run" | "exec-node") => program(&arguments),
        Some("plan-only") => plan_only(Path::new(&arguments[2]), Path::new(&arguments[3])),
        Some("fill") => fill(Path::new(&arguments[2]), Path::new(&arguments[3])),
        _ => measure(),
    }
    ExitCode::SUCCESS
}

fn need(slot: &'static str, stage: &'static str) -> Need {
    Need { slot, stage, output: "", method: None, optional: false, only_with: None, applies: |_| true }
}

/// A stage that writes its own coordinates and nothing else.
fn stage(name: &'static str, axes: &'static [Axis], needs: Vec<Need>) -> StageEntry {
    StageEntry {
        name,
        axes,
        needs,
        settings: Vec::new(),
        stochastic: true,
        numeric: false,
        params: Box::new(|_, settings| Ok(settings)),
        external: Box::new(|_, _| Vec::new()),
        roots: Box::new(|_, _| vec!["digest.rs".to_string()]),
        resources: Resources { threads: 1, memory_mib: 1, gpus: 0, seconds: None },
        run: Box::new(move |names, _, context| context.write("out", format!("{name} {names}").as_bytes())),
    }
}

fn toy() -> Catalog {
    const CELL: &[Axis] = &[Axis::Task, Axis::Space, Axis::Algorithm, Axis::Seed];
    let stages = vec![
        stage("fetch", &[Axis::Task], Vec::new()),
        stage("preprocess", &[Axis::Task], vec![need("raw", "fetch")]),
        stage("search", CELL, vec![need("dataset", "preprocess")]),
        stage("retrain", CELL, vec![need("dataset", "preprocess"), need("architecture", "search")]),
        stage("evaluate", CELL, vec![need("dataset", "preprocess"), need("weights", "retrain")]),
        stage("aggregate", &[], vec![need("scores", "evaluate")]),
    ];
    let task = |n| TaskWord { name: format!("task{n}"), dimension: 2, form: Form::Point, control: false };
    let method = |n| MethodWord {
        space: format!("space{n}"),
        algorithm: "default".to_string(),
        aliases: Vec::new(),
        supports: |_| true,
        not_applicable: String::new(),
    };
    let vocabulary = Vocabulary {
        tasks: (0..TASKS).map(task).collect(),
        methods: (0..METHODS).map(method).collect(),
        ..Vocabulary::default()
    };
    Catalog { stages, vocabulary, locked: |_, _, _| Ok(None), table: Table::embedded(), ..Catalog::collect() }
}

fn manifest(seeds: usize) -> String {
    let seeds: Vec<String> = (0..seeds).map(|n| n.to_string()).collect();
    format!("[run]\nseeds = [{}]\n[[grid]]\ntask = \"*\"\nmethod = \"*\"\n", seeds.join(", "))
}

/// The program over toy stages.
fn program(arguments: &[String]) {
    let cli = Cli::try_parse_from(arguments).expect("the benchmark writes right arguments");
    let outcome = match &cli.verb {
        Verb::Run(options) => execute(options, toy(), &options.select),
        Verb::ExecNode(options) => {
            let catalog = toy();
            serve(&options.spec, &options.cache.cache, &catalog.stages, catalog.table)
        }
        _ => unreachable!("the benchmark starts no other verb"),
    };
    let code = outcome.unwrap_or_else(|exit| {
        eprintln!("{}", exit.message);
        exit.code
    });
    std::process::exit(code.into());
}

fn open(manifest: &Path) -> Session {
    Session::open(toy(), manifest, &LayerOptions::default()).unwrap_or_else(|exit| panic!("{}", exit.message))
}

/// Puts a record for every node of the manifest into the cache, without running anything.
fn fill(manifest: &Path, cache: &Path) {
    let session = open(manifest);
    let options = Options { durability: Durability::Rename, ..Options::default() };
    let store = Store::open_with(cache, options).expect("the cache opens");
    let mut assessor = session.assessor(&store);
    let mut outputs = Vec::new();
    for (id, node) in session.plan.nodes.iter().enumerate() {
        let stage = session.stage(id);
        let (preimage, _) = assessor.preimage(id, |p: usize| outputs.get(p).cloned()).expect("a preimage");
        let blob = store.put(format!("{stage} {}", node.names).as_bytes()).expect("a blob");
        let made = std::collections::BTreeMap::from([("out".to_string(), blob)]);
        let record = Record {
            format: Record::FORMAT,
            key: preimage.key(),
            stage: stage.to_string(),
            names: node.names.clone(),
            preimage: preimage.value(),
            outputs: made.clone(),
            provenance: Provenance::default(),
            observations: Vec::new(),
        };
        store.publish(&record).expect("a record");
        outputs.push(std::sync::Arc::new(made));
    }
}

/// Plans and looks everything up; prints seconds and peak memory of this process.
fn plan_only(manifest: &Path, cache: &Path) {
    let clock = Instant::now();
    let session = open(manifest);
    let opened = clock.elapsed().as_secs_f64();
    let store = Store::open(cache).expect("the cache opens");
    let hits = snapshot_hits(&store).unwrap_or_else(|exit| panic!("{}", exit.message));
    let listed = clock.elapsed().as_secs_f64();
    let status = session.assessor(&store).assess(hits, &[]).expect("an assessment");
    let seconds = clock.elapsed().as_secs_f64();
    let hits = status.iter().filter(|status| matches!(status, Status::Hit { .. })).count();
    println!(
        "{} {} {hits} {} {opened:.2} {:.2} {:.2}",
        seconds,
        status.len(),
        peak_mib(),
        listed - opened,
        seconds - listed
    );
}

fn peak_mib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0) / 1024
}

fn this() -> Command {
    Command::new(std::env::current_exe().expect("this program has a path"))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Wall seconds of the whole program.
fn timed(arguments: &[&str], folder: &Path) -> f64 {
    let clock = Instant::now();
    let status = this().args(arguments).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let seconds = clock.elapsed().as_secs_f64();
    assert!(status.is_ok_and(|status| status.success()), "{arguments:?} failed");
    seconds
}

fn measure() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let nodes: usize = std::env::var("NASPERF_BENCH_NODES").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    std::fs::write(folder.join("grid.toml"), manifest(3)).expect("a manifest");
    std::fs::write(folder.join("large.toml"), manifest(nodes.div_ceil(TASKS * METHODS * 3))).expect("a manifest");

    // Executed first, then nothing to do. Work in a node is nothing, so all of it is overhead.
    let count = TASKS * METHODS * 3 * 3 + 2 * TASKS + 1;
    let mut executed = Vec::new();
    for round in 0..3 {
        let cache = format!("cache{round}");
        executed.push(timed(&["run", "grid.toml", "--cache", &cache, "-j", "2"], folder));
    }
    let executed = median(executed);
    let per_node = executed * 1000.0 / count as f64;
    println!(
        "{count} trivial nodes executed, -j 2: {executed:.2} s, {per_node:.2} ms a node wall (budget < 5 ms; Snakemake 9.27: 13.5 s, 20 ms)"
    );
    let idle = median(
        (0..11).map(|_| timed(&["run", "grid.toml", "--cache", "cache0", "--require-cached"], folder)).collect(),
    );
    println!(
        "{count} nodes, nothing to do: {:.1} ms (budget < 100 ms; Snakemake 9.27: 1.43 s, DVC 3.67: 8.5 s)",
        idle * 1000.0
    );

    let filled = this().args(["fill", "large.toml", "large"]).current_dir(folder).status();
    assert!(filled.is_ok_and(|status| status.success()), "the cache could not be filled");
    let mut seconds = Vec::new();
    let mut last = String::new();
    for _ in 0..3 {
        let output = this().args(["plan-only", "large.toml", "large"]).current_dir(folder).output().expect("a planner");
        last = String::from_utf8_lossy(&output.stdout).trim().to_string();
        seconds.push(last.split(' ').next().and_then(|s| s.parse().ok()).expect("seconds"));
    }
    let words: Vec<&str> = last.split(' ').collect();
    println!(
        "plan of {} nodes, {} cached: {:.2} s (last: manifest and plan {} s, listing the store {} s, keys and look-ups {} s), {} MiB peak (budget < 1 s, < 500 MB)",
        words[1],
        words[2],
        median(seconds),
        words[4],
        words[5],
        words[6],
        words[3]
    );
}
