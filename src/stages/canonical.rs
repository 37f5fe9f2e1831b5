//! Settings of a stage to its typed parameters and to the one form that enters a key. Knows no stage.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Drops what neither the task nor the space of a cell looks at: of `gated` keys only those that a row lists among its reads stay.
pub fn relevant(mut settings: Map<String, Value>, gated: &[&str], reads: &[&str]) -> Map<String, Value> {
    settings.retain(|key, _| !gated.contains(&key.as_str()) || reads.contains(&key.as_str()));
    settings
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
