//! Raw recordings, as files or inside archives, to windows of the three parts (`windows.rs` has the rule). Values wait in a
//! scratch file, for the parts are known once the last repetition is. Knows no data set.

use crate::data::archive::{ArchiveError, base_name, members};
use crate::data::numpy_random::permutation;
use crate::stages::context::StageError;
use crate::tasks::ninapro::raw_signal::{Recording, mat_file, myo_file};
use crate::tasks::ninapro::windows::{cut, part};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// What is wanted of each recording.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub channels: usize,
    pub length: usize,
    pub classes: usize,
}

/// A window that was found: its gesture by the number in the file, and its repetition.
struct Found {
    gesture: u32,
    repetition: u32,
}

/// What the files held so far.
pub struct RawFiles {
    wanted: Wanted,
    file: BufWriter<File>,
    windows: Vec<Found>,
    /// Names of the recordings taken in, each once.
    names: BTreeSet<String>,
}

/// `StageError` with the conversion that `members` asks for.
struct Trouble(StageError);

impl From<ArchiveError> for Trouble {
    fn from(error: ArchiveError) -> Self {
        Trouble(StageError::Data(error.to_string()))
    }
}

impl RawFiles {
    pub fn new(wanted: Wanted, scratch: &Path) -> Result<Self, StageError> {
        let file = BufWriter::with_capacity(1 << 18, tempfile::tempfile_in(scratch)?);
        Ok(RawFiles { wanted, file, windows: Vec::new(), names: BTreeSet::new() })
    }

    /// Takes one raw file in, or every member of an archive.
    pub fn file(&mut self, name: &str, reader: &mut dyn Read) -> Result<(), StageError> {
        if [".zip", ".tar", ".tgz"].iter().any(|end| name.ends_with(end)) || name.contains(".tar.") {
            let taken = members::<Trouble>(name, reader, &mut |member, reader| {
                self.take(&format!("{name}: {member}"), member, reader).map_err(Trouble)
            });
            return taken.map_err(|trouble| trouble.0);
        }
        self.take(name, name, reader)
    }

    /// Takes one recording in; exercises other than B (`E2`) and names that mean nothing are passed over.
    fn take(&mut self, shown: &str, path: &str, reader: &mut dyn Read) -> Result<(), StageError> {
        let channels = self.wanted.channels;
        let base = base_name(path);
        let myo = base.strip_prefix("classe_").and_then(|rest| rest.strip_suffix(".dat")?.parse().ok());
        let recording = if let Some(number) = myo {
            myo_file(shown, number, reader, channels)?
        } else if base.ends_with(".mat") && !base.contains("_E1_") && !base.contains("_E3_") {
            mat_file(shown, reader, channels)?
        } else {
            return Ok(());
        };
        // Armband streams of different people share their names and differ in folders.
        let name = if myo.is_some() { path } else { base };
        if !self.names.insert(name.to_string()) {
            return Err(StageError::Data(format!(
                "{shown}: recording {name} was expected once, found it twice; name the files to use in data.files"
            )));
        }
        self.windows_of(shown, &recording)
    }

    /// Windows as (electrode, time).
    fn windows_of(&mut self, shown: &str, recording: &Recording) -> Result<(), StageError> {
        let Wanted { channels, length, .. } = self.wanted;
        if let Some(at) = recording.values.iter().position(|v| !v.is_finite()) {
            let moment = at / channels;
            return Err(StageError::Data(format!("{shown}, moment {moment}: finite values were expected, found none")));
        }
        for window in cut(&recording.marks, length) {
            let moments = &recording.values[window.start * channels..(window.start + length) * channels];
            let order = (0..channels).flat_map(|channel| (0..length).map(move |time| time * channels + channel));
            let bytes: Vec<u8> = order.flat_map(|at| moments[at].to_le_bytes()).collect();
            self.file.write_all(&bytes)?;
            self.windows.push(Found { gesture: window.gesture, repetition: window.repetition });
        }
        Ok(())
    }

    /// The windows of training, validation and test, each in a fixed pseudo-random order: one network trains in file order,
    /// and neighbours are alike.
    pub fn finish(self) -> Result<RawWindows, StageError> {
        let Wanted { channels, length, classes } = self.wanted;
        let gestures: BTreeSet<u32> = self.windows.iter().map(|window| window.gesture).filter(|g| *g > 0).collect();
        // Exercises count their gestures on from the one before: only their order means something.
        let gestures: Vec<u32> = gestures.into_iter().collect();
        if self.windows.is_empty() || gestures.len() + 1 != classes {
            return Err(StageError::Data(format!(
                "ninapro, {} recordings: {classes} classes with rest were expected, found {} in {} windows; set data.classes \
                 to use these, or name the official files in data.files",
                self.names.len(),
                gestures.len() + 1,
                self.windows.len()
            )));
        }
        let repetitions = self.windows.iter().map(|window| window.repetition).max().unwrap_or(0);
        let mut numbers: [Vec<usize>; 3] = Default::default();
        for (number, window) in self.windows.iter().enumerate() {
            numbers[part(window.repetition, repetitions)].push(number);
        }
        let shuffled = |numbers: Vec<usize>| -> Vec<usize> {
            permutation(numbers.len() as u32, 0).into_iter().map(|at| numbers[at as usize]).collect()
        };
        let label = |window: &Found| gestures.iter().position(|g| *g == window.gesture).map_or(0, |at| at as u32 + 1);
        let labels = self.windows.iter().map(label).collect();
        let file = self.file.into_inner().map_err(|e| StageError::from(e.into_error()))?;
        Ok(RawWindows { file, bytes: 4 * channels * length, labels, parts: numbers.map(shuffled) })
    }
}

/// Windows by number.
pub struct RawWindows {
    file: File,
    /// Of one window.
    bytes: usize,
    pub labels: Vec<u32>,
    /// Windows that train, validate and test.
    pub parts: [Vec<usize>; 3],
}

impl RawWindows {
    /// The values of one window, `f32`, (electrode, time), little-endian.
    pub fn bytes(&mut self, number: usize) -> Result<Vec<u8>, StageError> {
        let mut bytes = vec![0u8; self.bytes];
        self.file.seek(SeekFrom::Start((number * self.bytes) as u64))?;
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
