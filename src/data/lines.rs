//! Text files line by line, with their numbers. Knows no format.

use std::io::{self, BufRead, Read};

/// Bytes of the longest line that is no damage.
const LONGEST: u64 = 1 << 20;

/// What is wrong in a text file.
#[derive(Debug, thiserror::Error)]
#[error("{file}, row {row}: {problem}")]
pub struct TextError {
    pub file: String,
    /// Counted from 1.
    pub row: u64,
    pub problem: String,
}

/// Reads lines without their ends (`\n` or `\r\n`).
pub struct Lines<R> {
    file: String,
    reader: R,
    row: u64,
    bytes: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// `file` is the name for messages.
    pub fn new(file: &str, reader: R) -> Self {
        Lines { file: file.to_string(), reader, row: 0, bytes: Vec::new() }
    }

    /// The next line; `None` at the end of the file.
    pub fn next_line(&mut self) -> Result<Option<&str>, TextError> {
        self.bytes.clear();
        self.row += 1;
        let read = Read::take(&mut self.reader, LONGEST + 2).read_until(b'\n', &mut self.bytes);
        if let Err(e) = read {
            return Err(self.error(e.to_string()));
        }
        if self.bytes.is_empty() {
            return Ok(None);
        }
        if self.bytes.last() == Some(&b'\n') {
            self.bytes.pop();
        }
        if self.bytes.last() == Some(&b'\r') {
            self.bytes.pop();
        }
        if self.bytes.len() as u64 > LONGEST {
            return Err(self.error(format!("a line longer than {LONGEST} bytes")));
        }
        if std::str::from_utf8(&self.bytes).is_err() {
            return Err(self.error("expected text, found bytes that are not UTF-8".into()));
        }
        Ok(std::str::from_utf8(&self.bytes).ok())
    }

    /// An error in the line that was read last.
    pub fn error(&self, problem: String) -> TextError {
        TextError { file: self.file.clone(), row: self.row, problem }
    }
}

impl TextError {
    /// An error of reading.
    pub fn read(file: &str, row: u64, error: &io::Error) -> Self {
        TextError { file: file.to_string(), row, problem: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn lines_have_numbers_and_bounds() {
        let mut lines = Lines::new("x.txt", &b"a\r\n\nb"[..]);
        assert_eq!(lines.next_line().unwrap(), Some("a"));
        assert_eq!(lines.next_line().unwrap(), Some(""));
        assert_eq!(lines.next_line().unwrap(), Some("b"));
        assert_eq!(lines.next_line().unwrap(), None);
        let mut lines = Lines::new("x.txt", &b"a\n\xff\n"[..]);
        lines.next_line().unwrap();
        assert!(lines.next_line().unwrap_err().to_string().starts_with("x.txt, row 2: expected text"));
        let long = vec![b'a'; (1 << 20) + 1];
        assert!(Lines::new("x.txt", long.as_slice()).next_line().is_err());
        assert!(Lines::new("x.txt", &long[1..]).next_line().is_ok());
    }
}
