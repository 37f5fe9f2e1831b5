//! Looks at a folder of arrays: which there are, how large, and what values they hold. Reads headers, and the first values.
//! Knows no manifest.

use crate::data::npy::Npy;
use crate::data::npz::{NpzError, arrays};
use crate::data::safetensors_stream::Stream;
use crate::tasks::arrays::options::{Options, Pair, Place};
use crate::tasks::arrays::shapes;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// Values looked at to tell classes from numbers.
const LOOKED_AT: usize = 1 << 16;

/// An array in a file of the folder.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundArray {
    pub place: Place,
    pub shape: Vec<usize>,
    /// The error says why it holds no numbers that can be read, and what to save instead.
    pub values: Result<Seen, String>,
}

/// What the values looked at are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Whole numbers of at least 0.
    pub whole: bool,
    /// 0 or 1.
    pub binary: bool,
    /// Neither NaN nor infinite.
    pub finite: bool,
    /// Rows of three values or more, of which one is 1 and the others are 0.
    pub one_hot: bool,
    /// Largest value, and how many different ones, where all values of the array were looked at.
    pub all: Option<(f32, usize)>,
}

/// Arrays of all npy, npz and safetensors files in `folder`, by file name and place in the file.
///
/// # Errors
/// The folder or a file cannot be read, or the frame of a file is damaged: the message names it.
pub fn look(folder: &Path) -> Result<Vec<FoundArray>, String> {
    let listing = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut names: Vec<String> = Vec::new();
    for entry in listing {
        let entry = entry.map_err(|e| format!("{}: {e}", folder.display()))?;
        names.extend(entry.file_name().to_str().map(str::to_string));
    }
    names.sort();
    let mut found = Vec::new();
    for name in names {
        let known = [".npy", ".npz", ".safetensors"].iter().any(|ending| name.ends_with(ending));
        if known {
            let file = File::open(folder.join(&name)).map_err(|e| format!("{name}: {e}"))?;
            one(&name, &mut BufReader::new(file), &mut found)?;
        }
    }
    Ok(found)
}

/// Whether the arrays that a task's settings name fit together, by their shapes. Files that are not there are passed over:
/// who runs the task is told.
pub fn check(folder: &Path, settings: &Map<String, Value>) -> Result<(), String> {
    let options = Options::parse(settings)?;
    let pairs = [Some(options.train()), options.validation(), options.test()];
    let mut first: Option<[(String, Vec<usize>); 2]> = None;
    for Pair { x, y } in pairs.into_iter().flatten() {
        if !folder.join(&x.file).is_file() || !folder.join(&y.file).is_file() {
            continue;
        }
        let (x_shape, y_shape) = (shape_of(folder, &x)?, shape_of(folder, &y)?);
        let (x, y) = (x.to_string(), y.to_string());
        let input = shapes::input(&options, &x, &x_shape)?;
        shapes::paired(&x, &x_shape, &y, &y_shape)?;
        shapes::target(&options, &y, &y_shape, &input)?;
        match &first {
            None => first = Some([(x, x_shape), (y, y_shape)]),
            Some([(other, shape), (other_y, shape_y)]) => {
                shapes::alike(&x, &x_shape, other, shape)?;
                shapes::alike(&y, &y_shape, other_y, shape_y)?;
            }
        }
    }
    Ok(())
}

/// Shape of one array.
fn shape_of(folder: &Path, place: &Place) -> Result<Vec<usize>, String> {
    let file = File::open(folder.join(&place.file)).map_err(|e| format!("{}: {e}", place.file))?;
    let mut found = Vec::new();
    one(&place.file, &mut BufReader::new(file), &mut found)?;
    let names: Vec<String> = found.iter().map(|array: &FoundArray| array.place.to_string()).collect();
    let array = found.into_iter().find(|array| array.place == *place);
    let array = array.ok_or_else(|| format!("`{place}` is not there; found {}", names.join(", ")))?;
    array.values.map(|_| array.shape)
}

struct Trouble(String);

impl From<NpzError> for Trouble {
    fn from(error: NpzError) -> Self {
        Trouble(error.to_string())
    }
}

fn one(name: &str, reader: &mut dyn Read, found: &mut Vec<FoundArray>) -> Result<(), String> {
    if name.ends_with(".npy") {
        let npy = Npy::open(name, reader).map_err(|e| e.to_string())?;
        found.push(of_npy(Place { file: name.to_string(), array: None }, npy));
        return Ok(());
    }
    if name.ends_with(".npz") {
        let listed = arrays::<Trouble>(name, reader, &mut |array, npy| {
            found.push(of_npy(Place { file: name.to_string(), array: Some(array.to_string()) }, npy));
            Ok(())
        });
        return listed.map_err(|trouble| trouble.0);
    }
    let mut stream = Stream::open(name, reader).map_err(|e| e.to_string())?;
    while let Some(mut tensor) = stream.next_tensor().map_err(|e| e.to_string())? {
        let place = Place { file: name.to_string(), array: Some(tensor.name.clone()) };
        let shape = tensor.shape.clone();
        let mut values = Vec::new();
        let looked = tensor.values(&mut |piece| {
            values.extend(piece.iter().take(LOOKED_AT - values.len().min(LOOKED_AT)));
            Ok(())
        });
        let values = looked.map(|()| seen(&shape, &values)).map_err(|e| e.to_string());
        found.push(FoundArray { place, shape, values });
    }
    Ok(())
}

fn of_npy<R: Read>(place: Place, mut npy: Npy<R>) -> FoundArray {
    let header = npy.header();
    let (shape, count) = (header.shape.clone(), header.elements().min(LOOKED_AT));
    let instead = match header.kind {
        'U' | 'S' => "texts; for classes save their numbers: np.unique(y, return_inverse=True)[1]",
        'O' => "Python objects; save one array of numbers, all rows of one shape: np.stack",
        'c' => "complex numbers; save real and imaginary parts as two channels",
        _ => "",
    };
    let mut values = vec![0f32; count];
    let values = if instead.is_empty() {
        npy.next_f32(&mut values).map(|()| seen(&shape, &values)).map_err(|e| e.to_string())
    } else {
        Err(format!("{place}: expected numbers, found {instead}"))
    };
    FoundArray { place, shape, values }
}

/// Of the first values of an array.
fn seen(shape: &[usize], values: &[f32]) -> Seen {
    let row = shape.get(1..).unwrap_or_default().iter().product::<usize>();
    let one = |row: &[f32]| row.iter().filter(|v| **v == 1.0).count() == 1;
    let binary = values.iter().all(|v| *v == 0.0 || *v == 1.0);
    let mut different = values.to_vec();
    different.sort_by(f32::total_cmp);
    different.dedup();
    let complete = shape.iter().product::<usize>() == values.len();
    Seen {
        whole: values.iter().all(|v| *v >= 0.0 && v.fract() == 0.0),
        binary,
        finite: values.iter().all(|v| v.is_finite()),
        one_hot: binary && shape.len() == 2 && row > 2 && values.chunks_exact(row).all(one),
        all: different.last().filter(|_| complete).map(|most| (*most, different.len())),
    }
}
