//! Reads FASTA files: records of a title and residues, which come in pieces, so that a chromosome need not be held. Knows no
//! alphabet beyond letters, gaps and stops.

use std::io::{BufRead, Read};

/// Bytes of the longest title that is no damage.
const LONGEST_TITLE: u64 = 1 << 16;

#[derive(Debug, thiserror::Error)]
#[error("{file}, record {record}: {problem}")]
pub struct FastaError {
    pub file: String,
    /// Counted from 1; 0 before the first title.
    pub record: u64,
    pub problem: String,
}

/// A file open for one pass.
pub struct Fasta<R> {
    file: String,
    reader: R,
    record: u64,
    /// The next byte starts a line.
    line_start: bool,
}

impl<R: BufRead> Fasta<R> {
    /// `file` is the name for messages.
    pub fn new(file: &str, reader: R) -> Self {
        Fasta { file: file.to_string(), reader, record: 0, line_start: true }
    }

    /// The title of the next record without its `>`; residues left unread are skipped. `None` at the end.
    pub fn next_record(&mut self) -> Result<Option<String>, FastaError> {
        let mut skipped = [0u8; 1 << 12];
        while self.read(&mut skipped)? > 0 {
            if self.record == 0 {
                return Err(self.error("expected a title that starts with `>`, found residues".into()));
            }
        }
        let mut line = Vec::new();
        let read = Read::take(&mut self.reader, LONGEST_TITLE + 1).read_until(b'\n', &mut line);
        read.map_err(|e| self.error(e.to_string()))?;
        if line.is_empty() {
            return Ok(None);
        }
        self.record += 1;
        if line.len() as u64 > LONGEST_TITLE {
            return Err(self.error(format!("a title longer than {LONGEST_TITLE} bytes")));
        }
        let title = String::from_utf8(line).map_err(|_| self.error("a title that is not UTF-8".into()))?;
        self.line_start = true;
        Ok(Some(title[1..].trim().to_string()))
    }

    /// Fills `out` with the next residues of the record, as written but without line ends and spaces; 0 at the record's end.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, FastaError> {
        let mut done = 0;
        while done < out.len() {
            let bytes = match self.reader.fill_buf() {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => {
                    return Err(FastaError { file: self.file.clone(), record: self.record, problem: e.to_string() });
                }
            };
            let mut used = 0;
            let mut ended = bytes.is_empty();
            for byte in bytes {
                match byte {
                    b'>' if self.line_start => {
                        ended = true;
                        break;
                    }
                    b'\n' | b'\r' => self.line_start = true,
                    b' ' | b'\t' => self.line_start = false,
                    b'A'..=b'Z' | b'a'..=b'z' | b'*' | b'-' | b'.' if done < out.len() => {
                        out[done] = *byte;
                        done += 1;
                        self.line_start = false;
                    }
                    _ if done == out.len() => break,
                    other => {
                        let problem = format!("expected letters, `-`, `.` or `*`, found `{}`", other.escape_ascii());
                        return Err(FastaError { file: self.file.clone(), record: self.record, problem });
                    }
                }
                used += 1;
            }
            self.reader.consume(used);
            if ended {
                break;
            }
        }
        Ok(done)
    }

    fn error(&self, problem: String) -> FastaError {
        FastaError { file: self.file.clone(), record: self.record, problem }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fasta, FastaError};

    fn read(bytes: &[u8], piece: usize) -> Result<Vec<(String, String)>, FastaError> {
        let mut fasta = Fasta::new("x.fa", std::io::BufReader::with_capacity(7, bytes));
        let mut records = Vec::new();
        while let Some(title) = fasta.next_record()? {
            let (mut residues, mut out) = (Vec::new(), vec![0; piece]);
            loop {
                let count = fasta.read(&mut out)?;
                residues.extend(&out[..count]);
                if count == 0 {
                    break;
                }
            }
            records.push((title, String::from_utf8(residues).unwrap()));
        }
        Ok(records)
    }

    #[test]
    fn records_in_pieces() {
        let text = b"\n>chr1  x\r\nACGT\r\nNn\n\n>empty\n>last\nA-C*\n.T";
        for piece in [1, 2, 4, 100] {
            let records = read(text, piece).unwrap();
            let shown: Vec<_> = records.iter().map(|(title, residues)| format!("{title}:{residues}")).collect();
            assert_eq!(shown, ["chr1  x:ACGTNn", "empty:", "last:A-C*.T"], "{piece}");
        }
        assert!(read(b"", 4).unwrap().is_empty());
        let mut fasta = Fasta::new("x.fa", &text[..]);
        let titles: Vec<_> = std::iter::from_fn(|| fasta.next_record().unwrap()).collect();
        assert_eq!(titles, ["chr1  x", "empty", "last"]);
    }

    #[test]
    fn damage() {
        for (text, word) in [
            (&b"ACGT\n"[..], "record 0: expected a title"),
            (b">a\nAC1\n", "record 1: expected letters"),
            (b">a\nA>C\n", "found `>`"),
            (b">\xff\nA\n", "UTF-8"),
            (b"\x1f\x8b\x08", "x1f"),
        ] {
            let message = read(text, 8).unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        }
        let long = [&b">"[..], &vec![b'a'; 1 << 17]].concat();
        assert!(read(&long, 8).unwrap_err().to_string().contains("longer"));
    }
}
