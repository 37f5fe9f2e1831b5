//! Byte strings put away in one order and taken back in another: in memory while they are few, in a nameless scratch file
//! once they are many. Knows no format.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Above this many bytes a shelf goes to disk.
const IN_MEMORY: usize = 64 << 20;

/// Takes byte strings in.
pub struct Shelf {
    folder: PathBuf,
    memory: Vec<u8>,
    file: Option<BufWriter<File>>,
    end: u64,
    limit: usize,
}

impl Shelf {
    /// The scratch file, if one is needed, lies in `folder` without a name.
    pub fn new(folder: &Path) -> Self {
        Shelf { folder: folder.to_path_buf(), memory: Vec::new(), file: None, end: 0, limit: IN_MEMORY }
    }

    /// Puts bytes behind all others; where they begin.
    pub fn put(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let at = self.end;
        if self.file.is_none() && self.memory.len() + bytes.len() > self.limit {
            let mut file = BufWriter::with_capacity(1 << 16, tempfile::tempfile_in(&self.folder)?);
            file.write_all(&self.memory)?;
            self.memory = Vec::new();
            self.file = Some(file);
        }
        match &mut self.file {
            Some(file) => file.write_all(bytes)?,
            None => self.memory.extend_from_slice(bytes),
        }
        self.end += bytes.len() as u64;
        Ok(at)
    }

    /// All bytes are there: from now on they are taken.
    pub fn finish(mut self) -> io::Result<Shelved> {
        let file = self.file.take().map(|file| file.into_inner().map_err(|e| e.into_error())).transpose()?;
        Ok(Shelved { memory: self.memory, file, room: Vec::new() })
    }
}

/// Gives byte strings out.
pub struct Shelved {
    memory: Vec<u8>,
    file: Option<File>,
    /// What was read last from the file.
    room: Vec<u8>,
}

impl Shelved {
    /// `len` bytes from `at` on, which were put there.
    pub fn take(&mut self, at: u64, len: usize) -> io::Result<&[u8]> {
        match &mut self.file {
            None => {
                let start = usize::try_from(at).ok();
                let bytes = start.and_then(|start| self.memory.get(start..start.checked_add(len)?));
                bytes.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
            }
            Some(file) => {
                self.room.resize(len, 0);
                file.seek(SeekFrom::Start(at))?;
                file.read_exact(&mut self.room)?;
                Ok(&self.room)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Shelf;

    #[test]
    fn bytes_come_back_in_any_order_from_memory_and_from_disk() {
        let folder = tempfile::tempdir().unwrap();
        for (limit, on_disk) in [(10, true), (1000, false)] {
            let mut shelf = Shelf { limit, ..Shelf::new(folder.path()) };
            let strings: Vec<Vec<u8>> = (0..20).map(|n| vec![n; usize::from(n) % 7]).collect();
            let places: Vec<u64> = strings.iter().map(|bytes| shelf.put(bytes).unwrap()).collect();
            let mut shelved = shelf.finish().unwrap();
            assert_eq!(shelved.file.is_some(), on_disk);
            for n in [19, 0, 7, 4, 13, 19] {
                assert_eq!(shelved.take(places[n], strings[n].len()).unwrap(), strings[n]);
            }
            assert!(shelved.take(places[19], 100).is_err());
        }
    }
}
