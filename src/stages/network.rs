//! Settings of a network that is trained from scratch and that its architecture does not hold: retrain builds it by them, and so
//! must evaluate. Knows no stage and no space.

use crate::spaces::contract::child::NetworkParams;
use crate::stages::canonical::{self, Gate, Reader, Reads};
use crate::stages::entry::{Kind, Setting};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What the norms of a derived network remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norms {
    /// The last batch.
    LastBatch,
    /// A running average.
    Running,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    #[serde(rename = "network.width", default, skip_serializing_if = "Option::is_none")]
    overall: Option<usize>,
    #[serde(rename = "retrain.width", default, skip_serializing_if = "Option::is_none")]
    width: Option<usize>,
    #[serde(rename = "retrain.cells", default, skip_serializing_if = "Option::is_none")]
    cells: Option<usize>,
    #[serde(rename = "network.reductions", default, skip_serializing_if = "Option::is_none")]
    reductions: Option<bool>,
    #[serde(rename = "fidelity.darts_norms", default, skip_serializing_if = "Option::is_none")]
    norms: Option<Norms>,
}

const WIDTH: Gate = Gate { key: "network.width", reader: Reader::Space };
const OWN_WIDTH: Gate = Gate { key: "retrain.width", reader: Reader::Space };
const CELLS: Gate = Gate { key: "retrain.cells", reader: Reader::Space };
const REDUCTIONS: Gate = Gate { key: "network.reductions", reader: Reader::Space };
const NORMS: Gate = Gate { key: "fidelity.darts_norms", reader: Reader::Space };
const GATES: &[Gate] = &[WIDTH, OWN_WIDTH, CELLS, REDUCTIONS, NORMS];
/// Sizes beyond it are slips.
const MOST: usize = 1024;

pub fn settings() -> Vec<Setting> {
    let setting = |key, kind, doc| Setting { key, kind, doc, keyed: true };
    vec![
        setting(
            "network.width",
            Kind::Count { min: 1 },
            "Base channel count: the wide residual network's 16·k becomes width·k, a DARTS network's C becomes width. Absent: the published size.",
        ),
        setting(
            "retrain.width",
            Kind::Count { min: 1 },
            "Channels of a derived DARTS network's first cell where `network.width` is absent; 36 where this is absent too.",
        ),
        setting("retrain.cells", Kind::Count { min: 1 }, "Cells of a derived DARTS network; 20 where absent."),
        setting(
            "network.reductions",
            Kind::Bool,
            "Whether DARTS networks of point tasks have reduction cells, after a third and two thirds of the cells.",
        ),
        setting(
            "fidelity.darts_norms",
            Kind::Choice(&["last-batch", "running"]),
            "What batch norms of derived DARTS networks keep for evaluation: the last batch's statistics, or a running average.",
        ),
    ]
}

/// Canonical parameters of these settings, all of them keys of `settings()`.
pub fn params(settings: Map<String, Value>, reads: Reads<'_>) -> Result<Map<String, Value>, String> {
    let mut params: Params = canonical::parse(&reads.relevant(settings, GATES))?;
    for (key, value) in
        [("network.width", params.overall), ("retrain.width", params.width), ("retrain.cells", params.cells)]
    {
        if value.is_some_and(|value| value == 0 || value > MOST) {
            return Err(format!("{key}: 1 to {MOST} were expected"));
        }
    }
    // one of the two counts
    params.width = params.overall.take().or(params.width);
    reads.fill(&REDUCTIONS, &mut params.reductions, true);
    reads.fill(&NORMS, &mut params.norms, Norms::LastBatch);
    canonical::write(&params)
}

/// From canonical parameters.
pub fn parse(params: &Map<String, Value>) -> Result<NetworkParams, String> {
    let params: Params = canonical::parse(params)?;
    Ok(NetworkParams {
        width: params.width,
        cells: params.cells,
        reductions: params.reductions.unwrap_or(true),
        last_batch: params.norms != Some(Norms::Running),
    })
}
