//! A file to be read at any place: in memory while it is short, else without a name in a scratch folder. Knows no format.

use crate::data::spill::{Spill, SpillWriter, pour};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes of a file.
pub struct Hdf5Source {
    bytes: Spill,
}

impl Hdf5Source {
    /// Copies `raw` to its end.
    pub fn spill(raw: &mut dyn Read, scratch: &Path) -> io::Result<Hdf5Source> {
        let mut writer = SpillWriter::new(scratch);
        pour(raw, &mut writer, u64::MAX)?;
        Ok(Hdf5Source { bytes: writer.finish()? })
    }

    /// Bytes in all.
    pub fn len(&self) -> u64 {
        self.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `len` bytes from `at`; an error, before anything is allocated, where there are fewer.
    pub fn read(&self, at: u64, len: u64) -> Result<Vec<u8>, String> {
        let whole = self.len();
        let end = at.checked_add(len).filter(|end| *end <= whole).ok_or_else(|| {
            format!("{len} bytes at {at} reach behind the end at {whole}; the file may be cut, fetch it again")
        })?;
        match &self.bytes {
            Spill::Memory(bytes) => Ok(bytes[at as usize..end as usize].to_vec()),
            Spill::Disk { file, .. } => {
                let (mut file, mut bytes) = (file, vec![0; len as usize]);
                let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut bytes));
                read.map_err(|e| format!("scratch file: {e}"))?;
                Ok(bytes)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Hdf5Source;

    #[test]
    fn short_and_long_files_read_alike() {
        let folder = tempfile::tempdir().unwrap();
        for len in [1000, (8 << 20) + 1000] {
            let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let source = Hdf5Source::spill(&mut bytes.as_slice(), folder.path()).unwrap();
            assert_eq!((source.len(), source.is_empty()), (len as u64, false));
            for at in [len - 10, 0, 500] {
                assert_eq!(source.read(at as u64, 10).unwrap(), bytes[at..at + 10]);
            }
            assert!(source.read(len as u64 - 9, 10).is_err() && source.read(u64::MAX, 2).is_err());
        }
    }
}
