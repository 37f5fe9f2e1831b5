//! Writes a zip archive of stored members in one pass, for generators whose official file is one. Knows no member's content.

use flate2::Crc;
use std::io::{self, Read, Write};

/// From here on sizes, offsets and numbers of members need the zip64 records (APPNOTE 6.3.10 §4.4.1.4).
const BIG: u64 = 0xFFFF_FFFF;
const MANY: u64 = 0xFFFF;
/// 1980-01-01: archives hold no clock time.
const DATE: u16 = 0x21;

/// What the central directory says of a member.
struct Entry {
    name: String,
    size: u64,
    crc: u32,
    offset: u64,
}

/// An archive that grows; `finish` writes its directory.
pub struct ZipWriter<W> {
    output: W,
    at: u64,
    entries: Vec<Entry>,
}

impl<W: Write> ZipWriter<W> {
    pub fn new(output: W) -> Self {
        ZipWriter { output, at: 0, entries: Vec::new() }
    }

    /// A member that is in memory.
    pub fn bytes(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.member(name, bytes.len() as u64, checksum(bytes), &mut &*bytes)
    }

    /// A member of `size` bytes whose CRC-32 is known beforehand, since it stands before the bytes.
    ///
    /// # Errors
    /// If the name is empty or too long, or the bytes are not as many as said or have another checksum.
    pub fn member(&mut self, name: &str, size: u64, crc: u32, bytes: &mut dyn Read) -> io::Result<()> {
        if name.is_empty() || name.len() > usize::from(u16::MAX) {
            return Err(io::Error::other(format!(
                "a member's name of 1 to 65535 bytes was expected, found {}",
                name.len()
            )));
        }
        let offset = self.at;
        let big = size >= BIG;
        let short = if big { BIG } else { size } as u32;
        let mut header = Vec::with_capacity(64 + name.len());
        header.extend(0x0403_4b50u32.to_le_bytes());
        put16(&mut header, &[if big { 45 } else { 20 }, 0x800, 0, 0, DATE]);
        put32(&mut header, &[crc, short, short]);
        put16(&mut header, &[name.len() as u16, if big { 20 } else { 0 }]);
        header.extend(name.as_bytes());
        if big {
            put16(&mut header, &[1, 16]);
            put64(&mut header, &[size, size]);
        }
        self.put(&header)?;
        let mut watched = Watched { output: &mut self.output, crc: Crc::new() };
        let copied = io::copy(&mut bytes.take(size), &mut watched)?;
        let found = watched.crc.sum();
        self.at += copied;
        if copied != size || found != crc {
            return Err(io::Error::other(format!(
                "member {name}: {size} bytes with checksum {crc:08x} were expected, found {copied} with {found:08x}"
            )));
        }
        self.entries.push(Entry { name: name.to_string(), size, crc, offset });
        Ok(())
    }

    /// Writes the directory and gives the output back, to be closed.
    pub fn finish(mut self) -> io::Result<W> {
        let start = self.at;
        for entry in std::mem::take(&mut self.entries) {
            let record = entry.record();
            self.put(&record)?;
            self.entries.push(entry);
        }
        let (size, count, end) = (self.at - start, self.entries.len() as u64, self.at);
        let mut tail = Vec::new();
        if count >= MANY || start >= BIG || size >= BIG {
            tail.extend(0x0606_4b50u32.to_le_bytes());
            put64(&mut tail, &[44]);
            put16(&mut tail, &[45, 45]);
            put32(&mut tail, &[0, 0]);
            put64(&mut tail, &[count, count, size, start]);
            tail.extend(0x0706_4b50u32.to_le_bytes());
            put32(&mut tail, &[0]);
            put64(&mut tail, &[end]);
            put32(&mut tail, &[1]);
        }
        tail.extend(0x0605_4b50u32.to_le_bytes());
        let few = count.min(MANY) as u16;
        put16(&mut tail, &[0, 0, few, few]);
        put32(&mut tail, &[size.min(BIG) as u32, start.min(BIG) as u32]);
        put16(&mut tail, &[0]);
        self.put(&tail)?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

impl Entry {
    fn record(&self) -> Vec<u8> {
        let mut extra = Vec::new();
        let mut short = |value: u64, times: usize| {
            if value >= BIG {
                (0..times).for_each(|_| put64(&mut extra, &[value]));
                BIG as u32
            } else {
                value as u32
            }
        };
        let (size, offset) = (short(self.size, 2), short(self.offset, 1));
        let mut record = Vec::with_capacity(80 + self.name.len());
        record.extend(0x0201_4b50u32.to_le_bytes());
        put16(&mut record, &[45, if extra.is_empty() { 20 } else { 45 }, 0x800, 0, 0, DATE]);
        put32(&mut record, &[self.crc, size, size]);
        let length = if extra.is_empty() { 0 } else { extra.len() as u16 + 4 };
        put16(&mut record, &[self.name.len() as u16, length, 0, 0, 0]);
        put32(&mut record, &[0, offset]);
        record.extend(self.name.as_bytes());
        if length > 0 {
            put16(&mut record, &[1, extra.len() as u16]);
            record.extend(extra);
        }
        record
    }
}

struct Watched<'a, W> {
    output: &'a mut W,
    crc: Crc,
}

impl<W: Write> Write for Watched<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.output.write(bytes)?;
        self.crc.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// The CRC-32 of some bytes.
pub fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn put16(out: &mut Vec<u8>, values: &[u16]) {
    values.iter().for_each(|value| out.extend(value.to_le_bytes()));
}

fn put32(out: &mut Vec<u8>, values: &[u32]) {
    values.iter().for_each(|value| out.extend(value.to_le_bytes()));
}

fn put64(out: &mut Vec<u8>, values: &[u64]) {
    values.iter().for_each(|value| out.extend(value.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use super::{Entry, ZipWriter, checksum};

    #[test]
    fn the_bytes_are_those_of_the_standard() {
        let mut zip = ZipWriter::new(Vec::new());
        zip.bytes("a/b.txt", b"123456789").unwrap();
        zip.bytes("empty", b"").unwrap();
        let bytes = zip.finish().unwrap();
        // CRC-32 of the nine digits is its published check value
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
        assert_eq!(&bytes[..4], b"PK\x03\x04");
        assert_eq!(bytes[14..18], 0xcbf4_3926u32.to_le_bytes());
        assert_eq!(&bytes[30..46], b"a/b.txt123456789");
        let end = &bytes[bytes.len() - 22..];
        assert_eq!((&end[..4], end[10]), (&b"PK\x05\x06"[..], 2));
        let directory = u32::from_le_bytes([end[16], end[17], end[18], end[19]]) as usize;
        assert_eq!(&bytes[directory..directory + 4], b"PK\x01\x02");
    }

    #[test]
    fn large_members_get_the_zip64_record() {
        let small = Entry { name: "x".into(), size: 7, crc: 1, offset: 9 };
        assert_eq!(small.record().len(), 47);
        let large = Entry { name: "x".into(), size: 1 << 33, crc: 1, offset: 1 << 34 };
        let record = large.record();
        assert_eq!(record.len(), 47 + 4 + 24);
        assert_eq!(record[20..28], [0xff; 8]);
        assert_eq!(record[record.len() - 8..], (1u64 << 34).to_le_bytes());
    }

    #[test]
    fn many_members_get_the_zip64_end() {
        let mut zip = ZipWriter::new(Vec::new());
        for index in 0..70_000 {
            zip.bytes(&format!("{index}"), b"").unwrap();
        }
        let bytes = zip.finish().unwrap();
        let end = &bytes[bytes.len() - 22 - 20 - 56..];
        assert_eq!(&end[..4], b"PK\x06\x06");
        assert_eq!(end[24..32], 70_000u64.to_le_bytes());
    }

    #[test]
    fn another_number_of_bytes_is_an_error() {
        let mut zip = ZipWriter::new(Vec::new());
        assert!(zip.member("x", 3, checksum(b"ab"), &mut &b"ab"[..]).is_err());
        assert!(zip.member("x", 2, 7, &mut &b"ab"[..]).is_err());
        assert!(zip.bytes("", b"").is_err());
    }
}
