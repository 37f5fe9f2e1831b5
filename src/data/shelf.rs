//! Byte strings put away in one order and taken back in another: in memory while they are few, in a nameless scratch file
//! once they are many. Knows no format.

use crate::data::spill::pour;
use memmap2::MmapMut;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Above this many bytes a shelf goes to disk.
const IN_MEMORY: usize = 64 << 20;

/// Takes byte strings in.
pub struct Shelf {
    folder: PathBuf,
    /// Room for as many bytes as `limit`, which the system gives when they are first written, in large pages where it can:
    /// one by one, small pages cost as much as the bytes that they take.
    memory: Option<MmapMut>,
    file: Option<BufWriter<File>>,
    end: u64,
    limit: usize,
}

impl Shelf {
    /// The scratch file, if one is needed, lies in `folder` without a name.
    pub fn new(folder: &Path) -> Self {
        Shelf { folder: folder.to_path_buf(), memory: None, file: None, end: 0, limit: IN_MEMORY }
    }

    /// Makes sure that `more` bytes may come: that there is memory for them, or else a file.
    fn expect(&mut self, more: u64) -> io::Result<()> {
        if self.file.is_some() {
            return Ok(());
        }
        if self.end.saturating_add(more) > self.limit as u64 {
            let mut file = BufWriter::with_capacity(1 << 16, tempfile::tempfile_in(&self.folder)?);
            if let Some(memory) = self.memory.take() {
                file.write_all(&memory[..self.end as usize])?;
            }
            self.file = Some(file);
        } else if self.memory.is_none() {
            self.memory = Some(room(self.limit)?);
        }
        Ok(())
    }

    /// Puts up to `len` bytes of a reader behind all others; how many there were. Where they begin is what `end` was.
    pub fn fill(&mut self, reader: &mut dyn Read, len: u64) -> io::Result<u64> {
        self.expect(len)?;
        let done = match (&mut self.file, &mut self.memory) {
            (Some(file), _) => pour(reader, file, len)?,
            (None, Some(memory)) => {
                let from = self.end as usize;
                read_into(reader, &mut memory[from..from + len as usize])?
            }
            (None, None) => 0,
        };
        self.end += done;
        Ok(done)
    }

    /// Bytes so far.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Puts bytes behind all others; where they begin.
    pub fn put(&mut self, mut bytes: &[u8]) -> io::Result<u64> {
        let at = self.end;
        let len = bytes.len() as u64;
        self.fill(&mut bytes, len)?;
        Ok(at)
    }

    /// All bytes are there: from now on they are taken.
    pub fn finish(mut self) -> io::Result<Shelved> {
        let file = self.file.take().map(|file| file.into_inner().map_err(|e| e.into_error())).transpose()?;
        Ok(Shelved { memory: self.memory, end: self.end as usize, file, room: Vec::new() })
    }
}

/// Memory for `len` bytes that is taken from the system as it is written.
fn room(len: usize) -> io::Result<MmapMut> {
    let memory = MmapMut::map_anon(len.max(1))?;
    // a wish: without large pages it works as well
    #[cfg(target_os = "linux")]
    let _ = memory.advise(memmap2::Advice::HugePage);
    Ok(memory)
}

/// Reads until `to` is full or the reader ends; how many bytes there were.
fn read_into(reader: &mut dyn Read, to: &mut [u8]) -> io::Result<u64> {
    let mut done = 0;
    while done < to.len() {
        match reader.read(&mut to[done..]) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done as u64)
}

/// Gives byte strings out.
pub struct Shelved {
    memory: Option<MmapMut>,
    /// Bytes in memory.
    end: usize,
    file: Option<File>,
    /// What was read last from the file.
    room: Vec<u8>,
}

impl Shelved {
    /// The `len` bytes from `at` on, where they are in memory.
    pub fn held(&self, at: u64, len: usize) -> Option<&[u8]> {
        let memory = &self.memory.as_ref()?[..self.end];
        let from = usize::try_from(at).ok()?;
        memory.get(from..from.checked_add(len)?)
    }

    /// Writes the `len` bytes from `at` on, which were put there.
    pub fn take(&mut self, at: u64, len: usize, to: &mut dyn Write) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            self.room.resize(len, 0);
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut self.room)?;
            return to.write_all(&self.room);
        }
        if len == 0 {
            return Ok(()); // of no bytes at all there is no memory
        }
        to.write_all(self.held(at, len).ok_or(io::ErrorKind::UnexpectedEof)?)
    }
}

#[cfg(test)]
mod tests {
    use super::Shelf;

    #[test]
    fn bytes_come_back_in_any_order_from_memory_and_from_disk() {
        let folder = tempfile::tempdir().unwrap();
        for (limit, on_disk) in [(10, true), (3 << 20, true), (64 << 20, false)] {
            let mut shelf = Shelf { limit, ..Shelf::new(folder.path()) };
            // of 0 bytes to more than a piece
            let strings: Vec<Vec<u8>> = (0..20).map(|n| vec![n; usize::from(n) % 7 * 200_000]).collect();
            let mut put = |(n, bytes): (usize, &Vec<u8>)| match n % 2 {
                0 => shelf.put(bytes).unwrap(),
                _ => {
                    let at = shelf.end();
                    assert_eq!(shelf.fill(&mut bytes.as_slice(), bytes.len() as u64).unwrap(), bytes.len() as u64);
                    at
                }
            };
            let places: Vec<u64> = strings.iter().enumerate().map(&mut put).collect();
            assert_eq!(shelf.fill(&mut [1, 2].as_slice(), 5).unwrap(), 2);
            let mut shelved = shelf.finish().unwrap();
            assert_eq!(shelved.file.is_some(), on_disk);
            for n in [19, 0, 7, 4, 13, 19] {
                let mut bytes = Vec::new();
                shelved.take(places[n], strings[n].len(), &mut bytes).unwrap();
                assert_eq!(bytes, strings[n]);
                assert!(shelved.held(places[n], strings[n].len()).is_none_or(|held| held == strings[n] && !on_disk));
            }
            assert!(shelved.take(places[19], 2_000_000, &mut Vec::new()).is_err());
            assert!(shelved.take(u64::MAX, 1, &mut Vec::new()).is_err());
        }
    }
}
