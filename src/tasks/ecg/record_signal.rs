//! The signal of one record: `val` of a MAT-file, and what its WFDB header announces. Knows no label.

use crate::data::lines::TextError;
use crate::data::mat4::{Mat4, Mat4Error};
use crate::data::mat5::{Mat5, MatError};
use crate::data::wfdb::read_header;
use crate::stages::context::StageError;
use crate::tasks::ecg::heart::RATE;
use crate::tasks::ecg::recordings::Values;

/// The variable that holds the signal.
const VARIABLE: &str = "val";
/// Values read at once: a length in a file is no reason to ask for memory.
const PIECE: u64 = 1 << 14;

/// The signal of a MAT-file of version 4, as the publisher has it, or 5.
pub fn signal(shown: &str, bytes: &[u8]) -> Result<Values, StageError> {
    let values = if bytes.starts_with(b"MATLAB") { version_5(shown, bytes)? } else { version_4(shown, bytes)? };
    let values = values.ok_or_else(|| {
        StageError::Data(format!("{shown}: a real matrix `{VARIABLE}` of one row was expected, found none"))
    })?;
    Values::of(&values).map_err(|problem| StageError::Data(format!("{shown}: {problem}")))
}

fn version_4(shown: &str, bytes: &[u8]) -> Result<Option<Vec<f64>>, StageError> {
    let damaged = |e: Mat4Error| StageError::Data(e.to_string());
    let mut mat = Mat4::open(shown, bytes);
    while let Some(mut matrix) = mat.next_matrix().map_err(damaged)? {
        if matrix.name == VARIABLE && !matrix.complex && (matrix.rows == 1 || matrix.columns == 1) {
            let count = matrix.rows * matrix.columns;
            return pieces(count, &mut |out| matrix.read(out)).map(Some).map_err(damaged);
        }
    }
    Ok(None)
}

fn version_5(shown: &str, bytes: &[u8]) -> Result<Option<Vec<f64>>, StageError> {
    let damaged = |e: MatError| StageError::Data(e.to_string());
    let mut mat = Mat5::open(shown, bytes).map_err(damaged)?;
    while let Some(mut variable) = mat.next_variable().map_err(damaged)? {
        let header = &variable.header;
        let (count, longest) = (header.elements(), header.dims.iter().copied().max().unwrap_or(0));
        if header.name == VARIABLE && header.class.is_some() && !header.complex && count == longest {
            return pieces(count, &mut |out| variable.read(out)).map(Some).map_err(damaged);
        }
    }
    Ok(None)
}

/// `count` values, as many at a time as the file has shown to hold.
fn pieces<E>(count: u64, read: &mut dyn FnMut(&mut [f64]) -> Result<(), E>) -> Result<Vec<f64>, E> {
    let mut values = Vec::new();
    while (values.len() as u64) < count {
        let start = values.len();
        values.resize(start + PIECE.min(count - start as u64) as usize, 0.0);
        read(&mut values[start..])?;
    }
    Ok(values)
}

/// Samples that a WFDB header announces, where it does.
pub fn header_samples(shown: &str, text: &str) -> Result<Option<u64>, StageError> {
    let header = read_header(shown, text.as_bytes()).map_err(|e: TextError| StageError::Data(e.to_string()))?;
    if header.frequency != RATE {
        let found = header.frequency;
        return Err(StageError::Data(format!("{shown}: {RATE} samples a second were expected, found {found}")));
    }
    Ok(header.samples)
}
