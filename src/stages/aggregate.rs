//! The last stage: every score of the grid, and published tables where given, to one `summary.json`.
//! Knows no engine and draws nothing; whatever the report shows is computed here.

use crate::artifacts::architecture::{ARCHITECTURE_FILE, Architecture};
use crate::artifacts::published::Published;
use crate::artifacts::score::{SCORE_FILE, SCORE_FORMAT, Score};
use crate::artifacts::summary::{SUMMARY_FILE, SUMMARY_FORMAT, Summary};
use crate::stages::context::{Context, StageError};
use crate::stages::entry::{Kind, Names, Setting};
use crate::stats::deviation::deviations;
use crate::stats::gate::{Gate, is_control, judge};
use crate::stats::imputation::Imputation;
use crate::stats::paired::{self, PairClaim};
use crate::stats::panel::{PanelSpec, complaint, panels};
use crate::stats::picks::{self, PickClaim};
use crate::stats::standing::standings;
use crate::stats::table::{Asked, table};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Slot that gathers `<label>/score.json` of every evaluate node; a failed node leaves a hole.
pub const SCORES_SLOT: &str = "scores";
/// Slot that gathers `<label>/architecture.json` of every search node, where a claim on picks is made.
pub const ARCHITECTURES_SLOT: &str = "architectures";
/// The setting with such claims.
pub const PICKS: &str = "aggregate.picks";
/// Slot of files from outside the store.
pub const EXTERNAL_SLOT: &str = "external";
/// Name in [`EXTERNAL_SLOT`] of a published table that fills cells no run was asked for.
pub const EXTERNAL_SCORES: &str = "scores";
/// Name in [`EXTERNAL_SLOT`] of the published values that results are compared with.
pub const EXTERNAL_EXPECT: &str = "expect";

const PREFIX: &str = "aggregate.";

/// What this stage reads of a manifest, without the prefix `aggregate.`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AggregateParams {
    pub impute: String,
    pub baseline: String,
    /// `None`: the paper's four panels, restricted to what exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub panels: Option<Vec<PanelSpec>>,
    /// What scores must beat; left out of the key where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// What searches must pick; left out of the key where there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub picks: Vec<PickClaim>,
    /// Which method must be better than which, by seed; the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<PairClaim>,
    /// What the grid asked for, so that holes show.
    pub expected_cells: Vec<ExpectedCell>,
    pub fidelity: String,
    pub numerics: String,
    /// Where the file named `scores` of slot `external` lies; its content is what counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores: Option<String>,
    /// The same for the file named `expect`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedCell {
    pub task: String,
    pub space: String,
    pub algorithm: String,
    pub seed: u64,
}

impl Default for AggregateParams {
    fn default() -> Self {
        AggregateParams {
            impute: Imputation::None.to_string(),
            // Table 3 of the paper is relative to the fixed network.
            baseline: "wrn/default".to_string(),
            panels: None,
            gates: Vec::new(),
            picks: Vec::new(),
            pairs: Vec::new(),
            expected_cells: Vec::new(),
            fidelity: String::new(),
            numerics: String::new(),
            scores: None,
            expect: None,
        }
    }
}

/// The settings of this stage. `expected_cells`, `fidelity` and `numerics` are filled in by the planner.
pub fn settings() -> Vec<Setting> {
    let setting = |key, kind, doc, keyed| Setting { key, kind, doc, keyed };
    vec![
        setting(
            "aggregate.impute",
            Kind::Text,
            "What stands in for a cell without a result: `none`, `worst` (the highest error on the task) or `baseline:<space>/<algorithm>`; the report says which cells.",
            true,
        ),
        setting(
            "aggregate.baseline",
            Kind::Text,
            "The method that improvements are relative to; `wrn/default` where absent.",
            true,
        ),
        setting(
            "aggregate.panels",
            Kind::Any,
            "Performance profile panels: tables of name, methods, tasks, tau_max and scale (linear or log); the paper's four where absent.",
            true,
        ),
        setting(
            "aggregate.gates",
            Kind::Any,
            "What scores must beat: tables of task, margin (relative gain over the trivial predictor) and control (seeds that must not); one that fails makes the run fail.",
            true,
        ),
        setting(
            PICKS,
            Kind::Any,
            "What searches must pick: tables of task, method, primitive, cell (normal where absent), least (picks that a search needs to count), seeds (searches that must count), control (seeds on permuted labels) and control_most (how many of these may count, 0 where absent); a claim that fails makes the run fail.",
            true,
        ),
        setting(
            "aggregate.pairs",
            Kind::Any,
            "Which method must be better than which: tables of task, method and than; compared seed by seed, and the 95 % interval of the difference must lie on one side, or the run fails.",
            true,
        ),
        setting(
            "aggregate.expected_cells",
            Kind::Any,
            "The runs of the grid (task, space, algorithm, seed); written by the planner.",
            true,
        ),
        setting(
            "aggregate.fidelity",
            Kind::Text,
            "The fidelity switches of the run, as shown beside each table; written by the planner.",
            true,
        ),
        setting(
            "aggregate.numerics",
            Kind::Text,
            "Devices, precision and determinism, as shown beside each table; written by the planner.",
            true,
        ),
        setting(
            "aggregate.scores",
            Kind::Path,
            "A published table (TOML) whose values fill cells that no run was asked for.",
            false,
        ),
        setting(
            "aggregate.expect",
            Kind::Path,
            "A published table (TOML) that results are compared with, band by band.",
            false,
        ),
    ]
}

impl AggregateParams {
    /// From dotted settings; checks whatever can be checked before anything runs.
    pub fn from_settings(settings: &Map<String, Value>) -> Result<Self, String> {
        let mut own = Map::new();
        for (key, value) in settings {
            let name = key.strip_prefix(PREFIX).ok_or_else(|| format!("`{key}` is no setting of aggregate"))?;
            own.insert(name.to_string(), value.clone());
        }
        let mut params: AggregateParams =
            serde_json::from_value(Value::Object(own)).map_err(|e| format!("[aggregate]: {e}"))?;
        params.impute.parse::<Imputation>().map_err(|e| format!("aggregate.impute: {e}"))?;
        if let Some(complaint) = params.panels.as_deref().and_then(complaint) {
            return Err(format!("aggregate.panels: {complaint}"));
        }
        if let Some(complaint) = params.gates.iter().find_map(Gate::complaint) {
            return Err(format!("aggregate.gates: {complaint}"));
        }
        if let Some(complaint) = params.picks.iter().find_map(PickClaim::complaint) {
            return Err(format!("{PICKS}: {complaint}"));
        }
        if let Some(complaint) = params.pairs.iter().find_map(PairClaim::complaint) {
            return Err(format!("aggregate.pairs: {complaint}"));
        }
        params.expected_cells.sort();
        params.expected_cells.dedup();
        Ok(params)
    }

    /// Back to dotted settings, defaults written out and cells sorted: equal meaning gives equal bytes.
    pub fn to_settings(&self) -> Map<String, Value> {
        let Ok(Value::Object(own)) = serde_json::to_value(self) else {
            unreachable!("a struct of strings and lists is a JSON object")
        };
        own.into_iter().map(|(name, value)| (format!("{PREFIX}{name}"), value)).collect()
    }

    /// Files outside the store, by their name in [`EXTERNAL_SLOT`]; paths as the manifest writes them.
    pub fn external(&self) -> Vec<(String, PathBuf)> {
        let pairs = [(EXTERNAL_SCORES, &self.scores), (EXTERNAL_EXPECT, &self.expect)];
        pairs.into_iter().filter_map(|(name, path)| Some((name.to_string(), PathBuf::from(path.as_ref()?)))).collect()
    }
}

/// Reads the gathered scores, writes `summary.json`.
pub fn aggregate(params: &AggregateParams, context: &mut dyn Context) -> Result<(), StageError> {
    let mut scores = Vec::new();
    for name in context.names(SCORES_SLOT) {
        if name == SCORE_FILE || name.ends_with(&format!("/{SCORE_FILE}")) {
            scores.push(score(&name, &context.read(SCORES_SLOT, &name)?)?);
        }
    }
    let external = |name: &str| -> Result<Option<Published>, StageError> {
        if !context.names(EXTERNAL_SLOT).iter().any(|n| n == name) {
            return Ok(None);
        }
        let bytes = context.read(EXTERNAL_SLOT, name)?;
        Published::parse(&bytes).map(Some).map_err(|e| StageError::Data(format!("aggregate.{name}: {e}")))
    };
    let published = external(EXTERNAL_SCORES)?;
    let expect = external(EXTERNAL_EXPECT)?;
    let mut summary = summarise(params, &scores, published.as_ref(), expect.as_ref())?;
    let architectures = architectures(params, context)?;
    summary.picks = picks::judge(&params.picks, &runs(params), |task, method, seed| {
        architectures.get(&(task.to_string(), method.to_string(), seed))
    });
    context.write(SUMMARY_FILE, &summary.to_bytes())
}

/// Task, method and seed of all runs that the grid asked for.
fn runs(params: &AggregateParams) -> Vec<(String, String, u64)> {
    let cells = params.expected_cells.iter();
    cells.map(|c| (c.task.clone(), format!("{}/{}", c.space, c.algorithm), c.seed)).collect()
}

/// The architectures in the slot, by task, method and seed; a search that failed leaves a hole.
fn architectures(
    params: &AggregateParams,
    context: &dyn Context,
) -> Result<BTreeMap<(String, String, u64), Architecture>, StageError> {
    let there = context.names(ARCHITECTURES_SLOT);
    let mut found = BTreeMap::new();
    for (cell, run) in params.expected_cells.iter().zip(runs(params)) {
        let names = Names {
            task: Some(cell.task.clone()),
            space: Some(cell.space.clone()),
            algorithm: Some(cell.algorithm.clone()),
            seed: Some(cell.seed),
        };
        let name = format!("search[{names}]/{ARCHITECTURE_FILE}");
        if there.contains(&name) {
            let bytes = context.read(ARCHITECTURES_SLOT, &name)?;
            let architecture = Architecture::decode(&bytes).map_err(|e| StageError::Data(format!("{name}: {e}")))?;
            found.insert(run, architecture);
        }
    }
    Ok(found)
}

fn score(name: &str, bytes: &[u8]) -> Result<Score, StageError> {
    let score: Score = serde_json::from_slice(bytes)
        .map_err(|e| StageError::Data(format!("{name}: not a score: {e}; run its evaluate node again")))?;
    if score.format != SCORE_FORMAT {
        let found = score.format;
        return Err(StageError::Data(format!(
            "{name}: expected score format {SCORE_FORMAT}, found {found}; run its evaluate node again"
        )));
    }
    Ok(score)
}

/// The whole computation, without any reading or writing. The order of `scores` does not matter.
pub fn summarise(
    params: &AggregateParams,
    scores: &[Score],
    published: Option<&Published>,
    expect: Option<&Published>,
) -> Result<Summary, StageError> {
    let imputation: Imputation =
        params.impute.parse().map_err(|e| StageError::Code(format!("aggregate.impute: {e}")))?;
    let asked: Vec<Asked> = params
        .expected_cells
        .iter()
        .map(|c| Asked { task: c.task.clone(), method: format!("{}/{}", c.space, c.algorithm), seed: c.seed })
        .collect();
    let mut runs = runs(params);
    let gates = judge(&params.gates, &runs, scores);
    let control =
        |task: &str, seed: u64| is_control(&params.gates, task, seed) || picks::is_control(&params.picks, task, seed);
    runs.retain(|(task, _, seed)| !control(task, *seed));
    let pairs = paired::judge(&params.pairs, &runs, scores);
    let asked: Vec<Asked> = asked.into_iter().filter(|a| !control(&a.task, a.seed)).collect();
    let scores: Vec<Score> = scores.iter().filter(|s| !control(&s.task, s.seed)).cloned().collect();
    let scores = scores.as_slice();
    let mut table = table(scores, published, &asked, &imputation).map_err(|e| StageError::Data(e.to_string()))?;
    if table.cells.is_empty() {
        return Err(StageError::Data(
            "nothing to aggregate: no score, no run that was asked for, and no published table; add a [[grid]] or set aggregate.scores"
                .to_string(),
        ));
    }
    let mut notes = std::mem::take(&mut table.notes);
    let fills = table.cells.iter().any(|cell| cell.data.iter().any(|data| data == "published"));
    let published = published.filter(|_| fills);
    // Figures printed over the whole published table say nothing about a table that holds anything else.
    let none = BTreeMap::new();
    let only = published.filter(|_| scores.is_empty() && asked.is_empty());
    let (standings, more) = standings(&table, &params.baseline, only.map_or(&none, |p| &p.printed));
    notes.extend(more);
    let (panels, more) = panels(&table, params.panels.as_deref());
    notes.extend(more);
    let (deviations, more) = expect.map(|expect| deviations(&table, expect)).unwrap_or_default();
    notes.extend(more);
    if let Some(published) = published {
        if !scores.is_empty() {
            notes.push(format!("Cells marked `published` were not run here but come from: {}.", published.title));
        }
        notes.extend(published.notes.iter().cloned());
    }
    Ok(Summary {
        format: SUMMARY_FORMAT,
        published: published.map(Published::citation),
        tasks: table.tasks,
        methods: table.methods,
        cells: table.cells,
        baseline: params.baseline.clone(),
        standings,
        panels,
        imputation: imputation.to_string(),
        deviations,
        gates,
        picks: Vec::new(),
        pairs,
        fidelity: params.fidelity.clone(),
        numerics: params.numerics.clone(),
        notes,
    })
}

#[cfg(test)]
mod tests {
    use super::{AggregateParams, settings};
    use serde_json::{Map, Value, json};

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn canonical_settings_are_a_fixed_point_and_are_all_declared() {
        let written = map(json!({
            "aggregate.impute": "worst",
            "aggregate.scores": "expected/t.toml",
            "aggregate.panels": [{ "name": "p", "tau_max": 3 }],
            "aggregate.expected_cells": [
                { "task": "ecg", "space": "wrn", "algorithm": "default", "seed": 1 },
                { "task": "ecg", "space": "wrn", "algorithm": "default", "seed": 0 },
                { "task": "ecg", "space": "wrn", "algorithm": "default", "seed": 1 },
            ],
        }));
        let params = AggregateParams::from_settings(&written).unwrap();
        assert_eq!(params.expected_cells.iter().map(|c| c.seed).collect::<Vec<_>>(), [0, 1]);
        let canonical = params.to_settings();
        assert_eq!(AggregateParams::from_settings(&canonical).unwrap(), params);
        assert_eq!(AggregateParams::from_settings(&canonical).unwrap().to_settings(), canonical);
        let declared: Vec<_> = settings().into_iter().map(|s| s.key).collect();
        assert!(canonical.keys().all(|key| declared.contains(&key.as_str())), "{canonical:?}");
        assert_eq!(params.external(), [("scores".to_string(), "expected/t.toml".into())]);
        let default = AggregateParams::from_settings(&Map::new()).unwrap();
        assert_eq!(default, AggregateParams::default());
        assert_eq!(default.to_settings()["aggregate.baseline"], "wrn/default");
    }

    #[test]
    fn wrong_settings_are_told_before_anything_runs() {
        let wrong = |value| AggregateParams::from_settings(&map(value)).unwrap_err();
        assert!(wrong(json!({ "aggregate.impute": "mean" })).contains("found `mean`"));
        assert!(wrong(json!({ "aggregate.more": 1 })).contains("unknown field `more`"));
        assert!(wrong(json!({ "retrain.batch": 1 })).contains("no setting of aggregate"));
        assert!(wrong(json!({ "aggregate.panels": [{ "name": " " }] })).contains("needs a name"));
        assert!(wrong(json!({ "aggregate.panels": [{ "name": "a" }, { "name": "a" }] })).contains("two panels"));
        assert!(wrong(json!({ "aggregate.panels": [{ "name": "a", "tau_max": 1 }] })).contains("above 1, found 1"));
        assert!(wrong(json!({ "aggregate.panels": [{ "name": "a", "scale": "cubic" }] })).contains("cubic"));
        assert!(wrong(json!({ "aggregate.expected_cells": [{ "task": "ecg" }] })).contains("missing field"));
    }
}
