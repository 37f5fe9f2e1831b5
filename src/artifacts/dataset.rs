//! A prepared data set: `dataset.json` and one safetensors file per part. Knows no task; values are as the official
//! files hold them (pixels as `u8`, fields in physical units), so that augmentation and normalisation stay with the objective.

use crate::artifacts::array_bytes::ArrayBytes;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the description; parts are `<part>.safetensors` with tensors `x` and `y`, and further ones of some tasks.
pub const DATASET_FILE: &str = "dataset.json";
pub const DATASET_FORMAT: u32 = 1;

/// What the network must give for one sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Target {
    /// One of `classes`; `y` is `u32` of shape (N).
    Point { classes: usize },
    /// Any of `labels`; `y` is `f32` of shape (N, labels) with 0 and 1.
    MultiLabel { labels: usize },
    /// A value per position and channel; `y` is `f32` of shape (N, channels, spatial…).
    Dense { channels: usize },
}

/// The tensor contract of a task: 1D or 2D, point or dense are values here, never separate code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskShape {
    /// Channels that the network sees (Darcy: 3, though a file holds 1).
    pub channels: usize,
    /// Length 1 for 1D (L), 2 for 2D (H, W).
    pub spatial: Vec<usize>,
    pub target: Target,
}

/// Half-open range of rows of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    pub part: String,
    pub start: usize,
    pub end: usize,
}

impl Rows {
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }
}

/// Which rows train and which score: once for search (validation scores), once for the final run (test scores).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    pub train: Rows,
    pub score: Rows,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetMeta {
    pub format: u32,
    pub task: String,
    pub shape: TaskShape,
    pub search: Split,
    #[serde(rename = "final")]
    pub last: Split,
    /// `official`, `official:originals`, `files`, or `embedded:<size>`.
    pub source: String,
    pub class_names: Vec<String>,
    /// Loss and score of a user's own task, by name; the tasks of the benchmark have theirs in code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
}

/// One array as bytes, row-major, little-endian.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: ArrayBytes,
}

impl Array {
    pub fn f32(shape: &[usize], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>().into();
        Array { dtype: Dtype::F32, shape: shape.to_vec(), bytes }
    }

    pub fn u32(shape: &[usize], values: &[u32]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>().into();
        Array { dtype: Dtype::U32, shape: shape.to_vec(), bytes }
    }

    pub fn u8(shape: &[usize], values: Vec<u8>) -> Self {
        Array { dtype: Dtype::U8, shape: shape.to_vec(), bytes: values.into() }
    }

    /// The values of an `f32` array.
    pub fn to_f32(&self) -> Result<Vec<f32>, String> {
        self.expect(Dtype::F32)?;
        Ok(self.bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    /// The values of a `u32` array.
    pub fn to_u32(&self) -> Result<Vec<u32>, String> {
        self.expect(Dtype::U32)?;
        Ok(self.bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    /// Appends values `start..end`, counted row by row, of an array of any number type.
    pub fn append_f32(&self, start: usize, end: usize, out: &mut Vec<f32>) -> Result<(), String> {
        let width = self.dtype.bitsize() / 8;
        let bytes = self.bytes.get(start * width..end * width);
        let bytes =
            bytes.ok_or_else(|| format!("values {start}..{end} expected in an array of shape {:?}", self.shape))?;
        match self.dtype {
            Dtype::U8 => out.extend(bytes.iter().map(|b| f32::from(*b))),
            Dtype::I8 => out.extend(bytes.iter().map(|b| f32::from(*b as i8))),
            Dtype::I16 => out.extend(bytes.chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])))),
            Dtype::U16 => out.extend(bytes.chunks_exact(2).map(|b| f32::from(u16::from_le_bytes([b[0], b[1]])))),
            Dtype::F32 => {
                out.extend(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
            }
            other => return Err(format!("numbers of one or two bytes or F32 were expected, found {other:?}")),
        }
        Ok(())
    }

    fn expect(&self, dtype: Dtype) -> Result<(), String> {
        if self.dtype == dtype { Ok(()) } else { Err(format!("expected a {dtype:?} array, found {:?}", self.dtype)) }
    }
}

/// Named arrays to the bytes of a safetensors file; the order is by name, so equal arrays give equal bytes.
pub fn encode(arrays: &[(&str, &Array)]) -> Result<Vec<u8>, String> {
    let mut views = Vec::with_capacity(arrays.len());
    for (name, array) in arrays {
        let view =
            TensorView::new(array.dtype, array.shape.clone(), &array.bytes).map_err(|e| format!("{name}: {e}"))?;
        views.push((*name, view));
    }
    safetensors::serialize(views, None).map_err(|e| e.to_string())
}

/// One array of a safetensors file.
pub fn decode(bytes: &[u8], name: &str) -> Result<Array, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
    let view = file.tensor(name).map_err(|e| format!("{name}: {e}"))?;
    Ok(Array { dtype: view.dtype(), shape: view.shape().to_vec(), bytes: view.data().to_vec().into() })
}

/// All arrays of a safetensors file, by name.
pub fn decode_all(bytes: &[u8]) -> Result<BTreeMap<String, Array>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
    let array = |view: &TensorView<'_>| Array {
        dtype: view.dtype(),
        shape: view.shape().to_vec(),
        bytes: view.data().to_vec().into(),
    };
    Ok(file.iter().map(|(name, view)| (name.to_string(), array(&view))).collect())
}
