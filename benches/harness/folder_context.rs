//! A stage's world in a folder, for benchmarks of generators and preparations: inputs and outputs are plain files.

use nasperf_pipe::stages::context::{Context, Output, Progress, StageError};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, IoSlice, Read, Write};
use std::path::{Path, PathBuf};

pub struct FolderContext {
    /// Files of every input slot; none where it is not there.
    inputs: PathBuf,
    outputs: PathBuf,
    scratch: PathBuf,
}

impl FolderContext {
    /// Inputs are the files of `inputs`, also in folders; outputs go to `outputs`.
    pub fn new(inputs: &Path, outputs: &Path, scratch: &Path) -> Self {
        for folder in [inputs, outputs, scratch] {
            fs::create_dir_all(folder).expect("a scratch folder");
        }
        FolderContext { inputs: inputs.into(), outputs: outputs.into(), scratch: scratch.into() }
    }
}

struct FileOutput(BufWriter<File>);

impl Write for FileOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Output for FileOutput {
    fn close(mut self: Box<Self>) -> Result<(), StageError> {
        Ok(self.0.flush()?)
    }
}

impl Context for FolderContext {
    fn names(&self, _slot: &str) -> Vec<String> {
        let entries = fs::read_dir(&self.inputs).expect("a folder of inputs").flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn open(&self, _slot: &str, name: &str) -> Result<Box<dyn Read + Send>, StageError> {
        Ok(Box::new(BufReader::with_capacity(1 << 16, File::open(self.inputs.join(name))?)))
    }

    fn create(&mut self, name: &str) -> Result<Box<dyn Output>, StageError> {
        let path = self.outputs.join(name);
        // A file that is made shorter and closed is flushed at once by some file systems; the store makes new ones.
        let _ = fs::remove_file(&path);
        let file = File::create(path)?;
        Ok(Box::new(FileOutput(BufWriter::with_capacity(1 << 16, file))))
    }

    fn scratch(&self) -> Result<PathBuf, StageError> {
        Ok(self.scratch.clone())
    }

    fn restore(&self) -> Result<Option<Vec<u8>>, StageError> {
        Ok(None)
    }

    fn save(&mut self, _state: &[u8]) -> Result<(), StageError> {
        Ok(())
    }

    fn save_due(&self) -> bool {
        false
    }

    fn stop_asked(&self) -> bool {
        false
    }

    fn progress(&self, _progress: Progress<'_>) {}

    fn seed(&self) -> u64 {
        0
    }
}
