//! A network as the search chose it, `architecture.json`. Knows no space: the body's type belongs to the space.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Name of the file that a search node writes.
pub const ARCHITECTURE_FILE: &str = "architecture.json";
/// Raised whenever a field changes its meaning.
pub const ARCHITECTURE_FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    pub format: u32,
    /// The space that can build it.
    pub space: String,
    /// The space's own description, such as depth and width.
    pub body: Value,
}

impl Architecture {
    /// Pretty JSON with sorted keys and a final newline: equal architectures give equal bytes.
    pub fn encode(&self) -> Result<Vec<u8>, String> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|e| e.to_string())?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let found: Architecture = serde_json::from_slice(bytes).map_err(|e| format!("{ARCHITECTURE_FILE}: {e}"))?;
        if found.format != ARCHITECTURE_FORMAT {
            let (found, expected) = (found.format, ARCHITECTURE_FORMAT);
            return Err(format!("{ARCHITECTURE_FILE}: format {expected} was expected, found {found}"));
        }
        Ok(found)
    }
}
