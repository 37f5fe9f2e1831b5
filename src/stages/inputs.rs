//! Reads the artifacts in a node's input slots. Knows no task; what is wrong with an input is named with its file.

use crate::artifacts::architecture::{ARCHITECTURE_FILE, Architecture};
use crate::artifacts::dataset::{DATASET_FILE, DATASET_FORMAT, DatasetMeta, Rows};
use crate::artifacts::samples::{Part, Samples, SplitChoice};
use crate::stages::context::{Context, StageError};
use std::collections::BTreeMap;

/// The description in slot `dataset`.
pub fn dataset_meta(context: &dyn Context) -> Result<DatasetMeta, StageError> {
    let bytes = context.read("dataset", DATASET_FILE)?;
    let meta: DatasetMeta =
        serde_json::from_slice(&bytes).map_err(|e| StageError::Data(format!("{DATASET_FILE}: {e}")))?;
    if meta.format == DATASET_FORMAT {
        return Ok(meta);
    }
    let (found, expected) = (meta.format, DATASET_FORMAT);
    Err(StageError::Data(format!("{DATASET_FILE}: format {expected} was expected, found {found}")))
}

/// The description and the parts that one split uses.
pub fn samples(context: &dyn Context, choice: SplitChoice) -> Result<Samples, StageError> {
    let mut samples = Samples { meta: dataset_meta(context)?, parts: BTreeMap::new() };
    let split = samples.split(choice).clone();
    for Rows { part, .. } in [split.train, split.score] {
        if !samples.parts.contains_key(&part) {
            let bytes = context.read("dataset", &format!("{part}.safetensors"))?;
            let decoded = Part::decode(&part, &bytes).map_err(StageError::Data)?;
            samples.parts.insert(part, decoded);
        }
    }
    Ok(samples)
}

/// The architecture in slot `architecture`.
pub fn architecture(context: &dyn Context) -> Result<Architecture, StageError> {
    Architecture::decode(&context.read("architecture", ARCHITECTURE_FILE)?).map_err(StageError::Data)
}
