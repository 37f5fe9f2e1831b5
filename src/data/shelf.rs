//! Byte strings put away in one order and taken back in another: in memory while they are few, in a nameless scratch file
//! once they are many. Knows no format.

use crate::data::spill::pour;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Above this many bytes a shelf goes to disk.
const IN_MEMORY: u64 = 64 << 20;

/// Memory grows by so many bytes: one growing vector would be copied each time.
const PIECE: usize = 1 << 20;

/// Takes byte strings in.
pub struct Shelf {
    folder: PathBuf,
    /// All full but the last.
    memory: Vec<Vec<u8>>,
    file: Option<BufWriter<File>>,
    end: u64,
    limit: u64,
}

impl Shelf {
    /// The scratch file, if one is needed, lies in `folder` without a name.
    pub fn new(folder: &Path) -> Self {
        Shelf { folder: folder.to_path_buf(), memory: Vec::new(), file: None, end: 0, limit: IN_MEMORY }
    }

    /// Makes sure that `more` bytes may come.
    fn expect(&mut self, more: u64) -> io::Result<()> {
        if self.file.is_none() && self.end.saturating_add(more) > self.limit {
            let mut file = BufWriter::with_capacity(1 << 16, tempfile::tempfile_in(&self.folder)?);
            self.memory.drain(..).try_for_each(|piece| file.write_all(&piece))?;
            self.file = Some(file);
        }
        Ok(())
    }

    /// Puts up to `len` bytes of a reader behind all others; how many there were. Where they begin is what `end` was.
    pub fn fill(&mut self, reader: &mut dyn Read, len: u64) -> io::Result<u64> {
        self.expect(len)?;
        let mut done = 0;
        if let Some(file) = &mut self.file {
            done = pour(reader, file, len)?;
        }
        while self.file.is_none() && done < len {
            match self.memory.last_mut().filter(|piece| piece.len() < PIECE) {
                Some(piece) => {
                    let room = (len - done).min((PIECE - piece.len()) as u64);
                    let count = Read::take(&mut *reader, room).read_to_end(piece)?;
                    done += count as u64;
                    if (count as u64) < room {
                        break;
                    }
                }
                None => self.memory.push(Vec::with_capacity(PIECE)),
            }
        }
        self.end += done;
        Ok(done)
    }

    /// Bytes so far.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Puts bytes behind all others; where they begin.
    pub fn put(&mut self, mut bytes: &[u8]) -> io::Result<u64> {
        self.expect(bytes.len() as u64)?;
        let at = self.end;
        self.end += bytes.len() as u64;
        if let Some(file) = &mut self.file {
            file.write_all(bytes)?;
            return Ok(at);
        }
        while !bytes.is_empty() {
            match self.memory.last_mut().filter(|piece| piece.len() < PIECE) {
                Some(piece) => {
                    let (now, rest) = bytes.split_at(bytes.len().min(PIECE - piece.len()));
                    piece.extend_from_slice(now);
                    bytes = rest;
                }
                None => self.memory.push(Vec::with_capacity(PIECE)),
            }
        }
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
    memory: Vec<Vec<u8>>,
    file: Option<File>,
    /// What was read last from the file.
    room: Vec<u8>,
}

impl Shelved {
    /// Writes the `len` bytes from `at` on, which were put there.
    pub fn take(&mut self, at: u64, len: usize, to: &mut dyn Write) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            self.room.resize(len, 0);
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut self.room)?;
            return to.write_all(&self.room);
        }
        let (mut at, end) = (at as usize, at as usize + len);
        while at < end {
            let piece = self.memory.get(at / PIECE).map_or(&[][..], |piece| &piece[(at % PIECE).min(piece.len())..]);
            if piece.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let piece = &piece[..piece.len().min(end - at)];
            to.write_all(piece)?;
            at += piece.len();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Shelf;

    #[test]
    fn bytes_come_back_in_any_order_from_memory_and_from_disk() {
        let folder = tempfile::tempdir().unwrap();
        for (limit, on_disk) in [(10, true), (3 << 20, true), (u64::MAX, false)] {
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
            }
            assert!(shelved.take(places[19], 2_000_000, &mut Vec::new()).is_err());
        }
    }
}
