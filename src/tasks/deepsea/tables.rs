//! The official file of DeepSEA, arrays in an npz archive, to windows (task specification §12.1). Knows no genome.

use crate::data::npy::{Npy, NpyError};
use crate::data::npz::{NpzError, arrays};
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::preparation::RAW;
use crate::tasks::deepsea::windows::{Amounts, BASES, SPLITS, Windows, splits, turned};
use std::io::{self, BufReader, Read};
use std::path::Path;

/// Windows read at once.
const BLOCK: usize = 256;

/// `StageError` with the conversions that readers ask for.
struct Trouble(StageError);

impl From<NpzError> for Trouble {
    fn from(error: NpzError) -> Self {
        Trouble(StageError::Data(error.to_string()))
    }
}

impl From<NpyError> for Trouble {
    fn from(error: NpyError) -> Self {
        Trouble(StageError::Data(error.to_string()))
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble(StageError::from(error))
    }
}

/// Reads `x_<split>` (N, length, 4) and `y_<split>` (N, labels) of any numeric type, in any order.
pub fn tables(file: &str, amounts: Amounts, context: &dyn Context) -> Result<[Windows; 3], StageError> {
    let mut windows = splits(amounts, context)?;
    let scratch = context.scratch()?;
    let mut raw = BufReader::with_capacity(1 << 16, context.open(RAW, file)?);
    let read = arrays::<Trouble>(file, &mut raw, &mut |name, npy| {
        let Some((axis, split)) = name.split_once('_') else { return Ok(()) };
        let Some(at) = SPLITS.iter().position(|known| known.array == split) else { return Ok(()) };
        let place = Place { file, name, at, amounts, scratch: &scratch, context };
        match axis {
            "x" => place.bases(npy, &mut windows[at]),
            "y" => place.labels(npy, &mut windows[at]),
            _ => Ok(()),
        }
    });
    read.map_err(|trouble| trouble.0)?;
    // the input's digest is verified at its end, which an archive need not reach
    io::copy(&mut raw, &mut io::sink())?;
    for (at, split) in SPLITS.iter().enumerate() {
        let wanted = amounts.windows[at];
        if windows[at].counts() != (wanted, wanted) {
            let (x, y) = windows[at].counts();
            return Err(StageError::Data(format!(
                "{file}: expected arrays `x_{0}` and `y_{0}` of {wanted} rows once each, found {x} and {y}",
                split.array
            )));
        }
    }
    Ok(windows)
}

/// One array of the file.
struct Place<'a> {
    file: &'a str,
    name: &'a str,
    at: usize,
    amounts: Amounts,
    scratch: &'a Path,
    context: &'a dyn Context,
}

impl Place<'_> {
    fn fail<T>(&self, problem: String) -> Result<T, Trouble> {
        Err(Trouble(StageError::Data(format!("{}: array `{}`: {problem}", self.file, self.name))))
    }

    fn shape(&self, found: &[usize], inner: &[usize], setting: &str) -> Result<(), Trouble> {
        let expected: Vec<usize> = [self.amounts.windows[self.at]].into_iter().chain(inner.iter().copied()).collect();
        if found == expected {
            return Ok(());
        }
        let rows = found.len() == expected.len() && found[1..] == expected[1..];
        let setting = if rows {
            SPLITS[self.at].setting.to_string()
        } else {
            format!("{} and {setting}", SPLITS[self.at].setting)
        };
        self.fail(format!("expected shape {expected:?}, found {found:?}; set {setting} to use this file"))
    }

    fn pause(&self, done: usize) -> Result<(), Trouble> {
        if self.context.stop_asked() {
            return Err(Trouble(StageError::Interrupted));
        }
        let total = self.amounts.windows[self.at] as u64;
        self.context.progress(Progress { unit: "window", done: done as u64, total, note: self.name });
        Ok(())
    }

    fn bases(&self, mut npy: Npy<&mut dyn Read>, windows: &mut Windows) -> Result<(), Trouble> {
        let (length, rows) = (self.amounts.length, self.amounts.windows[self.at]);
        self.shape(&npy.header().shape, &[length, BASES], "data.length")?;
        let size = length * BASES;
        let mut planes = vec![0u8; size];
        let mut take = |row: usize, bytes: &[u8]| match turned(bytes, &mut planes) {
            Some(()) => Ok(windows.push_planes(&planes)?),
            None => self.fail(format!("row {row}: expected one-hot bases, zeros with at most a one in each position")),
        };
        if npy.header().width == 1 && !npy.header().fortran {
            let mut block = vec![0u8; BLOCK.min(rows) * size];
            for start in (0..rows).step_by(BLOCK) {
                let count = BLOCK.min(rows - start);
                npy.next_bytes(&mut block[..count * size])?;
                for (row, bytes) in block[..count * size].chunks_exact(size).enumerate() {
                    take(start + row, bytes)?;
                }
                self.pause(start + count)?;
            }
            return Ok(());
        }
        let mut bytes = vec![0u8; size];
        npy.rows_f32::<Trouble>(self.scratch, &mut |row, values| {
            // what is neither 0 nor 1 is no base
            bytes
                .iter_mut()
                .zip(values)
                .for_each(|(byte, v)| *byte = if *v == 0.0 { 0 } else { 2 - u8::from(*v == 1.0) });
            take(row, &bytes)?;
            if row % BLOCK == 0 { self.pause(row) } else { Ok(()) }
        })
    }

    fn labels(&self, mut npy: Npy<&mut dyn Read>, windows: &mut Windows) -> Result<(), Trouble> {
        self.shape(&npy.header().shape, &[self.amounts.labels], "data.labels")?;
        npy.rows_f32::<Trouble>(self.scratch, &mut |row, values| {
            if let Some(bad) = values.iter().find(|v| **v != 0.0 && **v != 1.0) {
                return self.fail(format!("row {row}: expected labels 0 and 1, found {bad}"));
            }
            let labels: Vec<u8> = values.iter().map(|v| u8::from(*v == 1.0)).collect();
            windows.push_labels(&labels);
            Ok(())
        })
    }
}
