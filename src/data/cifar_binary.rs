//! Records of the CIFAR-100 binary version: coarse label, fine label, 3,072 bytes of red, green and blue planes.

use std::io::{self, Read};

/// Bytes of one picture: 3 planes of 32×32.
pub const PIXELS: usize = 3 * 32 * 32;
pub const RECORD: usize = 2 + PIXELS;

#[derive(Debug, thiserror::Error)]
pub enum CifarError {
    #[error("{file}: cut inside record {record}: expected {RECORD} bytes per record, found {found}")]
    Cut { file: String, record: u64, found: usize },
    #[error("{file}, record {record}: {source}")]
    Read { file: String, record: u64, source: io::Error },
}

/// One picture with its labels.
pub struct Record {
    pub coarse: u8,
    pub fine: u8,
    pub pixels: [u8; PIXELS],
}

/// Reads records one by one; at most one is in memory.
pub struct Records<R> {
    file: String,
    reader: R,
    next: u64,
}

impl<R: Read> Records<R> {
    pub fn new(file: &str, reader: R) -> Self {
        Records { file: file.to_string(), reader, next: 0 }
    }

    /// The next record; `None` at the end of the file.
    pub fn next_record(&mut self) -> Result<Option<Record>, CifarError> {
        let mut bytes = [0u8; RECORD];
        let mut found = 0;
        while found < RECORD {
            match self.reader.read(&mut bytes[found..]) {
                Ok(0) => break,
                Ok(count) => found += count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(CifarError::Read { file: self.file.clone(), record: self.next, source }),
            }
        }
        if found == 0 {
            return Ok(None);
        }
        if found < RECORD {
            return Err(CifarError::Cut { file: self.file.clone(), record: self.next, found });
        }
        self.next += 1;
        let mut pixels = [0u8; PIXELS];
        pixels.copy_from_slice(&bytes[2..]);
        Ok(Some(Record { coarse: bytes[0], fine: bytes[1], pixels }))
    }
}

#[cfg(test)]
mod tests {
    use super::{RECORD, Records};

    #[test]
    fn reads_records_and_names_the_cut_one() {
        let mut bytes: Vec<u8> = (0..2 * RECORD).map(|i| (i % 256) as u8).collect();
        let mut records = Records::new("train.bin", bytes.as_slice());
        let first = records.next_record().unwrap().unwrap();
        assert_eq!((first.coarse, first.fine, first.pixels[0]), (0, 1, 2));
        assert_eq!(records.next_record().unwrap().unwrap().coarse, (RECORD % 256) as u8);
        assert!(records.next_record().unwrap().is_none());
        bytes.pop();
        let mut records = Records::new("train.bin", bytes.as_slice());
        records.next_record().unwrap();
        let message = records.next_record().err().unwrap().to_string();
        assert!(message.contains("record 1") && message.contains("3073"), "{message}");
    }
}
