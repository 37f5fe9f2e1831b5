//! One raw recording: signals of all electrodes with a mark for each moment, out of a DB5 MAT-file or a Myo armband's stream.
//! Knows no window and no split.

use crate::data::mat5::{Mat5, MatError, Variable};
use crate::stages::context::StageError;
use crate::tasks::ninapro::windows::Mark;
use std::io::Read;

/// A longer recording is damage: an hour of 16 electrodes at 200 Hz has 11.5 million values.
const MOST_VALUES: u64 = 1 << 26;
/// Gestures, rest included, of the data set of armband streams (`MyoArmbandDataset`, PrepareAndLoadDataLearning/).
const MYO_GESTURES: u32 = 7;
/// Electrodes of one armband.
const MYO_ELECTRODES: usize = 8;

/// Signals row by row: all electrodes of the first moment, then of the next.
pub struct Recording {
    pub values: Vec<f32>,
    pub marks: Vec<Mark>,
}

/// The variables `emg` (time, electrode), `restimulus` and `rerepetition` (time) of a MAT-file.
pub fn mat_file(shown: &str, reader: &mut dyn Read, channels: usize) -> Result<Recording, StageError> {
    let damaged = |e: MatError| StageError::Data(e.to_string());
    let mut mat = Mat5::open(shown, reader).map_err(damaged)?;
    let (mut emg, mut gestures, mut repetitions) = (None, None, None);
    while let Some(mut variable) = mat.next_variable().map_err(damaged)? {
        let slot = match variable.header.name.as_str() {
            "emg" => &mut emg,
            "restimulus" => &mut gestures,
            "rerepetition" => &mut repetitions,
            _ => continue,
        };
        let dims = variable.header.dims.clone();
        *slot = Some((dims, read(shown, &mut variable)?));
    }
    let (Some((dims, emg)), Some((_, gestures)), Some((_, repetitions))) = (emg, gestures, repetitions) else {
        return Err(StageError::Data(format!(
            "{shown}: variables `emg`, `restimulus` and `rerepetition` were expected, found not all of them"
        )));
    };
    let [moments, found] = dims[..] else {
        return Err(StageError::Data(format!("{shown}: `emg` of (time, electrode) was expected, found {dims:?}")));
    };
    if found != channels as u64 {
        return Err(StageError::Data(format!(
            "{shown}: `emg` of {channels} electrodes was expected, found {found}; set data.channels to use this file"
        )));
    }
    let moments = moments as usize;
    if gestures.len() != moments || repetitions.len() != moments {
        let found = (gestures.len(), repetitions.len());
        return Err(StageError::Data(format!(
            "{shown}: annotations of {moments} moments were expected, found {found:?}"
        )));
    }
    let mut values = Vec::with_capacity(moments * channels);
    for moment in 0..moments {
        values.extend((0..channels).map(|channel| emg[channel * moments + moment]));
    }
    let mark = |(gesture, repetition): (&f32, &f32)| Mark { gesture: *gesture as u32, repetition: *repetition as u32 };
    Ok(Recording { values, marks: gestures.iter().zip(&repetitions).map(mark).collect() })
}

/// All values of a variable, column by column.
fn read(shown: &str, variable: &mut Variable<'_>) -> Result<Vec<f32>, StageError> {
    let mut left = variable.header.elements();
    if left > MOST_VALUES {
        let name = &variable.header.name;
        return Err(StageError::Data(format!("{shown}: `{name}` of {left} values: more than an hour of recording")));
    }
    let mut values = Vec::new();
    let mut piece = vec![0.0; left.min(1 << 14) as usize];
    // in pieces: a length in a file is no reason to ask for memory
    while left > 0 {
        let len = left.min(piece.len() as u64) as usize;
        variable.read(&mut piece[..len]).map_err(|e| StageError::Data(e.to_string()))?;
        values.extend(piece[..len].iter().map(|v| *v as f32));
        left -= len as u64;
    }
    Ok(values)
}

/// A stream of one Myo armband: 16-bit integers of all electrodes, moment by moment. The file's number n in its name
/// `classe_<n>.dat` says gesture (n mod 7) and repetition (n div 7), as in the armband data set's own reader.
pub fn myo_file(shown: &str, number: u32, reader: &mut dyn Read, channels: usize) -> Result<Recording, StageError> {
    if channels != MYO_ELECTRODES {
        return Err(StageError::Data(format!(
            "{shown}: an armband's stream of {MYO_ELECTRODES} electrodes does not fit data.channels {channels}; set \
             data.channels to use this file"
        )));
    }
    let mut bytes = Vec::new();
    let read = reader.take(2 * MOST_VALUES + 1).read_to_end(&mut bytes);
    read.map_err(|e| StageError::Data(format!("{shown}: {e}")))?;
    let moment = 2 * channels;
    if bytes.is_empty() || !bytes.len().is_multiple_of(moment) || bytes.len() as u64 > 2 * MOST_VALUES {
        return Err(StageError::Data(format!(
            "{shown}: 16-bit values of {channels} electrodes, {moment} bytes a moment, were expected, found {} bytes",
            bytes.len()
        )));
    }
    let value = |pair: &[u8]| f32::from(i16::from_le_bytes([pair[0], pair[1]]));
    let mark = Mark { gesture: number % MYO_GESTURES, repetition: number / MYO_GESTURES + 1 };
    Ok(Recording { values: bytes.chunks_exact(2).map(value).collect(), marks: vec![mark; bytes.len() / moment] })
}
