//! Killed, interrupted, split over threads or shared by two processes: always the same bytes.

use crate::support::lab::{Lab, SMALL};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Long enough to be met by a signal.
const LONG: &str = "retrain.epochs=150";
const SAVE: [&str; 2] = ["--save-every", "0s"];

fn arguments(more: &[&'static str]) -> Vec<&'static str> {
    let mut all = vec!["m.toml"];
    all.extend(SAVE);
    all.extend(more);
    all
}

/// Starts the binary as the leader of its own process group.
fn start(lab: &Lab, more: &[&'static str]) -> Child {
    let mut command = lab.command(&arguments(more));
    command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    command.spawn().expect("the binary starts")
}

fn signal_group(child: &Child, signal: i32) {
    // SAFETY: killpg takes plain integers.
    unsafe { libc::killpg(child.id() as i32, signal) };
}

/// A fixed sequence of fractions: the moments differ, the test does not.
fn moment(round: u64) -> f64 {
    let mixed = (round + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 40) as f64 / (1u64 << 24) as f64
}

#[test]
fn twenty_kills_of_the_whole_group_change_no_byte() {
    let whole = Lab::new(SMALL);
    let clock = Instant::now();
    whole.expect(0, &arguments(&["-j", "2"]));
    let length = clock.elapsed();
    let expected = whole.digests();

    let mut lab = Lab::new(SMALL);
    let (mut landed, mut share) = (0, 1.0);
    for round in 0..100 {
        let mut child = start(&lab, &["-j", "2"]);
        // Each attempt gets a little further, so that kills fall into every stage.
        std::thread::sleep(length.mul_f64(share * (0.05 + 0.3 * moment(round))));
        let running = child.try_wait().expect("a child").is_none();
        signal_group(&child, libc::SIGKILL);
        child.wait().expect("a killed child ends");
        if running {
            landed += 1;
        } else {
            // Done before the kill: the first run was slowed by something else. Begin anew and strike earlier.
            assert_eq!(lab.digests(), expected);
            lab = Lab::new(SMALL);
            share *= 0.7;
        }
        if landed == 20 {
            break;
        }
    }
    assert_eq!(landed, 20, "kills that met a running process");
    lab.expect(0, &arguments(&["-j", "2"]));
    assert_eq!(lab.digests(), expected);
}

#[test]
fn one_two_and_four_threads_give_the_same_bytes() {
    let mut digests = Vec::new();
    for threads in ["1", "2", "4"] {
        let lab = Lab::new(SMALL);
        lab.expect(0, &["m.toml", "-j", threads, "--set", &format!("resources.threads={threads}")]);
        digests.push(lab.digests());
    }
    assert_eq!(digests[0], digests[1]);
    assert_eq!(digests[0], digests[2]);
}

#[test]
fn an_interrupt_saves_and_the_next_run_goes_on() {
    let whole = Lab::new(SMALL);
    whole.expect(0, &["m.toml", "--set", LONG]);
    let lab = Lab::new(SMALL);
    // Data first, so that the interrupt meets training.
    lab.expect(0, &["m.toml", "--until", "search"]);
    let child = start(&lab, &["--set", LONG]);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !lab.events().iter().any(|(event, node)| event == "node-started" && node.starts_with("retrain")) {
        assert!(Instant::now() < deadline, "no training began");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
    // SAFETY: kill takes plain integers. Only the parent: it passes the request on.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(130));
    assert!(lab.events().iter().any(|(event, _)| event == "node-interrupted"));
    let status = lab.expect(0, &["status"]);
    assert!(status.out.contains("interrupted"), "{}", status.out);
    let checkpoints = std::fs::read_dir(lab.path("cache/checkpoints-v1")).unwrap().count();
    assert!(checkpoints > 0, "an interrupted training leaves its state");
    lab.expect(0, &["m.toml", "--set", LONG]);
    assert_eq!(lab.digests(), whole.digests());
}

#[test]
fn two_processes_on_one_cache_run_each_node_once() {
    let lab = Lab::new(SMALL);
    lab.expect(0, &["check", "m.toml"]);
    let first = start(&lab, &["-j", "2"]);
    let second = start(&lab, &["-j", "2"]);
    for child in [first, second] {
        let ended = child.wait_with_output().expect("it ends");
        assert_eq!(ended.status.code(), Some(0));
    }
    let mut done = Vec::new();
    for run in std::fs::read_dir(lab.path("cache/runs-v1")).unwrap() {
        let text = std::fs::read_to_string(run.unwrap().path().join("events.jsonl")).unwrap();
        for line in text.lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            if event["event"] == "node-done" {
                done.push(event["node"].as_str().unwrap().to_string());
            }
        }
    }
    done.sort();
    let mut once = done.clone();
    once.dedup();
    assert_eq!(done, once, "a node ran twice");
    assert_eq!(once.len(), 17);
}
