//! Arrays of npy, npz and safetensors files on their way in: row by row into scratch files of `f32`, from which rows are read in
//! any order. Memory is one row. Knows no task and no split.

use crate::data::npy::{Npy, NpyError};
use crate::data::npz::{NpzError, arrays};
use crate::data::safetensors_stream::{Stream, StreamError};
use crate::stages::context::{Context, StageError};
use crate::tasks::arrays::options::Place;
use crate::tasks::contract::preparation::RAW;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// An array of `f32` values in a scratch file.
pub struct Staged {
    pub place: String,
    pub shape: Vec<usize>,
    file: File,
}

impl Staged {
    pub fn rows(&self) -> usize {
        self.shape[0]
    }

    /// Values of one row.
    pub fn row_len(&self) -> usize {
        self.shape[1..].iter().product()
    }

    pub fn row(&self, index: usize, out: &mut Vec<f32>) -> io::Result<()> {
        let len = self.row_len();
        let mut bytes = vec![0u8; 4 * len];
        self.file.read_exact_at(&mut bytes, (4 * len * index) as u64)?;
        out.clear();
        out.extend(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        Ok(())
    }
}

struct Trouble(StageError);

impl From<NpzError> for Trouble {
    fn from(error: NpzError) -> Self {
        Trouble(StageError::Data(error.to_string()))
    }
}

impl From<NpyError> for Trouble {
    fn from(error: NpyError) -> Self {
        Trouble(StageError::Data(error.to_string()))
    }
}

impl From<StreamError> for Trouble {
    fn from(error: StreamError) -> Self {
        Trouble(StageError::Data(error.to_string()))
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble(StageError::from(error))
    }
}

/// Brings the arrays at `places` in. Every raw file is read once, to its end.
pub fn stage(places: &[Place], context: &mut dyn Context) -> Result<BTreeMap<Place, Staged>, StageError> {
    let scratch = context.scratch()?;
    let mut found = BTreeMap::new();
    for name in context.names(RAW) {
        let wanted: Vec<&Place> = places.iter().filter(|place| place.file == name).collect();
        let mut raw = BufReader::with_capacity(1 << 16, context.open(RAW, &name)?);
        file(&name, &wanted, &mut raw, &scratch, &mut found).map_err(|trouble| trouble.0)?;
        io::copy(&mut raw, &mut io::sink())?; // the input's digest is verified at its end
    }
    match places.iter().find(|place| !found.contains_key(*place)) {
        None => Ok(found),
        Some(place) => Err(StageError::Data(format!(
            "expected an array `{place}`, found no such array in the file; name it as `file:array` in the task's settings"
        ))),
    }
}

fn file(
    name: &str,
    wanted: &[&Place],
    raw: &mut dyn Read,
    scratch: &Path,
    found: &mut BTreeMap<Place, Staged>,
) -> Result<(), Trouble> {
    if name.ends_with(".npy") {
        let mut npy = Npy::open(name, raw)?;
        for place in wanted.iter().filter(|place| place.array.is_none()) {
            let staged = from_npy(name, &mut npy, scratch)?;
            found.insert((*place).clone(), staged);
        }
        return Ok(());
    }
    if name.ends_with(".npz") {
        let mut seen = Vec::new();
        arrays::<Trouble>(name, raw, &mut |array, mut npy| {
            seen.push(array.to_string());
            if let Some(place) = wanted.iter().find(|place| place.array.as_deref() == Some(array)) {
                let staged = from_npy(&place.to_string(), &mut npy, scratch)?;
                found.insert((*place).clone(), staged);
            }
            Ok(())
        })?;
        return complete(name, wanted, &seen);
    }
    if name.ends_with(".safetensors") {
        let mut stream = Stream::open(name, raw)?;
        let mut seen = Vec::new();
        while let Some(mut tensor) = stream.next_tensor()? {
            seen.push(tensor.name.clone());
            if let Some(place) = wanted.iter().find(|place| place.array.as_deref() == Some(tensor.name.as_str())) {
                let shape = with_rows(&place.to_string(), &tensor.shape)?;
                let mut output = BufWriter::new(tempfile::tempfile_in(scratch)?);
                tensor.values(&mut |values| write(&mut output, values))?;
                let file = output.into_inner().map_err(|e| e.into_error())?;
                found.insert((*place).clone(), Staged { place: place.to_string(), shape, file });
            }
        }
        return complete(name, wanted, &seen);
    }
    Err(Trouble(StageError::Data(format!("{name}: expected a file that ends in .npy, .npz or .safetensors"))))
}

/// All arrays of a file were seen.
fn complete(name: &str, wanted: &[&Place], seen: &[String]) -> Result<(), Trouble> {
    let missing = wanted.iter().find(|place| !place.array.as_ref().is_some_and(|array| seen.contains(array)));
    match missing {
        None => Ok(()),
        Some(place) => Err(Trouble(StageError::Data(format!(
            "{name}: expected an array `{}`, found {}; write `{name}:ARRAY` in the task's settings",
            place.array.as_deref().unwrap_or("?"),
            seen.join(", ")
        )))),
    }
}

fn with_rows(place: &str, shape: &[usize]) -> Result<Vec<usize>, Trouble> {
    if shape.is_empty() || shape.contains(&0) {
        return Err(Trouble(StageError::Data(format!("{place}: expected an array with rows, found shape {shape:?}"))));
    }
    Ok(shape.to_vec())
}

fn from_npy<R: Read>(place: &str, npy: &mut Npy<R>, scratch: &Path) -> Result<Staged, Trouble> {
    let shape = with_rows(place, &npy.header().shape)?;
    let mut output = BufWriter::new(tempfile::tempfile_in(scratch)?);
    npy.rows_f32::<Trouble>(scratch, &mut |_, row| Ok(write(&mut output, row)?))?;
    let file = output.into_inner().map_err(|e| e.into_error())?;
    Ok(Staged { place: place.to_string(), shape, file })
}

fn write(output: &mut dyn Write, values: &[f32]) -> io::Result<()> {
    for piece in values.chunks(1 << 12) {
        output.write_all(&piece.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    }
    Ok(())
}
