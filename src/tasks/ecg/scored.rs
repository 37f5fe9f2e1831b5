//! Which windows are scored and which recording each belongs to. Objective and metric must agree on it. Knows no signal,
//! no loss and no score.

use crate::artifacts::dataset::{Array, Rows, Target};
use crate::artifacts::samples::{Samples, SplitChoice};

/// Name of the array with the recording of each window, counted within the part.
pub const RECORDING: &str = "recording";
/// Name of the array that tells of each recording of the test part whether it is also in the search split's validation.
pub const SEEN: &str = "seen";

/// Recording and label of each window of some rows.
pub fn windows(samples: &Samples, rows: &Rows) -> Result<(Vec<u32>, Vec<u32>), String> {
    let part = samples.part(rows)?;
    let Target::Point { classes } = samples.meta.shape.target else {
        return Err(format!("ecg: a target of classes was expected, found {:?}", samples.meta.shape.target));
    };
    let take = |array: &Array, name: &str| -> Result<Vec<u32>, String> {
        let values = array.to_u32().map_err(|e| format!("ecg, array `{name}`: {e}"))?;
        let found = values.len();
        let values = values.get(rows.start..rows.end).map(<[u32]>::to_vec);
        values.ok_or_else(|| format!("ecg: windows {}..{} expected in `{name}`, found {found}", rows.start, rows.end))
    };
    let labels = take(&part.y, "y")?;
    if let Some(label) = labels.iter().find(|label| **label as usize >= classes) {
        return Err(format!("ecg: labels below {classes} were expected, found {label}"));
    }
    Ok((take(part.array(RECORDING)?, RECORDING)?, labels))
}

/// Rows of the scored part that are scored, in order: all of the split, or those whose recording no search has seen.
pub fn rows(samples: &Samples, choice: SplitChoice, unseen_only: bool) -> Result<Vec<usize>, String> {
    let rows = &samples.split(choice).score;
    if !unseen_only || choice == SplitChoice::Search {
        samples.part(rows)?;
        return Ok((rows.start..rows.end).collect());
    }
    let seen = samples.part(rows)?.array(SEEN)?.to_u32()?;
    let mut unseen = Vec::new();
    for (window, recording) in windows(samples, rows)?.0.into_iter().enumerate() {
        let seen = seen.get(recording as usize);
        let seen = seen.ok_or_else(|| format!("ecg: `{SEEN}` lacks recording {recording}"))?;
        if *seen == 0 {
            unseen.push(rows.start + window);
        }
    }
    if unseen.is_empty() {
        return Err("ecg: the search split's validation holds every test recording; unset evaluate.unseen_only".into());
    }
    Ok(unseen)
}
