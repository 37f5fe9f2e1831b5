//! Settings of a stage to its typed parameters and to the one form that enters a key. Knows no stage.

use crate::stages::entry::Setting;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Which rows of a cell must look at a setting for it to matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    Task,
    Space,
    /// The task and the space: a switch of one network on one kind of task.
    Both,
    Algorithm,
    /// The space and the algorithm.
    Method,
}

/// A setting that does not matter for every cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    pub key: &'static str,
    pub reader: Reader,
}

/// What the rows of a cell's task, space and algorithm look at: their `reads`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reads<'a> {
    pub task: &'a [&'a str],
    pub space: &'a [&'a str],
    pub algorithm: &'a [&'a str],
    /// The algorithm trains.
    pub trains: bool,
}

impl Reads<'_> {
    /// Whether the setting behind `gate` matters for the cell.
    pub fn open(&self, gate: &Gate) -> bool {
        let [task, space, algorithm] = [self.task, self.space, self.algorithm].map(|reads| reads.contains(&gate.key));
        match gate.reader {
            Reader::Task => task,
            Reader::Space => space,
            Reader::Both => task && space,
            Reader::Algorithm => algorithm,
            Reader::Method => space && algorithm,
        }
    }

    /// Drops gated settings that do not matter for the cell.
    pub fn relevant(&self, mut settings: Map<String, Value>, gates: &[Gate]) -> Map<String, Value> {
        settings.retain(|key, _| gates.iter().all(|gate| gate.key != key || self.open(gate)));
        settings
    }

    /// Gives a gated setting that matters and is unset its default.
    pub fn fill<T>(&self, gate: &Gate, value: &mut Option<T>, default: T) {
        if self.open(gate) && value.is_none() {
            *value = Some(default);
        }
    }
}

/// Settings of these keys, and the others.
pub fn split(settings: Map<String, Value>, of: &[Setting]) -> (Map<String, Value>, Map<String, Value>) {
    settings.into_iter().partition(|(key, _)| of.iter().any(|setting| setting.key == key))
}

/// Typed parameters from dotted keys; unknown keys and wrong types are errors.
pub fn parse<P: DeserializeOwned>(settings: &Map<String, Value>) -> Result<P, String> {
    serde_json::from_value(Value::Object(settings.clone())).map_err(|e| e.to_string())
}

/// Dotted keys with all defaults written out; what is `None` is left out.
pub fn write<P: Serialize>(params: &P) -> Result<Map<String, Value>, String> {
    match serde_json::to_value(params).map_err(|e| e.to_string())? {
        Value::Object(map) => Ok(map),
        other => Err(format!("parameters should be a table, found {other}")),
    }
}
