//! Reads the header of a WFDB record: its signals, and how stored numbers become physical values. Knows no signal file.
//! Format: the WFDB Software Package, `header(5)`.

use crate::data::lines::{Lines, TextError};
use std::io::BufRead;

/// Units per physical unit where the header gives none, or 0 (`WFDB_DEFGAIN`).
const DEFAULT_GAIN: f64 = 200.0;
/// Samples per second where the header gives none (`WFDB_DEFFREQ`).
const DEFAULT_FREQUENCY: f64 = 250.0;
/// A record of more signals is damage.
const MOST_SIGNALS: usize = 4096;

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub struct WfdbHeader {
    pub name: String,
    /// Samples per second and signal.
    pub frequency: f64,
    /// Samples per signal, where the header says so.
    pub samples: Option<u64>,
    pub signals: Vec<WfdbSignal>,
    /// Lines that start with `#`, without it.
    pub comments: Vec<String>,
}

/// One signal.
#[derive(Clone, Debug, PartialEq)]
pub struct WfdbSignal {
    /// File that holds it.
    pub file: String,
    /// Storage format, such as 16 or 212.
    pub format: u32,
    /// Bytes in the file before the first sample.
    pub offset: u64,
    /// Stored units per physical unit.
    pub gain: f64,
    /// Stored number of the physical value 0.
    pub baseline: i64,
    /// Physical unit, `mV` where none is given.
    pub units: String,
    /// Bits of the converter.
    pub resolution: Option<i64>,
    /// Middle of the converter's range.
    pub zero: i64,
    /// Stored number of the first sample.
    pub first: Option<i64>,
    /// Sum of all samples in 16 bits.
    pub checksum: Option<i64>,
    pub description: String,
}

impl WfdbSignal {
    /// The physical value of a stored number.
    pub fn physical(&self, stored: f64) -> f64 {
        (stored - self.baseline as f64) / self.gain
    }
}

/// Reads a header file. `file` is the name for messages.
pub fn read_header(file: &str, reader: impl BufRead) -> Result<WfdbHeader, TextError> {
    let mut lines = Lines::new(file, reader);
    let (mut header, mut expected): (Option<WfdbHeader>, usize) = (None, 0);
    let mut comments = Vec::new();
    while let Some(line) = lines.next_line()? {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            // A comment before the record line belongs to nobody.
            comments.push(comment.trim().to_string());
        } else if !line.is_empty() {
            let parsed = match &mut header {
                None => record(line).map(|(found, signals)| {
                    header = Some(found);
                    expected = signals;
                }),
                Some(header) if header.signals.len() < expected => signal(line).map(|found| header.signals.push(found)),
                Some(_) => Err(format!("expected {expected} signals, found one more line")),
            };
            if let Err(problem) = parsed {
                return Err(lines.error(problem));
            }
        }
    }
    let mut header = header.ok_or_else(|| lines.error("expected a record line, found the end of the file".into()))?;
    if header.signals.len() != expected {
        return Err(lines.error(format!("expected {expected} signals, found {}", header.signals.len())));
    }
    header.comments = comments;
    Ok(header)
}

/// Name, signals, frequency, samples; the starting time behind them is not read.
fn record(line: &str) -> Result<(WfdbHeader, usize), String> {
    let mut fields = line.split_ascii_whitespace();
    let name = fields.next().unwrap_or("");
    if name.contains('/') {
        return Err(format!("expected a record of one segment, found `{name}`"));
    }
    let signals = fields.next().ok_or("expected the number of signals, found the end of the line")?;
    let count = signals.parse::<usize>().ok().filter(|count| *count <= MOST_SIGNALS);
    let count = count.ok_or_else(|| format!("expected up to {MOST_SIGNALS} signals, found `{signals}`"))?;
    let mut frequency = DEFAULT_FREQUENCY;
    if let Some(field) = fields.next() {
        // A counter frequency may follow behind a slash.
        let value = field.split(['/', '(']).next().unwrap_or("");
        let parsed = value.parse::<f64>().ok().filter(|value| value.is_finite() && *value > 0.0);
        frequency = parsed.ok_or_else(|| format!("expected samples per second, found `{field}`"))?;
    }
    let samples = match fields.next() {
        None => None,
        Some(field) => {
            Some(field.parse::<u64>().map_err(|_| format!("expected a number of samples, found `{field}`"))?)
        }
    };
    // 0 means that it is not known.
    let samples = samples.filter(|samples| *samples > 0);
    Ok((WfdbHeader { name: name.to_string(), frequency, samples, signals: vec![], comments: vec![] }, count))
}

fn signal(line: &str) -> Result<WfdbSignal, String> {
    // The description is the rest of the line behind eight fields.
    let mut rest = line;
    let mut fields = Vec::new();
    while fields.len() < 8 && !rest.is_empty() {
        let (field, tail) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        fields.push(field);
        rest = tail.trim_start();
    }
    let [file, format, ..] = fields[..] else {
        return Err(format!("expected a file and a format, found `{line}`"));
    };
    // FORMAT[xSAMPLES][:SKEW][+OFFSET]
    let (format, offset) = format.split_once('+').unwrap_or((format, "0"));
    let digits = format.split(['x', ':']).next().unwrap_or("");
    let plain = digits.len() == format.len();
    let format = digits.parse::<u32>().ok().filter(|_| plain);
    let format = format.ok_or("expected a format of one sample per frame without skew")?;
    let offset = offset.parse::<u64>().map_err(|_| format!("expected an offset in bytes, found `{offset}`"))?;
    let integer = |index: usize| match fields.get(index) {
        None => Ok(None),
        Some(field) => field.parse::<i64>().map(Some).map_err(|_| format!("expected an integer, found `{field}`")),
    };
    let zero = integer(4)?.unwrap_or(0);
    let (mut gain, mut baseline, mut units) = (DEFAULT_GAIN, zero, "mV".to_string());
    if let Some(field) = fields.get(2) {
        // GAIN[(BASELINE)][/UNITS]
        let bad = || format!("expected a gain such as 200(0)/mV, found `{field}`");
        let (number, unit) = field.split_once('/').unwrap_or((field, "mV"));
        units = unit.to_string();
        let (number, base) = match number.split_once('(') {
            Some((number, base)) => (number, Some(base.strip_suffix(')').ok_or_else(bad)?)),
            None => (number, None),
        };
        gain = number.parse::<f64>().ok().filter(|gain| gain.is_finite()).ok_or_else(bad)?;
        if gain == 0.0 {
            gain = DEFAULT_GAIN;
        }
        if let Some(base) = base {
            baseline = base.parse().map_err(|_| bad())?;
        }
    }
    Ok(WfdbSignal {
        file: file.to_string(),
        format,
        offset,
        gain,
        baseline,
        units,
        resolution: integer(3)?,
        zero,
        first: integer(5)?,
        checksum: integer(6)?,
        description: rest.trim().to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::{WfdbHeader, read_header};
    use crate::data::lines::TextError;

    fn read(text: &str) -> Result<WfdbHeader, TextError> {
        read_header("x.hea", text.as_bytes())
    }

    #[test]
    fn challenge_and_database_headers() {
        let header =
            read("A00001 1 300 9000 2014-05-01 11:05:48 \nA00001.mat 16+24 1000/mV 16 0 519 0 0 ECG \n").unwrap();
        assert_eq!((header.name.as_str(), header.frequency, header.samples), ("A00001", 300.0, Some(9000)));
        let signal = &header.signals[0];
        assert_eq!((signal.file.as_str(), signal.format, signal.offset), ("A00001.mat", 16, 24));
        assert_eq!((signal.gain, signal.baseline, signal.units.as_str()), (1000.0, 0, "mV"));
        assert_eq!((signal.first, signal.description.as_str()), (Some(519), "ECG"));
        assert_eq!(signal.physical(500.0), 0.5);
        let header = read(
            "#!x\n100 2 360/1(0) 650000\n100.dat 212 200(-5)/uV 11 1024 995 -22131 0 MLII lead\n100.dat 212\n# 69 M\n",
        );
        let header = header.unwrap();
        assert_eq!((header.frequency, header.comments), (360.0, vec!["!x".to_string(), "69 M".to_string()]));
        let (first, second) = (&header.signals[0], &header.signals[1]);
        assert_eq!(
            (first.baseline, first.zero, first.checksum, first.description.as_str()),
            (-5, 1024, Some(-22131), "MLII lead")
        );
        assert_eq!((second.gain, second.baseline, second.first), (200.0, 0, None));
        assert_eq!(read("r 0").unwrap().samples, None);
    }

    #[test]
    fn damage() {
        for (text, word) in [
            ("", "record line"),
            ("r\n", "row 1: expected the number of signals"),
            ("r 1\n", "expected 1 signals, found 0"),
            ("r 0\nx 16\n", "row 2: expected 0 signals"),
            ("r/2 1\n", "one segment"),
            ("r 99999\n", "`99999`"),
            ("r 1 x\n", "samples per second"),
            ("r 1 -3\n", "samples per second"),
            ("r 1 300 x\n", "number of samples"),
            ("r 1\na\n", "file and a format"),
            ("r 1\na 16x4\n", "one sample per frame"),
            ("r 1\na 16+x\n", "offset"),
            ("r 1\na 16 1(2/mV\n", "gain"),
            ("r 1\na 16 nan\n", "gain"),
            ("r 1\na 16 1 x\n", "integer"),
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(word), "{text}: {message}");
        }
    }
}
