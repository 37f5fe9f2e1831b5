//! Settings of a stage to its typed parameters and to the one form that enters a key. Knows no stage.

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
}

/// A setting that does not matter for every cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    pub key: &'static str,
    pub reader: Reader,
}

/// What the rows of a cell's task and space look at: their `reads`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reads<'a> {
    pub task: &'a [&'a str],
    pub space: &'a [&'a str],
}

impl Reads<'_> {
    /// Whether the setting behind `gate` matters for the cell.
    pub fn open(&self, gate: &Gate) -> bool {
        let (task, space) = (self.task.contains(&gate.key), self.space.contains(&gate.key));
        match gate.reader {
            Reader::Task => task,
            Reader::Space => space,
            Reader::Both => task && space,
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
