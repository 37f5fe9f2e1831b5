//! A search of the same sizes through the program itself, as a run starts it: a process that loads its data, draws batches,
//! reports every step and stores what it found. What that costs beside the bare step.

use crate::harness::request::Request;
use crate::harness::usage::{measure, median};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// A step of search on 64 images of 3×32×32, as the row of that name.
const MANIFEST: &str = "[run]
name = \"node\"
seeds = [0]
[[grid]]
task = \"cifar100\"
method = \"darts/gaea\"
[data]
source = \"embedded\"
size = \"small\"
[search]
batch = 64
epochs = 2
";
/// Bare steps per round beside the node's.
const BARE: usize = 10;

/// Times the bare `step` and whole search nodes in turns, and prints a line: milliseconds of wall time a step, of the node with
/// everything from its start to its end.
pub fn beside(request: &Request, step: &mut (dyn FnMut() + Send)) {
    let folder = tempfile::tempdir().expect("a folder for the run");
    std::fs::write(folder.path().join("node.toml"), MANIFEST).expect("a manifest");
    let threads = request.pool.current_num_threads();
    run(folder.path(), threads, &["--until", "preprocess"]);
    let (mut bare, mut node, mut steps) = (Vec::new(), Vec::new(), 0);
    for _ in 0..request.rounds {
        let usage = measure(|| request.pool.install(|| (0..BARE).for_each(|_| step())));
        bare.push(usage.wall / BARE as f64);
        let events = run(folder.path(), threads, &["--until", "search", "--rerun", "search"]);
        let of =
            |name: &str| events.iter().rev().find(|event| event["event"] == name).expect("a search reports itself");
        steps = of("node-progress")["total"].as_u64().expect("a number of steps");
        node.push(of("node-done")["seconds"].as_f64().expect("seconds") / steps as f64);
    }
    let (bare, node) = (median(bare), median(node));
    println!(
        "{:<44} {threads:>3} {:>9} {:>9.2}   bare {:.2}: {:.1} % of its throughput, over nodes of {steps} steps",
        "search 64 x 3 x 32x32 through a node",
        "",
        node * 1e3,
        bare * 1e3,
        100.0 * bare / node
    );
}

fn run(folder: &Path, threads: usize, arguments: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nasperf-pipe"));
    command.current_dir(folder).args(["run", "node.toml", "--format", "json", "-j", &threads.to_string()]);
    let output = command.args(arguments).output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "the run failed: {text}");
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
