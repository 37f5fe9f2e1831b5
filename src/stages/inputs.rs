//! Reads the artifacts in a node's input slots. Knows no task; what is wrong with an input is named with its file.

use crate::artifacts::architecture::{ARCHITECTURE_FILE, Architecture};
use crate::artifacts::dataset::{DATASET_FILE, DATASET_FORMAT, DatasetMeta, Rows};
use crate::artifacts::samples::{Samples, SplitChoice};
use crate::data::part_reader::read_part;
use crate::data::safetensors_stream::StreamError;
use crate::stages::context::{Context, StageError};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;

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
        if let Entry::Vacant(place) = samples.parts.entry(part) {
            let mut reader = context.open("dataset", &format!("{}.safetensors", place.key()))?;
            let mut spare = || {
                let folder = context.scratch().map_err(io::Error::other)?;
                tempfile::tempfile_in(folder)
            };
            let part = read_part(place.key(), &mut reader, &mut spare);
            // The input's digest is verified at its end: damage is told before what follows from it.
            io::copy(&mut reader, &mut io::sink())?;
            let part = part.map_err(|error| match error {
                StreamError::Format { .. } => StageError::Data(error.to_string()),
                StreamError::Read { source, .. } => StageError::from(source),
            })?;
            place.insert(part);
        }
    }
    Ok(samples)
}

/// The architecture in slot `architecture`.
pub fn architecture(context: &dyn Context) -> Result<Architecture, StageError> {
    Architecture::decode(&context.read("architecture", ARCHITECTURE_FILE)?).map_err(StageError::Data)
}
