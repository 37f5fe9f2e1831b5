//! Reads the two files of a protein in PDNET's layout: a pickle of features and an npy of distances (task specification §8.1).
//! Knows no archive and no canvas.

use crate::data::npy::{Npy, NpyError, array_of};
use crate::data::pickle::Pickle;
use crate::stages::context::StageError;
use crate::tasks::psicov::protein::{PROFILE, ROWS};
use std::io::Read;
use std::path::Path;

/// Bounds that upstream asserts: features lie within, distances do not exceed (`NB360:backbone/data_utils/protein_io.py`).
const FEATURE_BOUND: f32 = 100.0;
const FARTHEST: f32 = 500.0;

/// What the files of a protein hold, in the order of `protein.rs`.
pub struct Sequence {
    pub length: usize,
    /// (27, length).
    pub rows: Vec<f32>,
    /// Three maps, (length, length) each.
    pub maps: [Vec<f32>; 3],
}

fn wrong(shown: &str, what: &str) -> StageError {
    StageError::Data(format!("{shown}: {what} (PDNET's layout)"))
}

fn damaged(e: NpyError) -> StageError {
    StageError::Data(e.to_string())
}

/// An array of a pickle in C order.
struct Wanted<'a> {
    shown: &'a str,
    scratch: &'a Path,
    name: String,
    shape: Vec<usize>,
}

impl Wanted<'_> {
    fn take<R: Read>(&self, mut npy: Npy<R>) -> Result<Vec<f32>, StageError> {
        let (found, shown, name, shape) = (npy.header().shape.clone(), self.shown, &self.name, &self.shape);
        if found != *shape {
            return Err(wrong(shown, &format!("expected {name} of shape {shape:?}, found {found:?}")));
        }
        let mut values = Vec::new();
        if !npy.header().fortran {
            // as many as the pickle's bytes hold
            values.resize(npy.remaining(), 0.0);
            npy.next_f32(&mut values).map_err(damaged)?;
        } else {
            npy.rows_f32::<Trouble>(self.scratch, &mut |_, row| {
                values.extend_from_slice(row);
                Ok(())
            })
            .map_err(|trouble| damaged(trouble.0))?;
        }
        Ok(values)
    }

    /// Every value must satisfy `fits`.
    fn check(&self, values: &[f32], fits: impl Fn(f32) -> bool, expected: &str) -> Result<(), StageError> {
        let Some(at) = values.iter().position(|value| !fits(*value)) else { return Ok(()) };
        let last = *self.shape.last().unwrap_or(&1);
        let (name, value) = (&self.name, values[at]);
        let place = if self.shape.len() == 1 { format!("[{at}]") } else { format!("[{}, {}]", at / last, at % last) };
        Err(wrong(self.shown, &format!("{name}{place}: expected {expected}, found {value}")))
    }
}

/// Reads `<id>.pkl`: a dict of sequence, secondary structure (3,L), profile (L,22), accessibility (L), entropy (L), and the
/// maps `ccmpred`, `freecon` and `potential` (L,L), of any number type.
pub fn read_features(shown: &str, reader: &mut dyn Read, scratch: &Path) -> Result<Sequence, StageError> {
    let pickle = Pickle::read(shown, reader, scratch).map_err(|e| StageError::Data(e.to_string()))?;
    let item = |key: &str| {
        let found = pickle.item(pickle.root(), key);
        found.ok_or_else(|| wrong(shown, &format!("expected a dict with a key `{key}`, found none")))
    };
    let sequence = pickle.text(item("seq")?).ok_or_else(|| wrong(shown, "expected a text `seq`"))?;
    let length = sequence.chars().count();
    if length < 2 {
        return Err(wrong(shown, &format!("expected a sequence of at least 2 residues, found {length}")));
    }
    let array = |key: &str, shape: &[usize]| -> Result<Vec<f32>, StageError> {
        let wanted = Wanted { shown, scratch, name: format!("`{key}`"), shape: shape.to_vec() };
        let values = wanted.take(array_of(&format!("{shown}, `{key}`"), &pickle, item(key)?).map_err(damaged)?)?;
        wanted.check(&values, |value| value.abs() < FEATURE_BOUND, "a value between -100 and 100")?;
        Ok(values)
    };
    let mut rows = array("ss", &[3, length])?;
    let profile = array("pssm", &[length, PROFILE])?;
    rows.reserve((ROWS - 3) * length);
    for column in 0..PROFILE {
        rows.extend((0..length).map(|residue| profile[residue * PROFILE + column]));
    }
    rows.extend(array("sa", &[length])?);
    rows.extend(array("entropy", &[length])?);
    let map = |key| array(key, &[length, length]);
    Ok(Sequence { length, rows, maps: [map("ccmpred")?, map("freecon")?, map("potential")?] })
}

/// Reads `<id>-cb.npy`: three objects, the length, the sequence and the distances (L,L) in Å. Gives length and distances.
pub fn read_distances(shown: &str, reader: &mut dyn Read, scratch: &Path) -> Result<(usize, Vec<f32>), StageError> {
    let pickle = Npy::open(shown, reader).and_then(|npy| npy.into_object(scratch)).map_err(damaged)?;
    let layout = "expected an array of three objects: length, sequence, distances";
    let Some(&[length, _, distances]) = pickle.elements(pickle.root()) else {
        return Err(wrong(shown, layout));
    };
    let length = pickle.integer(length).and_then(|length| usize::try_from(length).ok());
    let length = length.ok_or_else(|| wrong(shown, layout))?;
    let name = "distances".to_string();
    let wanted = Wanted { shown, scratch, name, shape: vec![length, length] };
    let values = wanted.take(array_of(shown, &pickle, distances).map_err(damaged)?)?;
    wanted.check(&values, |value| (0.0..=FARTHEST).contains(&value), "a distance from 0 to 500 Å")?;
    Ok((length, values))
}

/// `NpyError` with the conversion that `rows_f32` asks for.
struct Trouble(NpyError);

impl From<NpyError> for Trouble {
    fn from(error: NpyError) -> Self {
        Trouble(error)
    }
}
