//! The state of interrupted work as one array of bytes: a small JSON text, then arrays. Knows no work.

use crate::artifacts::weights::{self, Saved};
use crate::training::error::TrainError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Length of the text, the text, a safetensors file.
pub fn pack(position: &impl Serialize, arrays: &[Saved]) -> Result<Vec<u8>, TrainError> {
    let position = serde_json::to_vec(position).map_err(|e| TrainError::State(e.to_string()))?;
    let arrays = weights::encode(arrays).map_err(TrainError::State)?;
    let mut state = (position.len() as u64).to_le_bytes().to_vec();
    state.extend(position);
    state.extend(arrays);
    Ok(state)
}

pub fn unpack<P: DeserializeOwned>(state: &[u8]) -> Result<(P, Vec<Saved>), TrainError> {
    let short = || TrainError::State("it is cut short".into());
    let (length, rest) = state.split_first_chunk::<8>().ok_or_else(short)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| short())?;
    let (position, arrays) = rest.split_at_checked(length).ok_or_else(short)?;
    let position = serde_json::from_slice(position).map_err(|e| TrainError::State(e.to_string()))?;
    Ok((position, weights::decode(arrays).map_err(TrainError::State)?))
}

/// The arrays of a network, told apart from others by a prefix.
pub fn prefixed(prefix: &str, arrays: Vec<Saved>) -> impl Iterator<Item = Saved> {
    arrays.into_iter().map(move |s| Saved { name: format!("{prefix}/{}", s.name), ..s })
}

/// Takes out the arrays that `prefixed` put in.
pub fn of_prefix(prefix: &str, arrays: &[Saved]) -> Vec<Saved> {
    let named = arrays.iter().filter_map(|s| Some((s, s.name.strip_prefix(prefix)?.strip_prefix('/')?)));
    named.map(|(s, name)| Saved { name: name.to_string(), ..s.clone() }).collect()
}

/// Takes out one array of this length.
pub fn array(arrays: &[Saved], name: &str, length: usize) -> Result<Vec<f32>, TrainError> {
    let found = arrays.iter().find(|s| s.name == name && s.values.len() == length);
    found.map(|s| s.values.clone()).ok_or_else(|| TrainError::State(format!("`{name}` of {length} values is missing")))
}
