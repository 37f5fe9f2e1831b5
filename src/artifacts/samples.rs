//! A dataset artifact in memory: its description and the arrays of the parts in use. Knows no task and no store.

use crate::artifacts::dataset::{Array, DatasetMeta, Rows, Split, decode_all};
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

/// The arrays of one part. Row i of `y` is sample i; mostly row i of `x` too, but a task may hold what its samples are cut
/// from (whole recordings, say) in `x` and say in further arrays where each sample lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub x: Array,
    pub y: Array,
    /// Further arrays, by name.
    pub more: BTreeMap<String, Array>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    pub meta: DatasetMeta,
    pub parts: BTreeMap<String, Part>,
}

impl Part {
    /// A part without further arrays.
    pub fn new(x: Array, y: Array) -> Part {
        Part { x, y, more: BTreeMap::new() }
    }

    /// From the bytes of `<name>.safetensors`, which must hold `x` and `y`.
    pub fn decode(name: &str, bytes: &[u8]) -> Result<Part, String> {
        let of_file = |problem| format!("{name}.safetensors: {problem}");
        Part::of(decode_all(bytes).map_err(of_file)?).map_err(of_file)
    }

    /// From its arrays by name, among them `x` and `y`.
    pub fn of(mut more: BTreeMap<String, Array>) -> Result<Part, String> {
        let mut take = |tensor: &str| {
            let array = more.remove(tensor).filter(|array| !array.shape.is_empty());
            array.ok_or_else(|| format!("an array `{tensor}` with rows was expected, found none"))
        };
        let (x, y) = (take("x")?, take("y")?);
        Ok(Part { x, y, more })
    }

    /// How many samples there are: rows of `y`.
    pub fn rows(&self) -> usize {
        self.y.shape.first().copied().unwrap_or(0)
    }

    /// A further array.
    pub fn array(&self, name: &str) -> Result<&Array, String> {
        self.more.get(name).ok_or_else(|| format!("the dataset lacks the array `{name}`"))
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

    /// The part that holds `rows`, where row i of `x` must belong to row i of `y`.
    pub fn paired(&self, rows: &Rows) -> Result<&Part, String> {
        let part = self.part(rows)?;
        if part.x.shape[0] == part.y.shape[0] {
            return Ok(part);
        }
        let (x, y) = (&part.x.shape, &part.y.shape);
        Err(format!("part `{}`: as many rows in x as in y were expected, found shapes {x:?} and {y:?}", rows.part))
    }
}
