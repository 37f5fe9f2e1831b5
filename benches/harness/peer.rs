//! A peer in Python as a child process that runs one command at a time and reports its own times (`benches/peer/protocol.py`).

use crate::harness::usage::Usage;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub struct Peer {
    child: Child,
    /// Closed to end the child.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Resident size of the peer before it had data and weights: Python and its libraries.
    pub idle_mib: f64,
}

impl Peer {
    /// Starts a script of `benches/peer/`; says so and gives `None` where it does not run.
    pub fn start(script: &str, arguments: &str, threads: usize) -> Option<Peer> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python =
            std::env::var_os("NASPERF_PEER_PYTHON").map_or_else(|| root.join("target/peer/bin/python"), Into::into);
        let mut command = Command::new(&python);
        command.arg(root.join("benches/peer").join(script)).args(arguments.split_whitespace());
        command.args(["--serve", "--threads", &threads.to_string()]);
        // a byte code cache would lie beside the sources
        command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let started = command.spawn().ok().and_then(|mut child| {
            let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take()?));
            let mut peer = Peer { child, input, output, idle_mib: 0.0 };
            peer.idle_mib = peer.line()?["idle_mib"].as_f64()?;
            Some(peer)
        });
        if started.is_none() {
            let python = python.display();
            println!("no figures of the peer: {python} does not run {script}; `make bench-setup` installs it");
        }
        started
    }

    pub fn command(&mut self, name: &str) -> Usage {
        let line = self.ask(name);
        let number = |key: &str| line[key].as_f64().expect("a time");
        Usage { wall: number("wall"), cpu: number("cpu"), peak_mib: number("peak_mib") }
    }

    /// Digests for start values and data by formula.
    pub fn check(&mut self) -> Value {
        self.ask("check")
    }

    fn ask(&mut self, name: &str) -> Value {
        let input = self.input.as_mut().expect("open until dropped");
        writeln!(input, "{name}").and_then(|()| input.flush()).expect("the peer listens");
        self.line().unwrap_or_else(|| panic!("the peer ended instead of running {name}"))
    }

    fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.output.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.input = None;
        // it ends with its input
        let _ = self.child.wait();
    }
}
