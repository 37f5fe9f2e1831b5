//! Recordings of `challenge2017.pkl`: a dict of signals (`data`) and class names (`label`). Knows no split.

use crate::data::npy::array_of;
use crate::data::pickle::Pickle;
use crate::data::pickle_object::{Arriving, Id, Object};
use crate::stages::context::StageError;
use crate::tasks::ecg::recordings::{Collector, Values};
use crate::tasks::ecg::windows::{CLASSES, label};
use std::io::Read;
use std::path::Path;

/// Reads the whole pickle; signals go to `collector` in the order of `data`. The labels in the same order. Signals of 16-bit
/// integers, as the official file has them, are taken while they are read; others stay in memory up to the end.
pub fn read(
    file: &str,
    reader: &mut dyn Read,
    scratch: &Path,
    collector: &mut Collector,
) -> Result<Vec<u32>, StageError> {
    // what was wrong with a signal while it was taken
    let mut broken = None;
    let mut taken = 0;
    let mut take = |array: &Arriving, reader: &mut dyn Read| {
        let Arriving { dtype, shape, .. } = array;
        let len: usize = shape.iter().product();
        let single = shape.iter().all(|axis| *axis == len || *axis == 1);
        if (dtype.kind, dtype.width, dtype.big_endian) != ('i', 2, false) || !single {
            return Ok(false);
        }
        let added = collector.add_whole(format!("{file}, recording {taken}"), len, reader);
        taken += 1;
        added.map_err(|error| {
            broken = Some(error);
            String::new()
        })?;
        Ok(true)
    };
    let pickle = Pickle::read_taking(file, reader, scratch, &mut take);
    if let Some(error) = broken {
        return Err(error);
    }
    let pickle = pickle.map_err(|e| StageError::Data(e.to_string()))?;
    let item = |key: &str| {
        let found = pickle.item(pickle.root(), key);
        found
            .ok_or_else(|| StageError::Data(format!("{file}: a dict with `data` and `label` was expected, no `{key}`")))
    };
    let (signals, names) = (items(&pickle, item("data")?), names(file, &pickle, item("label")?)?);
    let signals = signals.ok_or_else(|| {
        StageError::Data(format!("{file}: `data` should be an array of objects or a list, one signal each"))
    })?;
    if signals.len() != names.len() {
        let (signals, names) = (signals.len(), names.len());
        return Err(StageError::Data(format!(
            "{file}: as many labels as signals were expected, found {names} labels and {signals} signals"
        )));
    }
    let mut order = Vec::with_capacity(signals.len());
    for (number, id) in signals.iter().enumerate() {
        let shown = format!("{file}, recording {number}");
        order.push(match pickle.taken(*id) {
            Some(place) => place,
            None => {
                collector.add(shown.clone(), &signal(&shown, &pickle, *id)?)?;
                collector.len() - 1
            }
        });
    }
    collector.arrange(&order, |number| format!("{file}, recording {number}"));
    let label_of = |(number, name): (usize, &String)| {
        let expected = CLASSES.join(", ");
        label(name).ok_or_else(|| {
            StageError::Data(format!(
                "{file}, recording {number}: one of the labels {expected} was expected, found `{name}`"
            ))
        })
    };
    names.iter().enumerate().map(label_of).collect()
}

/// The objects of a list, a tuple or an array of objects.
fn items(pickle: &Pickle, id: Id) -> Option<&[Id]> {
    match pickle.get(id) {
        Object::List(items) | Object::Tuple(items) => Some(items),
        Object::Array { data, .. } => match pickle.get(*data) {
            Object::List(items) => Some(items),
            _ => None,
        },
        _ => None,
    }
}

fn names(file: &str, pickle: &Pickle, id: Id) -> Result<Vec<String>, StageError> {
    let wrong = || StageError::Data(format!("{file}: `label` should hold one text per recording"));
    if let Some(items) = items(pickle, id) {
        return items.iter().map(|item| pickle.text(*item).map(str::to_string).ok_or_else(wrong)).collect();
    }
    let damaged = |e: crate::data::npy::NpyError| StageError::Data(e.to_string());
    let mut array = array_of(&format!("{file}, `label`"), pickle, id).map_err(damaged)?;
    (0..array.remaining()).map(|_| array.next_text().map_err(damaged)).collect()
}

/// A one-dimensional array of numbers, or one whose other axes have length 1.
fn signal(shown: &str, pickle: &Pickle, id: Id) -> Result<Values, StageError> {
    let data = |problem: String| StageError::Data(format!("{shown}: {problem}"));
    let mut array = array_of(shown, pickle, id).map_err(|e| StageError::Data(e.to_string()))?;
    let len = array.remaining();
    if array.header().shape.iter().any(|axis| *axis != len && *axis != 1) {
        return Err(data(format!("a signal of one axis was expected, found shape {:?}", array.header().shape)));
    }
    if matches!((array.header().kind, array.header().width), ('i', 1 | 2) | ('u', 1)) {
        // whole numbers of 16 bits, which single precision holds exactly
        let mut values = vec![0f32; len];
        array.next_f32(&mut values).map_err(|e| StageError::Data(e.to_string()))?;
        return Ok(Values::Whole(values.iter().map(|v| *v as i16).collect()));
    }
    let mut values = vec![0.0; len];
    array.next_f64(&mut values).map_err(|e| StageError::Data(e.to_string()))?;
    Values::of(&values).map_err(data)
}
