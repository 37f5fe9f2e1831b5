//! Starts `exec-node` as a child process and passes on what it reports. Knows processes and pipes, not nodes' order.

use crate::execute::failure::silent_exit;
use crate::execute::spec::{NodeSpec, Report};
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::Sender;
use std::thread;

/// What a started node sends back: any number of reports, the last of which is final.
#[derive(Debug)]
pub struct Message {
    pub node: usize,
    pub report: Report,
}

/// A running node as its parent holds it.
pub trait Running: Send {
    fn pid(&self) -> u32;
    /// Asks it to save its state and end.
    fn stop(&self);
    /// Ends it now.
    fn kill(&self);
}

/// Starts nodes. The pool uses processes; tests may use threads.
pub trait Launcher {
    /// `node` comes back in each message. Exactly one final report is sent, whatever happens to the node.
    fn launch(
        &self,
        node: usize,
        spec: &NodeSpec,
        log: &Path,
        messages: Sender<Message>,
    ) -> io::Result<Box<dyn Running>>;
}

/// True for the report after which nothing follows.
pub fn is_final(report: &Report) -> bool {
    !matches!(report, Report::Progress { .. })
}

/// Runs each node as `PROGRAM exec-node --cache CACHE -`, with the specification on standard input.
pub struct Processes {
    pub program: PathBuf,
    pub cache: PathBuf,
}

struct Child {
    pid: u32,
}

impl Child {
    fn signal(&self, signal: i32) {
        // SAFETY: kill(2) takes plain integers; a pid that is gone gives ESRCH, which needs no action.
        unsafe { libc::kill(self.pid as libc::pid_t, signal) };
    }
}

impl Running for Child {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn stop(&self) {
        self.signal(libc::SIGTERM);
    }

    fn kill(&self) {
        self.signal(libc::SIGKILL);
    }
}

impl Launcher for Processes {
    fn launch(
        &self,
        node: usize,
        spec: &NodeSpec,
        log: &Path,
        messages: Sender<Message>,
    ) -> io::Result<Box<dyn Running>> {
        let mut log = OpenOptions::new().create(true).append(true).open(log)?;
        writeln!(log, "--- {} attempt {} key {}", spec.label, spec.attempt, spec.key)?;
        let mut child = Command::new(&self.program)
            .arg("exec-node")
            .arg("--cache")
            .arg(&self.cache)
            .arg("-")
            .env("RAYON_NUM_THREADS", spec.threads.to_string())
            // Candle's own pool spins while it waits; its element-wise operations gain little from it.
            .env("CANDLE_NUM_THREADS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let stdout = child.stdout.take().expect("stdout is piped");
        let text = serde_json::to_vec(spec).expect("a specification is JSON");
        let pid = child.id();
        thread::Builder::new().name(format!("node-{pid}")).spawn(move || {
            // A child that died early closes the pipe; its exit status says more than this error.
            let _ = stdin.write_all(&text);
            drop(stdin);
            let mut last = None;
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let Ok(report) = serde_json::from_str::<Report>(&line) else { continue };
                if is_final(&report) {
                    last = Some(report);
                } else if messages.send(Message { node, report }).is_err() {
                    break;
                }
            }
            let status = child.wait();
            let report = last.unwrap_or_else(|| {
                let (code, signal) = status.map_or((None, None), |s| (s.code(), s.signal()));
                let (class, message) = silent_exit(code, signal);
                Report::Failed { class: class.to_string(), message }
            });
            let _ = messages.send(Message { node, report });
        })?;
        Ok(Box::new(Child { pid }))
    }
}

/// The last lines of a log, for display.
pub fn tail(log: &Path, lines: usize) -> Vec<String> {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().filter(|line| !line.starts_with("--- ")).collect();
    all[all.len().saturating_sub(lines)..].iter().map(|line| line.to_string()).collect()
}
