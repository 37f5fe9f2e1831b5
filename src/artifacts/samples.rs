//! A dataset artifact in memory: its description and the arrays of the parts in use. Knows no task and no store.

use crate::artifacts::dataset::{Array, DatasetMeta, Rows, Split, decode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which of the two splits of a dataset is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitChoice {
    /// Train on the search training rows, score the validation rows.
    Search,
    /// Train on all training rows, score the test rows.
    Final,
}

/// The arrays `x` and `y` of one part; row i of both is one sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub x: Array,
    pub y: Array,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    pub meta: DatasetMeta,
    pub parts: BTreeMap<String, Part>,
}

impl Part {
    /// From the bytes of `<name>.safetensors`; both arrays must have the same number of rows.
    pub fn decode(name: &str, bytes: &[u8]) -> Result<Part, String> {
        let array = |tensor: &str| decode(bytes, tensor).map_err(|e| format!("{name}.safetensors: {e}"));
        let part = Part { x: array("x")?, y: array("y")? };
        match (part.x.shape.first(), part.y.shape.first()) {
            (Some(x), Some(y)) if x == y => Ok(part),
            _ => Err(format!(
                "{name}.safetensors: as many rows in x as in y were expected, found shapes {:?} and {:?}",
                part.x.shape, part.y.shape
            )),
        }
    }

    pub fn rows(&self) -> usize {
        self.x.shape.first().copied().unwrap_or(0)
    }
}

impl Samples {
    pub fn split(&self, choice: SplitChoice) -> &Split {
        match choice {
            SplitChoice::Search => &self.meta.search,
            SplitChoice::Final => &self.meta.last,
        }
    }

    /// The part that holds `rows`; an error where the part or some of its rows are missing, or where there are none.
    pub fn part(&self, rows: &Rows) -> Result<&Part, String> {
        let part = self.parts.get(&rows.part).ok_or_else(|| format!("the dataset lacks the part `{}`", rows.part))?;
        if rows.start < rows.end && rows.end <= part.rows() {
            return Ok(part);
        }
        let Rows { part: name, start, end } = rows;
        Err(format!("the split wants rows {start}..{end} of part `{name}`, which has {} rows", part.rows()))
    }
}
