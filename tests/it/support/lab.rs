//! A scratch folder with a cache and a manifest, and the real binary run in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Seconds of work in all: two tasks, two seeds, networks of width 1.
pub const SMALL: &str = r#"
[run]
name = "small"
seeds = [0, 1]

[[grid]]
task = ["cifar100", "darcy"]
method = ["wrn/default"]

[data]
source = "embedded"
size = "tiny"

[data.cifar100]
train = 24
validation = 8
test = 8

[data.darcy]
grid = 12
train = 12
validation = 4
test = 4

[network]
width = 1

[retrain]
epochs = 3
batch = 4
"#;

pub struct Lab {
    pub folder: tempfile::TempDir,
}

/// What a run said and gave.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Lab {
    /// A folder with `m.toml`.
    pub fn new(manifest: &str) -> Lab {
        let lab = Lab { folder: tempfile::tempdir().expect("a temporary folder") };
        lab.write("m.toml", manifest);
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("the scratch folder can be written");
    }

    /// The binary with these arguments, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nasperf-pipe"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        for variable in ["NASPERF_CACHE", "RAYON_NUM_THREADS", "NO_COLOR"] {
            command.env_remove(variable);
        }
        command
    }

    pub fn say(&self, arguments: &[&str]) -> Said {
        said(self.command(arguments).output().expect("the binary starts"))
    }

    /// Runs and insists on the exit code.
    pub fn expect(&self, code: i32, arguments: &[&str]) -> Said {
        let said = self.say(arguments);
        assert_eq!(said.code, Some(code), "{arguments:?}\n--- out\n{}\n--- err\n{}", said.out, said.err);
        said
    }

    /// Events of the latest run, as (event, node).
    pub fn events(&self) -> Vec<(String, String)> {
        let run = self.latest_run();
        let text = std::fs::read_to_string(run.join("events.jsonl")).expect("a run has events");
        let field = |value: &serde_json::Value, key: &str| value[key].as_str().unwrap_or_default().to_string();
        text.lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("an event is JSON"))
            .map(|value| (field(&value, "event"), field(&value, "node")))
            .collect()
    }

    pub fn latest_run(&self) -> PathBuf {
        let mut runs: Vec<(usize, PathBuf)> = std::fs::read_dir(self.path("cache/runs-v1"))
            .expect("a cache has runs")
            .map(|entry| entry.expect("a readable folder").path())
            .filter_map(|path| Some((path.to_str()?.rsplit('-').next()?.parse().ok()?, path)))
            .collect();
        runs.sort();
        runs.pop().expect("there was a run").1
    }

    /// Labels of the nodes that ran in the latest run, sorted.
    pub fn executed(&self) -> Vec<String> {
        let mut nodes: Vec<String> =
            self.events().into_iter().filter(|(event, _)| event == "node-done").map(|(_, node)| node).collect();
        nodes.sort();
        nodes
    }

    /// Digests of all outputs of the latest run's nodes, by `label output`.
    pub fn digests(&self) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(self.latest_run().join("run.json")).expect("a run has a description");
        let run: serde_json::Value = serde_json::from_str(&text).expect("the description is JSON");
        let mut digests = BTreeMap::new();
        for (label, node) in run["nodes"].as_object().expect("nodes by label") {
            for (name, blob) in node["outputs"].as_object().expect("outputs by name") {
                digests.insert(format!("{label} {name}"), blob["digest"].as_str().expect("a digest").to_string());
            }
        }
        digests
    }

    /// The object file of one output.
    pub fn object(&self, output: &str) -> PathBuf {
        let digest = &self.digests()[output];
        self.path("cache/objects-v1").join(&digest[..2]).join(digest)
    }
}

pub fn said(output: Output) -> Said {
    Said {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// All files below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}
