//! Raw data of DeepSEA: makes a file of the official name and layout from planted motifs (task specification §12.1, §13.12).
//! Knows no preparation.

use crate::data::counts::Counts;
use crate::data::npy_writer::start_npy;
use crate::data::zip_writer::ZipWriter;
use crate::stages::context::{Context, Output, Progress, StageError};
use crate::tasks::contract::generator::Generator;
use crate::tasks::deepsea::motif::{LABELS, Window, World};
use flate2::Crc;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

/// The official file.
pub const FILE: &str = "deepsea_filtered.npz";
/// Shortest window that motifs can be planted in: thrice the longest one.
const SHORTEST: usize = 42;
const LONGEST: usize = 1 << 20;
/// Windows drawn at once.
const BATCH: u64 = 512;

/// See `contract/generator.rs`.
pub struct DeepseaGenerator;

impl Generator for DeepseaGenerator {
    /// Writes `deepsea_filtered.npz`: `x_train` (N,length,4) and `y_train` (N,36) of `uint8`, the same for `val` and `test`.
    /// Bases are in the order A, G, C, T.
    fn generate(&self, counts: &Counts, seed: Option<u64>, context: &mut dyn Context) -> Result<(), StageError> {
        let (length, labels) = (counts.get("length"), counts.get("labels"));
        let splits =
            [("train", "train"), ("val", "validation"), ("test", "test")].map(|(split, key)| (split, counts.get(key)));
        let empty = splits.iter().any(|(_, count)| *count == 0);
        if empty || labels != LABELS || !(SHORTEST..=LONGEST).contains(&length) {
            return Err(StageError::Data(format!(
                "deepsea: embedded data have {LABELS} labels, a length of {SHORTEST} to {LONGEST} and windows in each split; found \
                 data.labels {labels}, data.length {length}, data.train {}, data.validation {}, data.test {}",
                splits[0].1, splits[1].1, splits[2].1
            )));
        }
        let total: usize = splits.iter().map(|(_, count)| count).sum();
        let world = World::new(seed);
        let scratch = context.scratch()?;
        let mut zip = ZipWriter::new(context.create(FILE)?);
        let mut done = 0;
        for (split, count) in splits {
            let mut part = Part { world: &world, split, count, length, seed, done, total };
            part.write(&scratch, &mut zip, context)?;
            done += count;
        }
        zip.finish()?.close()
    }
}

/// One split.
struct Part<'a> {
    world: &'a World,
    split: &'a str,
    count: usize,
    length: usize,
    seed: Option<u64>,
    /// Windows of earlier splits, and of all.
    done: usize,
    total: usize,
}

impl Part<'_> {
    /// The sequences go through a scratch file: a member's checksum stands before its bytes.
    fn write(
        &mut self,
        scratch: &Path,
        zip: &mut ZipWriter<Box<dyn Output>>,
        context: &mut dyn Context,
    ) -> Result<(), StageError> {
        let mut x = Summed::start(scratch)?;
        start_npy(&mut x, "|u1", &[self.count, self.length, 4])?;
        let mut y = Vec::new();
        start_npy(&mut y, "|u1", &[self.count, LABELS])?;
        for start in (0..self.count as u64).step_by(BATCH as usize) {
            if context.stop_asked() {
                return Err(StageError::Interrupted);
            }
            let range = start..(start + BATCH).min(self.count as u64);
            // an indexed parallel iterator keeps the order, whatever thread draws which window
            let windows: Vec<Window> = range
                .into_par_iter()
                .map(|index| self.world.window(self.split, index, self.length, self.seed))
                .collect();
            for window in &windows {
                let mut row = vec![0u8; 4 * self.length];
                for (at, base) in window.bases.iter().enumerate() {
                    row[4 * at + usize::from(*base)] = 1;
                }
                x.write_all(&row)?;
                y.extend(window.labels.map(u8::from));
            }
            let done = self.done as u64 + start + windows.len() as u64;
            context.progress(Progress { unit: "window", done, total: self.total as u64, note: self.split });
        }
        x.member(&format!("x_{}.npy", self.split), zip)?;
        Ok(zip.bytes(&format!("y_{}.npy", self.split), &y)?)
    }
}

/// A nameless scratch file with its checksum.
struct Summed {
    file: BufWriter<File>,
    crc: Crc,
    size: u64,
}

impl Summed {
    fn start(folder: &Path) -> std::io::Result<Summed> {
        let file = BufWriter::with_capacity(1 << 16, tempfile::tempfile_in(folder)?);
        Ok(Summed { file, crc: Crc::new(), size: 0 })
    }

    fn member(self, name: &str, zip: &mut ZipWriter<Box<dyn Output>>) -> std::io::Result<()> {
        let mut file = self.file.into_inner().map_err(|e| e.into_error())?;
        file.seek(SeekFrom::Start(0))?;
        zip.member(name, self.size, self.crc.sum(), &mut BufReader::with_capacity(1 << 16, file))
    }
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.crc.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
