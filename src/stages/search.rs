//! The search stage: runs the cell's algorithm on its space and writes the architecture found. Knows no algorithm.

use crate::algorithms::contract::search::{Setup, StartSearch};
use crate::artifacts::architecture::ARCHITECTURE_FILE;
use crate::spaces::contract::default::{DefaultArchitecture, DefaultParams};
use crate::stages::canonical::{self, Gate, Reader, Reads};
use crate::stages::context::{Context, StageError};
use crate::stages::drive::{drive, stage_error};
use crate::stages::entry::{Kind, Names, Setting};
use crate::stages::inputs;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
    #[serde(rename = "fidelity.wrn_spherical_head", default, skip_serializing_if = "Option::is_none")]
    pub spherical_head: Option<SphericalHead>,
    #[serde(rename = "fidelity.wrn_series_network", default, skip_serializing_if = "Option::is_none")]
    pub series_network: Option<SeriesNetwork>,
}

/// Matters where the network is the wide residual one and the task's final plane is not pooled as a whole.
const HEAD: Gate = Gate { key: "fidelity.wrn_spherical_head", reader: Reader::Both };

/// Matters where the network is the wide residual one and the task's samples are series.
const SERIES: Gate = Gate { key: "fidelity.wrn_series_network", reader: Reader::Both };

pub fn settings() -> Vec<Setting> {
    vec![
        Setting {
            key: "network.width",
            kind: Kind::Count { min: 1 },
            doc: "Base channel count: the wide residual network's 16·k becomes width·k. Absent: the published size.",
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
    let mut params: SearchParams = canonical::parse(&reads.relevant(settings, &[HEAD, SERIES]))?;
    if params.width.is_some_and(|width| width == 0 || width > 1024) {
        return Err("network.width: 1 to 1024 channels were expected".to_string());
    }
    reads.fill(&HEAD, &mut params.spherical_head, SphericalHead::Corner);
    reads.fill(&SERIES, &mut params.series_network, SeriesNetwork::Resnet);
    canonical::write(&params)
}

/// Slot `dataset` in (the default algorithm reads its description only), `architecture.json` out.
pub fn search(
    names: &Names,
    params: &Map<String, Value>,
    default: Option<DefaultArchitecture>,
    start: StartSearch,
    context: &mut dyn Context,
) -> Result<(), StageError> {
    let params: SearchParams = canonical::parse(params).map_err(StageError::Code)?;
    let meta = inputs::dataset_meta(context)?;
    let setup = Setup {
        shape: &meta.shape,
        space: names.space.as_deref().unwrap_or_default(),
        default,
        default_params: DefaultParams {
            width: params.width,
            global_head: params.spherical_head == Some(SphericalHead::Global),
            wide_series: params.series_network == Some(SeriesNetwork::Wrn),
        },
    };
    let mut search = start(&setup).map_err(StageError::Data)?;
    drive(search.as_mut(), context)?;
    let architecture = search.outcome().map_err(stage_error)?;
    context.write(ARCHITECTURE_FILE, &architecture.encode().map_err(StageError::Code)?)
}
