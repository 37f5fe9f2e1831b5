//! The search stage: runs the cell's algorithm on its space and writes the architecture found. Knows no algorithm.

use crate::algorithms::contract::search::{Setup, StartSearch, Training};
use crate::artifacts::architecture::ARCHITECTURE_FILE;
use crate::artifacts::dataset::TaskShape;
use crate::artifacts::samples::SplitChoice;
use crate::artifacts::search_log::SEARCH_FILE;
use crate::seed::Purpose;
use crate::spaces::contract::default::{DefaultArchitecture, DefaultParams};
use crate::spaces::contract::relaxed::OpenRelaxed;
use crate::spaces::contract::sampled::SampleArchitecture;
use crate::stages::canonical::{self, Gate, Reader, Reads};
use crate::stages::context::{Context, StageError};
use crate::stages::drive::{drive, stage_error};
use crate::stages::entry::{Kind, Names, Setting};
use crate::stages::inputs;
use crate::stages::search_loop;
use crate::tasks::contract::objective::{ObjectiveParams, OpenObjective};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const STAGE: &str = "search";

/// Pooling of a plane that upstream sees only a corner of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SphericalHead {
    Corner,
    Global,
}

/// The network behind `wrn` on series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeriesNetwork {
    Resnet,
    Wrn,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchParams {
    #[serde(rename = "network.width", default, skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    #[serde(rename = "network.genotype", default, skip_serializing_if = "Option::is_none")]
    pub genotype: Option<String>,
    #[serde(rename = "space.darts.primitives", default, skip_serializing_if = "Option::is_none")]
    pub primitives: Option<Vec<String>>,
    #[serde(rename = "fidelity.wrn_spherical_head", default, skip_serializing_if = "Option::is_none")]
    pub spherical_head: Option<SphericalHead>,
    #[serde(rename = "fidelity.wrn_series_network", default, skip_serializing_if = "Option::is_none")]
    pub series_network: Option<SeriesNetwork>,
}

/// Matters where the network is the wide residual one and the task's final plane is not pooled as a whole.
const HEAD: Gate = Gate { key: "fidelity.wrn_spherical_head", reader: Reader::Both };

/// Matters where the network is the wide residual one and the task's samples are series.
const SERIES: Gate = Gate { key: "fidelity.wrn_series_network", reader: Reader::Both };

/// Matters where the space has genotypes and nothing is searched.
const GENOTYPE: Gate = Gate { key: "network.genotype", reader: Reader::Method };

/// Matters where a search chooses from the primitives of a DARTS cell.
const PRIMITIVES: Gate = Gate { key: "space.darts.primitives", reader: Reader::Method };

/// What a list of primitives may hold; `spaces/darts/primitive.rs` says what they are.
pub const NAMES: &[&str] = &[
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "sep_conv_9x9",
    "sep_conv_11x11",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "dil_conv_7x7",
    "dil_conv_9x9",
    "dil_conv_11x11",
    "conv_3x1_1x3",
    "conv_5x1_1x5",
    "conv_7x1_1x7",
    "conv_9x1_1x9",
    "conv_11x1_1x11",
    "spectral_conv_4",
    "spectral_conv_8",
    "spectral_conv_12",
    "spectral_conv_16",
];

pub fn settings() -> Vec<Setting> {
    let mut settings = search_loop::settings();
    settings.extend(network_settings());
    settings
}

fn network_settings() -> Vec<Setting> {
    vec![
        Setting {
            key: "network.width",
            kind: Kind::Count { min: 1 },
            doc: "Base channel count: the wide residual network's 16·k becomes width·k, a DARTS network's C becomes width. Absent: the published size.",
            keyed: true,
        },
        Setting {
            key: "network.genotype",
            kind: Kind::Text,
            doc: "Architecture of `darts/default`: the name of a published genotype, or one written as `Genotype(normal=[('sep_conv_3x3', 0), …], reduce=[…])`. Absent: DARTS_V2.",
            keyed: true,
        },
        Setting {
            key: PRIMITIVES.key,
            kind: Kind::Choices(NAMES),
            doc: "What each edge of a DARTS cell chooses from, in the order in which ties are settled. Absent: the eight of DARTS, `none` to `dil_conv_5x5`, which are searched in one fused operator; any other list is slower.",
            keyed: true,
        },
        Setting {
            key: "fidelity.wrn_spherical_head",
            kind: Kind::Choice(&["corner", "global"]),
            doc: "Pooling of a final plane of 8 to 15 per side other than 8×8: its top left 8×8 corner, or all of it.",
            keyed: true,
        },
        Setting {
            key: "fidelity.wrn_series_network",
            kind: Kind::Choice(&["resnet", "wrn"]),
            doc: "Network of space wrn on series: the residual network of three blocks that ran, or WRN-16-4 in one dimension.",
            keyed: true,
        },
    ]
}

/// Canonical parameters for a cell whose rows look at `reads`.
pub fn params(settings: Map<String, Value>, reads: Reads<'_>) -> Result<Map<String, Value>, String> {
    let (of_loop, settings) = canonical::split(settings, &search_loop::settings());
    let mut params: SearchParams = canonical::parse(&reads.relevant(settings, &[HEAD, SERIES, GENOTYPE, PRIMITIVES]))?;
    if params.primitives.as_ref().is_some_and(|names| names.iter().all(|name| name == NAMES[0])) {
        return Err("space.darts.primitives: at least one primitive besides `none` was expected".to_string());
    }
    if params.width.is_some_and(|width| width == 0 || width > 1024) {
        return Err("network.width: 1 to 1024 channels were expected".to_string());
    }
    reads.fill(&HEAD, &mut params.spherical_head, SphericalHead::Corner);
    reads.fill(&SERIES, &mut params.series_network, SeriesNetwork::Resnet);
    if reads.open(&GENOTYPE) {
        params.width = None; // a genotype says nothing of sizes: retrain gives them
    }
    let mut all = canonical::write(&params)?;
    if reads.trains {
        all.extend(search_loop::params(of_loop, reads)?);
    }
    Ok(all)
}

/// What a search works with.
pub struct Parts {
    pub default: Option<DefaultArchitecture>,
    pub relaxed: Option<OpenRelaxed>,
    pub sampled: Option<SampleArchitecture>,
    pub objective: OpenObjective,
    pub trains: bool,
    pub start: StartSearch,
}

/// Slot `dataset` in (its description only where nothing is trained), `architecture.json` out, and `search.json` where a search
/// trained.
pub fn search(
    names: &Names,
    params: &Map<String, Value>,
    parts: &Parts,
    context: &mut dyn Context,
) -> Result<(), StageError> {
    let (of_loop, params) = canonical::split(params.clone(), &search_loop::settings());
    let params: SearchParams = canonical::parse(&params).map_err(StageError::Code)?;
    if !parts.trains {
        let meta = inputs::dataset_meta(context)?;
        return run(names, params, parts, &meta.shape, None, context);
    }
    let (loop_params, shown) = search_loop::parse(&of_loop, params.width).map_err(StageError::Code)?;
    let samples = inputs::samples(context, SplitChoice::Search)?;
    let seed = context.seed();
    let objective_params = ObjectiveParams {
        split: SplitChoice::Search,
        seed,
        stage: STAGE,
        permute_labels: shown.permute_labels,
        // searches cut no holes (methods spec §1.3)
        cutout: false,
        validation_augmented: false,
        fixed_jitter: false,
        unseen_only: false,
        drop_first_frame: shown.drop_first_frame,
    };
    let objective = (parts.objective)(&samples, &objective_params).map_err(StageError::Data)?;
    let training = Training { objective: &*objective, params: loop_params, seed, stage: STAGE };
    run(names, params, parts, objective.shape(), Some(training), context)
}

fn run(
    names: &Names,
    params: SearchParams,
    parts: &Parts,
    shape: &TaskShape,
    training: Option<Training<'_>>,
    context: &mut dyn Context,
) -> Result<(), StageError> {
    let setup = Setup {
        shape,
        space: names.space.as_deref().unwrap_or_default(),
        default: parts.default,
        default_params: DefaultParams {
            width: params.width,
            global_head: params.spherical_head == Some(SphericalHead::Global),
            wide_series: params.series_network == Some(SeriesNetwork::Wrn),
            genotype: params.genotype,
        },
        relaxed: parts.relaxed,
        sampled: parts.sampled,
        primitives: params.primitives,
        draws: Purpose::new(context.seed(), STAGE, "architecture"),
        training,
    };
    let mut search = (parts.start)(&setup).map_err(StageError::Data)?;
    drive(search.as_mut(), context)?;
    let architecture = search.outcome().map_err(stage_error)?;
    context.write(ARCHITECTURE_FILE, &architecture.encode().map_err(StageError::Code)?)?;
    if let Some(log) = search.log().map_err(stage_error)? {
        let mut text = serde_json::to_vec(&log).map_err(|e| StageError::Code(e.to_string()))?;
        text.push(b'\n');
        context.write(SEARCH_FILE, &text)?;
    }
    Ok(())
}
