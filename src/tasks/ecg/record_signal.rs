//! The signal of one record: `val` of a MAT-file, and what its WFDB header announces. Knows no label.

use crate::data::mat5::{Mat5, MatError};
use crate::stages::context::StageError;
use crate::tasks::ecg::recordings::Values;

/// The variable that holds the signal.
const VARIABLE: &str = "val";

/// The signal of a MAT-file of version 4 or 5.
pub fn signal(shown: &str, bytes: &[u8]) -> Result<Values, StageError> {
    let data = |problem: String| StageError::Data(format!("{shown}: {problem}"));
    let values =
        if bytes.starts_with(b"MATLAB") { version_5(shown, bytes)? } else { version_4(bytes).map_err(data)? };
    Values::of(&values).map_err(data)
}

fn version_5(shown: &str, bytes: &[u8]) -> Result<Vec<f64>, StageError> {
    let damaged = |e: MatError| StageError::Data(e.to_string());
    let mut mat = Mat5::open(shown, bytes).map_err(damaged)?;
    while let Some(mut variable) = mat.next_variable().map_err(damaged)? {
        if variable.header.name != VARIABLE {
            continue;
        }
        let mut values = Vec::new();
        let mut left = variable.header.elements();
        // in pieces: a length in a file is no reason to ask for memory
        while left > 0 {
            let (start, piece) = (values.len(), left.min(1 << 16) as usize);
            values.resize(start + piece, 0.0);
            variable.read(&mut values[start..]).map_err(damaged)?;
            left -= piece as u64;
        }
        return Ok(values);
    }
    Err(StageError::Data(format!("{shown}: a variable `{VARIABLE}` was expected, found none")))
}

/// Version 4: five little-endian words (type, rows, columns, imaginary, length of the name), the name, the values.
/// Format: MathWorks, *MAT-File Format* (R2023a), appendix A.
fn version_4(bytes: &[u8]) -> Result<Vec<f64>, String> {
    let word = |at: usize| {
        let bytes = bytes.get(4 * at..4 * at + 4).ok_or("a header of 20 bytes was expected")?;
        Ok::<u32, String>(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    let (kind, rows, columns, imaginary, name) = (word(0)?, word(1)?, word(2)?, word(3)?, word(4)?);
    let width = match kind {
        0 => 8,
        10 => 4,
        20 => 4,
        30 | 40 => 2,
        50 => 1,
        _ => return Err(format!("a MAT-file of version 4 or 5 was expected, found type {kind} at offset 0")),
    };
    if imaginary != 0 || name > 64 {
        return Err(format!("a real variable was expected, found imaginary {imaginary}, a name of {name} bytes"));
    }
    let start = 20 + name as usize;
    let found = bytes.get(20..start).unwrap_or(&[]);
    if found.split(|b| *b == 0).next() != Some(VARIABLE.as_bytes()) {
        return Err(format!(
            "a variable `{VARIABLE}` was expected, found `{}`",
            String::from_utf8_lossy(found).escape_debug()
        ));
    }
    let count = u64::from(rows) * u64::from(columns);
    let body = bytes.get(start..).unwrap_or(&[]);
    if (body.len() as u64) < count * width {
        return Err(format!("{count} values of {width} bytes were expected, found {} bytes", body.len()));
    }
    let value = |b: &[u8]| match kind {
        0 => f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]),
        10 => f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
        20 => f64::from(i32::from_le_bytes([b[0], b[1], b[2], b[3]])),
        30 => f64::from(i16::from_le_bytes([b[0], b[1]])),
        40 => f64::from(u16::from_le_bytes([b[0], b[1]])),
        _ => f64::from(b[0]),
    };
    Ok(body.chunks_exact(width as usize).take(count as usize).map(value).collect())
}

/// Samples per signal that a WFDB header announces (its first line: record, signals, rate, samples).
pub fn header_samples(shown: &str, text: &str) -> Result<u64, StageError> {
    let line = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or("");
    let samples = line.split_whitespace().nth(3).and_then(|word| word.parse().ok());
    samples.ok_or_else(|| {
        StageError::Data(format!(
            "{shown}: a WFDB header with a number of samples was expected, found `{}`",
            line.escape_debug()
        ))
    })
}
