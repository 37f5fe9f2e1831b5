//! What the shapes of a user's arrays must be, and what they mean. Knows no value.

use crate::tasks::arrays::options::{Kind, Options, word};

/// How inputs lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputShape {
    pub channels: usize,
    pub spatial: Vec<usize>,
    /// Rows are (spatial…,C).
    pub channels_last: bool,
}

/// The meaning of the array at `place` as inputs.
pub fn input(options: &Options, place: &str, shape: &[usize]) -> Result<InputShape, String> {
    let dimension = usize::from(options.dimension);
    let Some((_, row)) = shape.split_first() else {
        return Err(format!("{place}: expected an array with rows, found a single value"));
    };
    let last = options.channels_last;
    let (channels, spatial) = match row.len() {
        rank if rank == dimension => (1, row.to_vec()),
        rank if rank == dimension + 1 && last => (row[dimension], row[..dimension].to_vec()),
        rank if rank == dimension + 1 => (row[0], row[1..].to_vec()),
        _ => {
            let expected = if dimension == 1 { "(N,C,L) or (N,L)" } else { "(N,C,H,W) or (N,H,W)" };
            return Err(format!(
                "{place}: expected an array {expected} for `dimension = {dimension}`, found shape {shape:?}"
            ));
        }
    };
    Ok(InputShape { channels, spatial, channels_last: last && row.len() == dimension + 1 })
}

/// Whether the array at `place` can hold targets of these inputs.
pub fn target(options: &Options, place: &str, shape: &[usize], input: &InputShape) -> Result<(), String> {
    let row = shape.get(1..).unwrap_or_default();
    let spatial = &input.spatial[..];
    let (fits, expected) = match options.kind {
        Kind::Point => (row.iter().product::<usize>() == 1, "one class per row: (N)".to_string()),
        Kind::MultiLabel => (row.len() == 1, "a row of labels per row: (N, labels)".to_string()),
        Kind::Dense => (
            row == spatial || (row.len() == spatial.len() + 1 && row[1..] == *spatial),
            format!("a value per position {spatial:?} of the inputs: (N, positions…) or (N, channels, positions…)"),
        ),
    };
    if fits {
        return Ok(());
    }
    let kind = word(&options.kind);
    Err(format!("{place}: expected {expected} for `kind = \"{kind}\"`, found shape {shape:?}"))
}

/// As many rows of one as of the other.
pub fn paired(x: &str, x_shape: &[usize], y: &str, y_shape: &[usize]) -> Result<(), String> {
    match (x_shape.first(), y_shape.first()) {
        (Some(one), Some(two)) if one == two => Ok(()),
        (one, two) => Err(format!(
            "{y}: expected {} rows as in {x}, found {}",
            one.copied().unwrap_or(0),
            two.copied().unwrap_or(0)
        )),
    }
}

/// Rows of both arrays have one shape.
pub fn alike(place: &str, shape: &[usize], other: &str, other_shape: &[usize]) -> Result<(), String> {
    if shape.get(1..) == other_shape.get(1..) {
        return Ok(());
    }
    let (found, expected) = (shape.get(1..).unwrap_or_default(), other_shape.get(1..).unwrap_or_default());
    Err(format!("{place}: expected rows of shape {expected:?} as in {other}, found {found:?}"))
}
