//! A stream with a look-ahead, and the position in it. Knows no format.

use std::io::{self, BufRead, Read};

/// Bytes held at once.
const CAPACITY: usize = 1 << 16;

/// Reads `inner` in large pieces.
pub struct Lookahead<'a> {
    inner: &'a mut dyn Read,
    buffer: Vec<u8>,
    start: usize,
    /// Offset of the next byte.
    at: u64,
}

impl<'a> Lookahead<'a> {
    pub fn new(inner: &'a mut dyn Read) -> Self {
        Lookahead { inner, buffer: Vec::with_capacity(CAPACITY), start: 0, at: 0 }
    }

    /// Offset of the next byte.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next bytes without consuming them: at least `wanted` (up to 4,096), or fewer where the stream ends.
    pub fn peek(&mut self, wanted: usize) -> io::Result<&[u8]> {
        if self.buffer.len() - self.start < wanted.min(4096) {
            self.buffer.drain(..self.start);
            self.start = 0;
            while self.buffer.len() < wanted.min(4096) {
                let found = self.buffer.len();
                self.buffer.resize(CAPACITY, 0);
                let count = match self.inner.read(&mut self.buffer[found..]) {
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {
                        self.buffer.truncate(found);
                        continue;
                    }
                    Err(e) => {
                        self.buffer.truncate(found);
                        return Err(e);
                    }
                    Ok(count) => count,
                };
                self.buffer.truncate(found + count);
                if count == 0 {
                    break;
                }
            }
        }
        Ok(&self.buffer[self.start..])
    }
}

impl Read for Lookahead<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Lookahead<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek(1)
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
        self.at += count as u64;
    }
}
