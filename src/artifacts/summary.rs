//! Everything the report shows (`summary.json`): tables, profiles, coverage. Knows neither how it was computed nor how it is drawn.
//! Holds no clock, host or path, and every list has a fixed order, so equal results give equal bytes.

use crate::artifacts::score::{Direction, Trivial};
use crate::artifacts::verdict::{PairVerdict, PickVerdict};
use serde::{Deserialize, Serialize};

/// Name of the file that the aggregate node writes.
pub const SUMMARY_FILE: &str = "summary.json";
/// Raised whenever a field changes its meaning.
pub const SUMMARY_FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    pub format: u32,
    /// The published table that values were taken from, if any: its title and source.
    pub published: Option<Citation>,
    /// In the order of the tables.
    pub tasks: Vec<Task>,
    /// `space/algorithm`, in the order of the tables.
    pub methods: Vec<String>,
    /// Table 2: every task with every method, tasks outermost.
    pub cells: Vec<Cell>,
    /// The method that improvements are relative to.
    pub baseline: String,
    /// Table 3, one per method.
    pub standings: Vec<Standing>,
    pub panels: Vec<Panel>,
    /// `none`, `worst`, or `baseline:<method>`.
    pub imputation: String,
    /// Distance from published values, where a file of expectations was given.
    pub deviations: Vec<Deviation>,
    /// Empty where the manifest states no gate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateResult>,
    /// Empty where the manifest claims nothing of picks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub picks: Vec<PickVerdict>,
    /// Empty where the manifest compares no methods by seed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<PairVerdict>,
    /// Such as `as-run`; "" where it was not told.
    pub fidelity: String,
    /// Devices, precision and level of determinism; "" where they were not told.
    pub numerics: String,
    /// What a reader must know beside the numbers, in sentences.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Citation {
    pub title: String,
    pub source: String,
}

/// A row of Table 2: what is measured, and on which data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    pub name: String,
    pub metric: String,
    pub unit: String,
    pub direction: Direction,
    /// What a predictor that never looks at its input reaches; `None` for published values.
    pub trivial: Option<Trivial>,
    /// The sources met in this row, sorted: `official`, `files`, `embedded:<size>`, `published`.
    pub data: Vec<String>,
}

/// How much of a cell is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Every seed that was asked for.
    Done,
    /// Some of the seeds; the mean is over fewer than was asked for.
    Partial,
    /// Asked for, and no seed is there: it failed or has not run.
    Missing,
    /// The method was not asked for on this task.
    NotApplicable,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    pub task: String,
    pub method: String,
    pub state: State,
    pub seeds_done: u32,
    pub seeds_expected: u32,
    /// Seeds that were asked for and are not there, ascending.
    pub seeds_missing: Vec<u64>,
    /// Each seed's value, ascending by seed; empty for a published mean.
    pub values: Vec<SeedValue>,
    /// Mean over the seeds that are there, in the task's unit.
    pub mean: Option<f64>,
    /// Sample standard deviation over seeds; `None` for fewer than two.
    pub deviation: Option<f64>,
    /// The mean in error form, lower being better. Where the cell is missing, the imputed error, if any.
    pub error: Option<f64>,
    /// `error` is not a result but was put there by the imputation policy.
    pub imputed: bool,
    /// Fractional rank among all methods with an error on this task.
    pub rank: Option<f64>,
    /// The lowest error of at least two real ones on this task, ties included.
    pub best: bool,
    /// Sources of this cell, sorted; see [`Task::data`].
    pub data: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedValue {
    pub seed: u64,
    pub value: f64,
}

/// A column of Table 3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    pub method: String,
    /// Tasks on which the method has an error, imputed ones included.
    pub tasks: u32,
    pub tasks_imputed: u32,
    pub median_rank: Option<f64>,
    /// Tasks on which an improvement over the baseline exists.
    pub improvement_tasks: u32,
    /// In percent of the baseline's error; positive is better.
    pub median_improvement: Option<f64>,
    /// The same two figures as the publication prints them.
    pub printed: Option<Printed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Printed {
    pub rank: f64,
    /// In percent.
    pub improvement: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    Linear,
    Log,
}

/// One performance profile plot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    pub name: String,
    pub tasks: Vec<String>,
    /// Right end of the plotted τ axis, above 1. The steps themselves are not cut.
    pub tau_max: f64,
    pub scale: Scale,
    pub curves: Vec<Curve>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    pub method: String,
    /// The value at τ = 1, then every distinct larger ratio, ascending.
    pub steps: Vec<Step>,
    /// One per task of the panel, in its order.
    pub ratios: Vec<Ratio>,
}

/// From `tau` on, inclusive, the fraction of tasks is `fraction`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub tau: f64,
    pub fraction: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ratio {
    pub task: String,
    /// Error over the lowest error of the panel's methods; `None`: never within.
    pub ratio: Option<f64>,
}

/// A cell beside its published value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deviation {
    pub task: String,
    pub method: String,
    pub measured: f64,
    pub measured_deviation: Option<f64>,
    pub seeds: u32,
    pub published: f64,
    pub published_deviation: Option<f64>,
    /// Half width of the band around the published value, in the task's unit; `None` where no band is stated.
    pub band: Option<f64>,
    /// `measured` lies in the band, its ends included.
    pub within: Option<bool>,
    /// Sources of the measured cell.
    pub data: Vec<String>,
}

/// The bytes are no summary that this version reads.
/// One run against one gate: the trivial predictor's error and a margin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateResult {
    pub task: String,
    pub method: String,
    pub seed: u64,
    /// Trained on permuted labels: passes where it does not beat the margin.
    pub control: bool,
    pub value: Option<f64>,
    pub trivial: Option<f64>,
    /// Relative gain over the trivial predictor in error form.
    pub gain: Option<f64>,
    pub margin: f64,
    pub passed: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum SummaryError {
    #[error("{SUMMARY_FILE}: {0}; run the aggregate stage again")]
    Json(#[from] serde_json::Error),
    #[error("{SUMMARY_FILE}: expected format {SUMMARY_FORMAT}, found {0}; run the aggregate stage again")]
    Format(u32),
}

impl Summary {
    /// Pretty JSON with a final newline; equal summaries give equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a summary has only string keys");
        bytes.push(b'\n');
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Summary, SummaryError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = serde_json::from_slice(bytes)?;
        if head.format != SUMMARY_FORMAT {
            return Err(SummaryError::Format(head.format));
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    /// Whether each gate and each claim was passed.
    pub fn verdicts(&self) -> Vec<bool> {
        let gates = self.gates.iter().map(|gate| gate.passed);
        gates.chain(self.picks.iter().map(|v| v.passed)).chain(self.pairs.iter().map(|v| v.passed)).collect()
    }

    /// Each task with its cells, one per method in the order of `methods`.
    pub fn rows(&self) -> impl Iterator<Item = (&Task, &[Cell])> {
        self.tasks.iter().zip(self.cells.chunks(self.methods.len().max(1)))
    }
}

/// Whether results on this source may stand beside published ones.
pub fn is_embedded(data: &str) -> bool {
    data == "embedded" || data.starts_with("embedded:")
}

#[cfg(test)]
mod tests {
    use super::{SUMMARY_FORMAT, Summary, SummaryError, is_embedded};

    #[test]
    fn refuses_another_format_before_it_looks_at_the_fields() {
        let text = format!("{{\"format\": {}, \"anything\": 1}}", SUMMARY_FORMAT + 1);
        assert!(matches!(Summary::from_bytes(text.as_bytes()), Err(SummaryError::Format(2))));
        assert!(matches!(Summary::from_bytes(b"{"), Err(SummaryError::Json(_))));
        assert!(matches!(Summary::from_bytes(b"{\"format\": 1}"), Err(SummaryError::Json(_))));
    }

    #[test]
    fn knows_embedded_data_by_name() {
        assert!(is_embedded("embedded:tiny") && is_embedded("embedded"));
        assert!(!is_embedded("official") && !is_embedded("published") && !is_embedded("embeddedness"));
    }
}
