//! Reads MAT-files variable by variable in pieces, whichever container they are: version 5, or 7.3, which is HDF5. Values come
//! in MATLAB's order either way: HDF5 holds the axes reversed, and its last one varies fastest. Numeric arrays only.

use crate::data::hdf5::Hdf5Dataset;
use crate::data::hdf5_values::{Hdf5, Hdf5Error, Hdf5Values};
use crate::data::mat5::{Header, Mat5, MatError, Variable, is_version73, read_up_to};
use std::io::{Cursor, Read};
use std::path::Path;

/// Values of HDF5 passed over at once.
const PIECE: usize = 1 << 14;

/// A file open for one pass.
pub enum MatFile<'r> {
    V5(Mat5<Box<dyn Read + 'r>>),
    V73 { hdf5: Hdf5, next: usize },
}

impl<'r> MatFile<'r> {
    /// `file` is the name for messages; a file of version 7.3 is copied to `scratch`, as it is read at any place.
    pub fn open(file: &str, mut reader: impl Read + 'r, scratch: &Path) -> Result<Self, MatError> {
        let mut head = vec![0u8; 128];
        let damaged = |problem| MatError::Damaged { file: file.to_string(), offset: 0, problem };
        let found = read_up_to(&mut reader, &mut head).map_err(|e| damaged(e.to_string()))?;
        head.truncate(found);
        let hdf5 = is_version73(&head);
        let mut reader = Cursor::new(head).chain(reader);
        if hdf5 {
            return Ok(MatFile::V73 { hdf5: Hdf5::open(file, &mut reader, scratch).map_err(container)?, next: 0 });
        }
        Ok(MatFile::V5(Mat5::open(file, Box::new(reader) as Box<dyn Read>)?))
    }

    /// The next variable; `None` at the end, where the file is read to its last byte.
    pub fn next_variable(&mut self) -> Result<Option<MatVariable<'_>>, MatError> {
        match self {
            MatFile::V5(mat) => Ok(mat
                .next_variable()?
                .map(|variable| MatVariable { header: variable.header.clone(), values: Values::V5(variable) })),
            MatFile::V73 { hdf5, next } => {
                let Some(dataset) = hdf5.datasets().get(*next) else { return Ok(None) };
                *next += 1;
                Ok(Some(MatVariable {
                    header: header(dataset),
                    values: Values::V73(hdf5.values(dataset).map_err(container)?),
                }))
            }
        }
    }
}

/// What MATLAB would say of a dataset. Files of other writers have no class; numbers are numbers then.
fn header(dataset: &Hdf5Dataset) -> Header {
    const CLASSES: [&str; 10] =
        ["double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"];
    let class = match (&dataset.class, dataset.dtype.kind, dataset.dtype.width) {
        (Some(class), ..) => CLASSES.into_iter().find(|known| known == class),
        (None, 'f', 4) => Some("single"),
        (None, 'f', _) => Some("double"),
        (None, kind, width) => CLASSES.into_iter().find(|name| {
            let sign = if kind == 'u' { "u" } else { "" };
            *name == format!("{sign}int{}", 8 * width)
        }),
    };
    let dims = dataset.shape.iter().rev().map(|size| *size as u64).collect();
    Header { name: dataset.name.clone(), dims, class, complex: false }
}

/// One variable.
pub struct MatVariable<'a> {
    pub header: Header,
    values: Values<'a>,
}

enum Values<'a> {
    V5(Variable<'a>),
    V73(Hdf5Values<'a>),
}

impl MatVariable<'_> {
    /// Reads as many values as `out` is long, the first index fastest.
    pub fn read(&mut self, out: &mut [f64]) -> Result<(), MatError> {
        match &mut self.values {
            Values::V5(variable) => variable.read(out),
            Values::V73(values) => values.read(out).map_err(container),
        }
    }

    /// Passes over `count` values.
    pub fn skip(&mut self, count: u64) -> Result<(), MatError> {
        match &mut self.values {
            Values::V5(variable) => variable.skip(count),
            Values::V73(values) => {
                let mut piece = [0f64; PIECE];
                let mut left = count;
                while left > 0 {
                    let now = left.min(PIECE as u64);
                    values.read(&mut piece[..now as usize]).map_err(container)?;
                    left -= now;
                }
                Ok(())
            }
        }
    }
}

fn container(error: Hdf5Error) -> MatError {
    MatError::Hdf5 { file: error.file, problem: error.problem }
}
