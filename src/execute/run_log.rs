//! What is kept of a run: `runs-v1/<run>/run.json` (request, nodes, end states) and `events.jsonl`. `status`, `logs`,
//! `results` and `diff` read these; no process needs to be alive. Knows no display.

use crate::digest::Digest;
use crate::execute::event::{Display, Event};
use crate::store::record::Outputs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

pub const RUN_FORMAT: u32 = 1;

/// One node's end state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeEnd {
    pub state: String,
    pub key: Option<Digest>,
    pub seconds: Option<f64>,
    pub message: Option<String>,
    pub outputs: Outputs,
}

/// The description of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    pub format: u32,
    pub run: String,
    /// As given on the command line, made absolute.
    pub manifest: PathBuf,
    pub profile: Option<String>,
    pub set: Vec<String>,
    /// Process that runs or ran it.
    pub pid: u32,
    pub host: String,
    /// Unix seconds.
    pub started: u64,
    /// Absent while it runs, and where it was killed.
    pub ended: Option<u64>,
    /// By label.
    pub nodes: BTreeMap<String, NodeEnd>,
}

/// An open run.
pub struct RunLog {
    pub folder: PathBuf,
    pub run: String,
    events: BufWriter<File>,
}

impl RunLog {
    /// Opens a new run folder under `root`: `<name>-1`, `<name>-2`, …
    pub fn create(root: &Path, name: &str) -> io::Result<RunLog> {
        let mut number = last_number(root, name)? + 1;
        loop {
            let run = format!("{name}-{number}");
            let folder = root.join(&run);
            match fs::create_dir(&folder) {
                Ok(()) => {
                    fs::create_dir(folder.join("logs"))?;
                    let events = BufWriter::new(File::create(folder.join("events.jsonl"))?);
                    return Ok(RunLog { folder, run, events });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes the description, aside and renamed.
    pub fn write(&self, file: &RunFile) -> io::Result<()> {
        let aside = self.folder.join("run.json.tmp");
        let mut out = BufWriter::new(File::create(&aside)?);
        serde_json::to_writer(&mut out, file)?;
        out.into_inner().map_err(|e| e.into_error())?;
        fs::rename(aside, self.folder.join("run.json"))
    }

    /// Where a node's output goes.
    pub fn node_log(&self, label: &str) -> PathBuf {
        node_log(&self.folder, label)
    }

    /// Appends an event; a full disk must not end the run, so errors are left to the store to report.
    pub fn event(&mut self, event: &Event) {
        if matches!(event, Event::NodeProgress { .. }) {
            return;
        }
        let written = serde_json::to_writer(&mut self.events, event)
            .map_err(io::Error::from)
            .and_then(|()| self.events.write_all(b"\n"))
            .and_then(|()| self.events.flush());
        drop(written);
    }
}

impl Display for RunLog {
    fn event(&mut self, event: &Event) {
        RunLog::event(self, event);
    }
}

/// The log file of a node in a run's folder.
pub fn node_log(folder: &Path, label: &str) -> PathBuf {
    let keep = |c: char| c.is_ascii_alphanumeric() || "-_=.,#".contains(c);
    let safe: String = label.chars().map(|c| if keep(c) { c } else { '_' }).collect();
    folder.join("logs").join(format!("{safe}.log"))
}

fn last_number(root: &Path, name: &str) -> io::Result<u64> {
    let mut last = 0;
    for entry in fs::read_dir(root)? {
        let entry = entry?.file_name();
        let number = entry.to_str().and_then(|n| n.strip_prefix(name)).and_then(|n| n.strip_prefix('-'));
        last = last.max(number.and_then(|n| n.parse().ok()).unwrap_or(0));
    }
    Ok(last)
}

/// Reads a run's description.
pub fn read(root: &Path, run: &str) -> io::Result<RunFile> {
    let bytes = fs::read(root.join(run).join("run.json"))?;
    serde_json::from_slice(&bytes).map_err(io::Error::from)
}

/// The run that was started last.
pub fn latest(root: &Path) -> io::Result<Option<RunFile>> {
    let mut newest: Option<RunFile> = None;
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name();
        let Some(file) = name.to_str().and_then(|name| read(root, name).ok()) else { continue };
        if newest.as_ref().is_none_or(|n| (file.started, &file.run) >= (n.started, &n.run)) {
            newest = Some(file);
        }
    }
    Ok(newest)
}
