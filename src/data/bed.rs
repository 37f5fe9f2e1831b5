//! Reads BED files and their relatives (narrowPeak, bedGraph): intervals of a genome, half open and counted from 0. Knows no
//! genome. Format: GA4GH *Browser Extensible Data*, version 1.

use crate::data::lines::{Lines, TextError};
use std::io::BufRead;

/// One interval with what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    pub chromosome: String,
    /// First position, from 0.
    pub start: u64,
    /// Behind the last position.
    pub end: u64,
    /// The fourth field and those behind it: name, score, strand, … as written.
    pub rest: Vec<String>,
}

/// A file open for one pass.
pub struct Bed<R> {
    lines: Lines<R>,
}

impl<R: BufRead> Bed<R> {
    /// `file` is the name for messages.
    pub fn new(file: &str, reader: R) -> Self {
        Bed { lines: Lines::new(file, reader) }
    }

    /// The next interval; comments, `track` and `browser` lines are passed over. `None` at the end.
    pub fn next_interval(&mut self) -> Result<Option<Interval>, TextError> {
        loop {
            let Some(line) = self.lines.next_line()? else { return Ok(None) };
            let first = line.split_ascii_whitespace().next();
            if first.is_none_or(|word| word.starts_with('#') || word == "track" || word == "browser") {
                continue;
            }
            // Fields are set apart by tabs, or by spaces where there is no tab; names may hold spaces between tabs.
            let fields: Vec<&str> =
                if line.contains('\t') { line.split('\t').collect() } else { line.split_ascii_whitespace().collect() };
            return match interval(&fields) {
                Ok(interval) => Ok(Some(interval)),
                Err(problem) => Err(self.lines.error(problem)),
            };
        }
    }
}

fn interval(fields: &[&str]) -> Result<Interval, String> {
    let [chromosome, start, end, rest @ ..] = fields else {
        return Err(format!("expected a chromosome, a start and an end, found {} fields", fields.len()));
    };
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| format!("expected a position, found `{text}`"));
    let (start, end) = (number(start)?, number(end)?);
    if start > end {
        return Err(format!("expected a start up to the end, found {start} and {end}"));
    }
    let rest = rest.iter().map(|field| field.trim().to_string()).collect();
    Ok(Interval { chromosome: chromosome.trim().to_string(), start, end, rest })
}

#[cfg(test)]
mod tests {
    use super::{Bed, Interval};
    use crate::data::lines::TextError;

    fn read(text: &[u8]) -> Result<Vec<Interval>, TextError> {
        let (mut bed, mut all) = (Bed::new("x.bed", text), Vec::new());
        while let Some(interval) = bed.next_interval()? {
            all.push(interval);
        }
        Ok(all)
    }

    #[test]
    fn intervals_and_what_is_none() {
        let text = b"# comment\nbrowser position chr1:1-2\ntrack name=x\n\nchr1\t10\t20\ta name\t0\t+\r\nchrX 5 5\n";
        let interval = |chromosome: &str, start, end, rest: &[&str]| Interval {
            chromosome: chromosome.into(),
            start,
            end,
            rest: rest.iter().map(|field| field.to_string()).collect(),
        };
        let expected = [interval("chr1", 10, 20, &["a name", "0", "+"]), interval("chrX", 5, 5, &[])];
        assert_eq!(read(text).unwrap(), expected);
        for (bad, word) in [
            (&b"chr1\t10\n"[..], "row 1: expected a chromosome"),
            (b"chr1\t1\t2\nchr1\t-1\t2\n", "row 2: expected a position, found `-1`"),
            (b"chr1\t3\t2\n", "3 and 2"),
        ] {
            let message = read(bad).unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        }
    }
}
