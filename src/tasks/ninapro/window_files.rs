//! The benchmark's own files: `ninapro_<part>.npy` of windows (time, electrode) and `label_<part>.npy`. Knows no split.

use crate::data::npy::{Npy, NpyError};
use crate::stages::context::StageError;
use crate::tasks::ninapro::raw_files::Wanted;
use std::io::{Read, Write};
use std::path::Path;

/// `StageError` with the conversion that `rows_f32` asks for.
struct Trouble(StageError);

impl From<NpyError> for Trouble {
    fn from(error: NpyError) -> Self {
        Trouble(StageError::Data(error.to_string()))
    }
}

fn damaged(error: NpyError) -> StageError {
    StageError::Data(error.to_string())
}

/// The labels of a file that should hold `count`; `setting` says where the count comes from.
pub fn labels(
    file: &str,
    reader: &mut dyn Read,
    count: usize,
    classes: usize,
    setting: &str,
) -> Result<Vec<u32>, StageError> {
    let mut npy = Npy::open(file, reader).map_err(damaged)?;
    let found = npy.remaining();
    if found != count || npy.header().shape.iter().any(|axis| *axis != found && *axis != 1) {
        return Err(StageError::Data(format!(
            "{file}: {count} labels were expected, found shape {:?}; set {setting} to use this file",
            npy.header().shape
        )));
    }
    let mut values = vec![0i64; count];
    npy.next_i64(&mut values).map_err(damaged)?;
    let label = |(row, value): (usize, &i64)| {
        let label = u32::try_from(*value).ok().filter(|label| (*label as usize) < classes);
        label.ok_or_else(|| {
            StageError::Data(format!(
                "{file}, row {row}: a label below {classes} was expected, found {value}; set data.classes to use this file"
            ))
        })
    };
    values.iter().enumerate().map(label).collect()
}

/// Copies the windows of a file that should hold `count` as `f32` (window, electrode, time).
pub fn windows(
    file: &str,
    reader: &mut dyn Read,
    count: usize,
    wanted: Wanted,
    setting: &str,
    scratch: &Path,
    output: &mut dyn Write,
) -> Result<(), StageError> {
    let Wanted { channels, length, .. } = wanted;
    let mut npy = Npy::open(file, reader).map_err(damaged)?;
    if npy.header().shape != [count, length, channels] {
        return Err(StageError::Data(format!(
            "{file}: {count} windows of {length} moments and {channels} electrodes were expected, found shape {:?}; set \
             {setting}, data.length and data.channels to use this file",
            npy.header().shape
        )));
    }
    let mut bytes = vec![0u8; 4 * length * channels];
    let copied = npy.rows_f32::<Trouble>(scratch, &mut |row, values| {
        // without a way out the loop is one of vectors
        let broken = values.iter().fold(false, |broken, v| broken | !v.is_finite());
        if broken && let Some(at) = values.iter().position(|v| !v.is_finite()) {
            let (moment, electrode, value) = (at / channels, at % channels, values[at]);
            return Err(Trouble(StageError::Data(format!(
                "{file}, row {row}, moment {moment}, electrode {electrode}: a finite value was expected, found {value}"
            ))));
        }
        for (channel, row) in bytes.chunks_exact_mut(4 * length).enumerate() {
            for (out, moment) in row.as_chunks_mut::<4>().0.iter_mut().zip(values.chunks_exact(channels)) {
                *out = moment[channel].to_le_bytes();
            }
        }
        output.write_all(&bytes).map_err(|e| Trouble(StageError::from(e)))
    });
    copied.map_err(|trouble| trouble.0)
}
