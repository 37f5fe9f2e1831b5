//! The network that a genotype describes, for a task. Knows no training and no algorithm.

use crate::artifacts::architecture::Architecture;
use crate::artifacts::dataset::{Target, TaskShape};
use crate::nn::batch_norm::NORM;
use crate::nn::network::Network;
use crate::spaces::contract::child::{ChildError, ChildParams};
use crate::spaces::darts::architecture::decode;
use crate::spaces::darts::derived::{AS_RUN, DerivedShape};

/// Published sizes (methods spec §4.7).
const WIDTH: usize = 36;
const CELLS: usize = 20;

/// Inputs (N,channels,H,W) or (N,channels,L).
pub fn build(
    architecture: &Architecture,
    shape: &TaskShape,
    params: &ChildParams,
) -> std::result::Result<Network, ChildError> {
    let genotype = decode(architecture).map_err(ChildError::Architecture)?;
    let (outputs, dense) = match shape.target {
        Target::Point { classes } => (classes, false),
        Target::MultiLabel { labels } => (labels, false),
        Target::Dense { channels } => (channels, true),
    };
    if !(1..=2).contains(&shape.spatial.len()) {
        let message = format!("space darts takes series and planes, found {:?}", shape.spatial);
        return Err(ChildError::Architecture(message));
    }
    if params.auxiliary && (dense || shape.spatial.len() != 2) {
        let message = "retrain.auxiliary: space darts has auxiliary heads for point tasks on planes only".to_string();
        return Err(ChildError::Architecture(message));
    }
    // in dense networks upstream has the unusual constants in the two preprocess layers only (methods spec §4.7)
    let (outer, inner) = match (params.network.last_batch, dense) {
        (true, false) => (AS_RUN, AS_RUN),
        (true, true) => (AS_RUN, NORM),
        (false, _) => (NORM, NORM),
    };
    let derived = DerivedShape {
        channels: shape.channels,
        series: shape.spatial.len() == 1,
        dense,
        reductions: params.network.reductions,
        outputs,
        width: params.network.width.unwrap_or(WIDTH),
        cells: params.network.cells.unwrap_or(CELLS),
        genotype,
        outer,
        inner,
        drop_path: params.drop_path,
        auxiliary: params.auxiliary,
        seed: params.seed,
        stage: params.stage,
    };
    Ok(derived.build(params.init)?)
}
