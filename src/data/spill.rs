//! Bytes that stay in memory while they are few and go to a nameless scratch file once they are many. Knows no format.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Above this many bytes a spill goes to disk.
const IN_MEMORY: usize = 8 << 20;

/// Bytes that `pour` moves at once: they stay in a core's cache (64 KiB took half the time of 256), and fill the buffers of
/// readers and writers, which are passed by then.
const POURED: u64 = 1 << 16;

/// Collects bytes.
pub struct SpillWriter {
    folder: PathBuf,
    memory: Vec<u8>,
    file: Option<io::BufWriter<File>>,
    len: u64,
}

impl SpillWriter {
    /// The scratch file, if one is needed, lies in `folder` without a name.
    pub fn new(folder: &Path) -> Self {
        SpillWriter { folder: folder.to_path_buf(), memory: Vec::new(), file: None, len: 0 }
    }

    pub fn finish(self) -> io::Result<Spill> {
        match self.file {
            None => Ok(Spill::Memory(self.memory)),
            Some(file) => Ok(Spill::Disk { file: file.into_inner().map_err(|e| e.into_error())?, len: self.len }),
        }
    }
}

impl Write for SpillWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.file.is_none() && self.memory.len() + bytes.len() > IN_MEMORY {
            let mut file = io::BufWriter::with_capacity(1 << 16, tempfile::tempfile_in(&self.folder)?);
            file.write_all(&self.memory)?;
            self.memory = Vec::new();
            self.file = Some(file);
        }
        match &mut self.file {
            Some(file) => file.write_all(bytes)?,
            None => self.memory.extend_from_slice(bytes),
        }
        self.len += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

/// Copies up to `len` bytes in pieces large enough to pass buffers by on both sides; how many there were.
pub fn pour(reader: &mut dyn Read, writer: &mut dyn Write, len: u64) -> io::Result<u64> {
    let mut piece = vec![0u8; len.min(POURED) as usize];
    let mut done = 0;
    while done < len {
        let room = piece.len().min(usize::try_from(len - done).unwrap_or(usize::MAX));
        match reader.read(&mut piece[..room]) {
            Ok(0) => break,
            Ok(count) => {
                writer.write_all(&piece[..count])?;
                done += count as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// Collected bytes, to be read from the start.
#[derive(Debug)]
pub enum Spill {
    Memory(Vec<u8>),
    Disk { file: File, len: u64 },
}

impl Spill {
    pub fn len(&self) -> u64 {
        match self {
            Spill::Memory(bytes) => bytes.len() as u64,
            Spill::Disk { len, .. } => *len,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A reader from the first byte; one at a time.
    pub fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        match self {
            Spill::Memory(bytes) => Ok(Box::new(bytes.as_slice())),
            Spill::Disk { file, .. } => {
                let mut file: &File = file;
                file.seek(SeekFrom::Start(0))?;
                Ok(Box::new(io::BufReader::with_capacity(1 << 16, file)))
            }
        }
    }

    /// The bytes, where they are few enough to be in memory.
    pub fn in_memory(&self) -> Option<&[u8]> {
        match self {
            Spill::Memory(bytes) => Some(bytes),
            Spill::Disk { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{IN_MEMORY, Spill, SpillWriter};
    use std::io::{Read, Write};

    #[test]
    fn few_bytes_stay_in_memory_and_many_go_to_disk() {
        let folder = tempfile::tempdir().unwrap();
        for (len, on_disk) in [(10, false), (IN_MEMORY, false), (IN_MEMORY + 1, true)] {
            let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let mut writer = SpillWriter::new(folder.path());
            for piece in bytes.chunks(100_003) {
                writer.write_all(piece).unwrap();
            }
            let spill = writer.finish().unwrap();
            assert_eq!(matches!(spill, Spill::Disk { .. }), on_disk);
            for _ in 0..2 {
                let mut back = Vec::new();
                spill.open().unwrap().read_to_end(&mut back).unwrap();
                assert_eq!(back, bytes);
            }
        }
    }
}
