//! The evaluate stage: runs the trained network on the scored rows and writes its score. Knows no task and no space.

use crate::artifacts::samples::SplitChoice;
use crate::artifacts::score::{SCORE_FILE, SCORE_FORMAT, Score};
use crate::artifacts::weights::{WEIGHTS_FILE, decode};
use crate::nn::network::Mode;
use crate::seed::Purpose;
use crate::spaces::contract::child::{BuildChild, ChildError, ChildParams};
use crate::stages::canonical::{self, Gate, Reader, Reads};
use crate::stages::context::{Context, Progress, StageError};
use crate::stages::drive::stage_error;
use crate::stages::entry::{Kind, Names, Setting};
use crate::stages::first_frame::{self, FIRST_FRAME, FirstFrame};
use crate::stages::inputs;
use crate::stages::network;
use crate::tasks::contract::metric::{MetricError, MetricParams, OpenMetric};
use crate::tasks::contract::objective::{ObjectiveParams, OpenObjective};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const STAGE: &str = "evaluate";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluateParams {
    #[serde(rename = "evaluate.batch", default = "batch")]
    pub batch: usize,
    #[serde(rename = "retrain.split", default = "last")]
    pub split: SplitChoice,
    /// `None` where it cannot matter: another task, or the final split.
    #[serde(rename = "fidelity.validation_augmented", default, skip_serializing_if = "Option::is_none")]
    pub validation_augmented: Option<bool>,
    #[serde(rename = "retrain.cutout", default, skip_serializing_if = "Option::is_none")]
    pub cutout: Option<bool>,
    #[serde(rename = "fidelity.darcy_batch_means", default, skip_serializing_if = "Option::is_none")]
    pub batch_means: Option<bool>,
    #[serde(rename = "fidelity.psicov_shuffled_lengths", default, skip_serializing_if = "Option::is_none")]
    pub shuffled_lengths: Option<bool>,
    #[serde(rename = "fidelity.cosmic_fixed_jitter", default, skip_serializing_if = "Option::is_none")]
    pub fixed_jitter: Option<bool>,
    #[serde(rename = "evaluate.unseen_only", default, skip_serializing_if = "Option::is_none")]
    pub unseen_only: Option<bool>,
    #[serde(rename = "fidelity.darts_first_frame", default, skip_serializing_if = "Option::is_none")]
    pub first_frame: Option<FirstFrame>,
}

fn batch() -> usize {
    128
}
fn last() -> SplitChoice {
    SplitChoice::Final
}

const CUTOUT: Gate = Gate { key: "retrain.cutout", reader: Reader::Task };
const AUGMENTED: Gate = Gate { key: "fidelity.validation_augmented", reader: Reader::Task };
const BATCH_MEANS: Gate = Gate { key: "fidelity.darcy_batch_means", reader: Reader::Task };
const SHUFFLED_LENGTHS: Gate = Gate { key: "fidelity.psicov_shuffled_lengths", reader: Reader::Task };
const FIXED_JITTER: Gate = Gate { key: "fidelity.cosmic_fixed_jitter", reader: Reader::Task };
const UNSEEN_ONLY: Gate = Gate { key: "evaluate.unseen_only", reader: Reader::Task };
const GATES: &[Gate] = &[CUTOUT, AUGMENTED, BATCH_MEANS, SHUFFLED_LENGTHS, FIXED_JITTER, UNSEEN_ONLY, FIRST_FRAME];

pub fn settings() -> Vec<Setting> {
    let mut settings = own_settings();
    settings.extend(network::settings());
    settings
}

fn own_settings() -> Vec<Setting> {
    let setting = |key, kind, doc| Setting { key, kind, doc, keyed: true };
    vec![
        setting(
            "evaluate.batch",
            Kind::Count { min: 1 },
            "Samples scored at once; weighs in the value where `fidelity.darcy_batch_means` holds.",
        ),
        setting(
            "retrain.split",
            Kind::Choice(&["final", "search"]),
            "`final`: train on all training rows, score the test rows; `search`: the split that a search sees.",
        ),
        setting(
            "fidelity.validation_augmented",
            Kind::Bool,
            "Score the CIFAR-100 validation rows of the search split on augmented images.",
        ),
        setting("retrain.cutout", Kind::Bool, "Cut a hole of 16×16 out of each augmented CIFAR-100 image."),
        setting(
            "fidelity.darcy_batch_means",
            Kind::Bool,
            "Report Darcy's relative L2 as the mean of batch means instead of the mean over samples.",
        ),
        setting(
            "fidelity.psicov_shuffled_lengths",
            Kind::Bool,
            "Score PSICOV's test proteins in a shuffled order against lengths in file order.",
        ),
        setting(
            "fidelity.cosmic_fixed_jitter",
            Kind::Bool,
            "Add the same sky to each scored Cosmic stamp whatever the seed.",
        ),
        setting(
            "evaluate.unseen_only",
            Kind::Bool,
            "Score only those test recordings of ECG that the search split does not hold; about half of them.",
        ),
        first_frame::setting(),
    ]
}

/// Canonical parameters for a cell whose rows look at `reads`.
pub fn params(settings: Map<String, Value>, reads: Reads<'_>) -> Result<Map<String, Value>, String> {
    let (of_network, settings) = canonical::split(settings, &network::settings());
    let mut params: EvaluateParams = canonical::parse(&reads.relevant(settings, GATES))?;
    if params.batch == 0 {
        return Err("evaluate.batch: at least 1 was expected".to_string());
    }
    reads.fill(&BATCH_MEANS, &mut params.batch_means, true);
    reads.fill(&AUGMENTED, &mut params.validation_augmented, true);
    reads.fill(&CUTOUT, &mut params.cutout, true);
    reads.fill(&SHUFFLED_LENGTHS, &mut params.shuffled_lengths, true);
    reads.fill(&FIXED_JITTER, &mut params.fixed_jitter, false);
    reads.fill(&UNSEEN_ONLY, &mut params.unseen_only, false);
    reads.fill(&FIRST_FRAME, &mut params.first_frame, FirstFrame::Dropped);
    if params.split == SplitChoice::Search {
        // whole test proteins and unseen recordings exist in the final split only
        (params.shuffled_lengths, params.unseen_only) = (None, None);
    }
    if params.split == SplitChoice::Final {
        params.validation_augmented = None; // test rows are never augmented
    }
    if params.validation_augmented != Some(true) {
        params.cutout = None;
    }
    let mut all = canonical::write(&params)?;
    all.extend(network::params(of_network, reads)?);
    Ok(all)
}

/// What the catalog binds to a cell.
pub struct Parts {
    pub objective: OpenObjective,
    pub metric: OpenMetric,
    pub child: BuildChild,
}

/// Slots `dataset`, `architecture` and `weights` in, `score.json` out.
pub fn evaluate(
    names: &Names,
    params: &Map<String, Value>,
    parts: &Parts,
    context: &mut dyn Context,
) -> Result<(), StageError> {
    let (of_network, params) = canonical::split(params.clone(), &network::settings());
    let params: EvaluateParams = canonical::parse(&params).map_err(StageError::Code)?;
    let seed = context.seed();
    let architecture = inputs::architecture(context)?;
    let samples = inputs::samples(context, params.split)?;
    let objective_params = ObjectiveParams {
        split: params.split,
        seed,
        stage: STAGE,
        permute_labels: false,
        cutout: params.cutout.unwrap_or(true),
        validation_augmented: params.validation_augmented.unwrap_or(false),
        fixed_jitter: params.fixed_jitter.unwrap_or(false),
        unseen_only: params.unseen_only.unwrap_or(false),
        drop_first_frame: params.first_frame == Some(FirstFrame::Dropped),
    };
    let objective = (parts.objective)(&samples, &objective_params).map_err(StageError::Data)?;
    let metric_params = MetricParams {
        split: params.split,
        seed,
        batch_means: params.batch_means.unwrap_or(true),
        shuffled_lengths: params.shuffled_lengths.unwrap_or(false),
        unseen_only: params.unseen_only.unwrap_or(false),
    };
    let mut metric = (parts.metric)(&samples, &metric_params).map_err(StageError::Data)?;
    let child_params = ChildParams {
        droprate: 0.0,
        drop_path: None,
        auxiliary: false,
        network: network::parse(&of_network).map_err(StageError::Code)?,
        init: Purpose::new(seed, STAGE, "init"),
        seed,
        stage: STAGE,
    };
    let network = (parts.child)(&architecture, objective.shape(), &child_params).map_err(|e| match e {
        ChildError::Architecture(message) => StageError::Data(message),
        ChildError::Tensor(error) => StageError::Code(error.to_string()),
    })?;
    let saved = decode(&context.read("weights", WEIGHTS_FILE)?)
        .map_err(|e| StageError::Data(format!("{WEIGHTS_FILE}: {e}")))?;
    network.parameters().load(&saved).map_err(|e| StageError::Data(format!("{WEIGHTS_FILE}: {e}")))?;
    let count = objective.scored_samples();
    for start in (0..count).step_by(params.batch) {
        if context.stop_asked() {
            return Err(StageError::Interrupted); // short enough to begin again
        }
        let end = (start + params.batch).min(count);
        let inputs = objective.scored_inputs(start..end).map_err(stage_error)?;
        let output = network.forward(&inputs, Mode::Evaluate).map_err(|e| StageError::Code(e.to_string()))?;
        metric.add(&output).map_err(metric_error)?;
        context.progress(Progress { unit: "sample", done: end as u64, total: count as u64, note: "" });
    }
    let measure = metric.finish().map_err(metric_error)?;
    let name = |axis: &Option<String>, what: &str| {
        axis.clone().ok_or_else(|| StageError::Code(format!("an evaluate node needs a {what}")))
    };
    let score = Score {
        format: SCORE_FORMAT,
        task: name(&names.task, "task")?,
        space: name(&names.space, "space")?,
        algorithm: name(&names.algorithm, "algorithm")?,
        seed,
        metric: measure.metric.to_string(),
        unit: measure.unit.to_string(),
        direction: measure.direction,
        value: measure.value,
        trivial: measure.trivial,
        details: measure.details,
        parameters: network.parameters().count(),
        test_samples: count as u64,
        data: samples.meta.source.clone(),
    };
    let mut bytes = serde_json::to_vec_pretty(&score).map_err(|e| StageError::Code(e.to_string()))?;
    bytes.push(b'\n');
    context.write(SCORE_FILE, &bytes)
}

fn metric_error(error: MetricError) -> StageError {
    match error {
        MetricError::NotFinite { .. } => StageError::Numeric(error.to_string()),
        _ => StageError::Code(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::params;
    use crate::stages::canonical::Reads;
    use serde_json::{Map, json};

    #[test]
    fn switches_leave_the_key_where_they_cannot_matter() {
        let cifar = Reads {
            task: &["retrain.cutout", "fidelity.validation_augmented"],
            space: &[],
            algorithm: &[],
            trains: false,
        };
        let darcy = Reads { task: &["fidelity.darcy_batch_means"], space: &[], algorithm: &[], trains: false };
        let all = json!({
            "fidelity.validation_augmented": false, "fidelity.darcy_batch_means": false, "retrain.cutout": false
        });
        let all = all.as_object().unwrap();
        let keys = |map: Map<String, serde_json::Value>| map.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(params(all.clone(), cifar).unwrap()), ["evaluate.batch", "retrain.split"]);
        let mut search = all.clone();
        search.insert("retrain.split".into(), json!("search"));
        let found = params(search, cifar).unwrap();
        assert_eq!(found["fidelity.validation_augmented"], json!(false));
        assert!(!found.contains_key("retrain.cutout"));
        assert_eq!(params(all.clone(), darcy).unwrap()["fidelity.darcy_batch_means"], json!(false));
        assert_eq!(params(Map::new(), darcy).unwrap()["fidelity.darcy_batch_means"], json!(true));
    }
}
