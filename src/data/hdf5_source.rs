//! A file to be read at any place, kept without a name in a scratch folder. Knows no format.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Bytes of a file.
pub struct Hdf5Source {
    file: RefCell<File>,
    len: u64,
}

impl Hdf5Source {
    /// Copies `raw` to its end.
    pub fn spill(raw: &mut dyn Read, scratch: &Path) -> io::Result<Hdf5Source> {
        let mut file = BufWriter::with_capacity(1 << 16, tempfile::tempfile_in(scratch)?);
        let len = io::copy(raw, &mut file)?;
        file.flush()?;
        let file = file.into_inner().map_err(|e| e.into_error())?;
        Ok(Hdf5Source { file: RefCell::new(file), len })
    }

    /// Bytes in all.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// `len` bytes from `at`; an error, before anything is allocated, where there are fewer.
    pub fn read(&self, at: u64, len: u64) -> Result<Vec<u8>, String> {
        if at.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(format!(
                "{len} bytes at {at} reach behind the end at {}; the file may be cut, fetch it again",
                self.len
            ));
        }
        let mut bytes = vec![0; len as usize];
        let mut file = self.file.borrow_mut();
        let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|e| format!("scratch file: {e}"))?;
        Ok(bytes)
    }
}
