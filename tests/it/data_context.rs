//! A context on a scratch folder, for stages that are run without the engine.

use nasperf_pipe::digest::Digest;
use nasperf_pipe::stages::context::{Context, Output, Progress, StageError};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Inputs are files anywhere, outputs files in a folder.
pub struct DataContext {
    folder: tempfile::TempDir,
    inputs: BTreeMap<String, BTreeMap<String, PathBuf>>,
    state: Option<Vec<u8>>,
    /// Inputs opened and not read to the end: the engine verifies a digest there.
    unfinished: Arc<Mutex<BTreeSet<String>>>,
    pub notes: RefCell<Vec<String>>,
    pub lines: RefCell<Vec<String>>,
    /// `stop_asked` and `save_due` become true after so many progress reports.
    pub stop_after: Cell<Option<usize>>,
}

impl DataContext {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["out", "scratch"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        DataContext {
            folder,
            inputs: BTreeMap::new(),
            state: None,
            unfinished: Arc::default(),
            notes: RefCell::default(),
            lines: RefCell::default(),
            stop_after: Cell::new(None),
        }
    }

    pub fn input(mut self, slot: &str, name: &str, path: &Path) -> Self {
        self.inputs.entry(slot.to_string()).or_default().insert(name.to_string(), path.to_path_buf());
        self
    }

    /// A context whose slot `raw` holds this one's outputs.
    pub fn next_stage(&self) -> Self {
        let mut next = DataContext::new();
        for name in self.outputs() {
            next = next.input("raw", &name, &self.output_path(&name));
        }
        next
    }

    pub fn outputs(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder.path().join("out"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with(".open"))
            .collect();
        names.sort();
        names
    }

    pub fn output_path(&self, name: &str) -> PathBuf {
        self.folder.path().join("out").join(name)
    }

    pub fn output(&self, name: &str) -> Vec<u8> {
        fs::read(self.output_path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub fn unfinished(&self) -> Vec<String> {
        self.unfinished.lock().unwrap().iter().cloned().collect()
    }

    /// Name and digest of each output.
    pub fn digests(&self) -> Vec<(String, Digest)> {
        self.outputs().into_iter().map(|name| (name.clone(), Digest::of(self.output(&name)))).collect()
    }
}

struct WatchedInput {
    file: BufReader<File>,
    name: String,
    unfinished: Arc<Mutex<BTreeSet<String>>>,
}

impl Read for WatchedInput {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(out)?;
        if count == 0 && !out.is_empty() {
            self.unfinished.lock().unwrap().remove(&self.name);
        }
        Ok(count)
    }
}

struct FileOutput {
    file: BufWriter<File>,
    open: PathBuf,
    path: PathBuf,
}

impl Write for FileOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Output for FileOutput {
    fn close(mut self: Box<Self>) -> Result<(), StageError> {
        self.file.flush()?;
        fs::rename(&self.open, &self.path)?;
        Ok(())
    }
}

impl Context for DataContext {
    fn names(&self, slot: &str) -> Vec<String> {
        self.inputs.get(slot).into_iter().flatten().map(|(name, _)| name.clone()).collect()
    }

    fn open(&self, slot: &str, name: &str) -> Result<Box<dyn Read + Send>, StageError> {
        let file = BufReader::new(File::open(&self.inputs[slot][name])?);
        self.unfinished.lock().unwrap().insert(name.to_string());
        Ok(Box::new(WatchedInput { file, name: name.to_string(), unfinished: self.unfinished.clone() }))
    }

    fn create(&mut self, name: &str) -> Result<Box<dyn Output>, StageError> {
        let path = self.output_path(name);
        let open = self.output_path(&format!("{name}.open"));
        Ok(Box::new(FileOutput { file: BufWriter::new(File::create(&open)?), open, path }))
    }

    fn scratch(&self) -> Result<PathBuf, StageError> {
        Ok(self.folder.path().join("scratch"))
    }

    fn restore(&self) -> Result<Option<Vec<u8>>, StageError> {
        Ok(self.state.clone())
    }

    fn save(&mut self, state: &[u8]) -> Result<(), StageError> {
        self.state = Some(state.to_vec());
        Ok(())
    }

    fn save_due(&self) -> bool {
        self.stop_asked()
    }

    fn stop_asked(&self) -> bool {
        self.stop_after.get().is_some_and(|count| self.notes.borrow().len() >= count)
    }

    fn progress(&self, progress: Progress<'_>) {
        self.notes.borrow_mut().push(format!("{} {} {}", progress.unit, progress.done, progress.note));
    }

    fn log(&self, line: &str) {
        self.lines.borrow_mut().push(line.to_string());
    }

    fn seed(&self) -> u64 {
        0
    }
}

/// The folder of small real data, if it is there; says so where it is not.
pub fn test_data() -> Option<PathBuf> {
    let folder = std::env::var_os("NASPERF_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    if !folder.is_dir() {
        eprintln!("SKIPPED: no test data at {} (set NASPERF_TEST_DATA)", folder.display());
        return None;
    }
    Some(folder)
}

/// The settings of a task definition in `manifests/tasks`, with changes.
pub fn definition(task: &str, changes: &[(&str, serde_json::Value)]) -> serde_json::Map<String, serde_json::Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("manifests/tasks/{task}.toml"));
    let document: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
    let set = serde_json::to_value(&document["set"]).unwrap();
    let mut settings = set.as_object().unwrap().clone();
    for (key, value) in changes {
        settings.insert(key.to_string(), value.clone());
    }
    settings
}
