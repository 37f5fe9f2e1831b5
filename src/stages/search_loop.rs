//! Settings of searches that train, and how they become the loop's parameters. Defaults are the published ones of GAEA PC-DARTS
//! (methods spec §4.3). Knows no algorithm.

use crate::algorithms::contract::search::LoopParams;
use crate::stages::accounting::Accounting;
use crate::stages::canonical::{self, Gate, Reader, Reads};
use crate::stages::entry::{Kind, Setting};
use crate::stages::first_frame::{self, FIRST_FRAME, FirstFrame};
use crate::training::schedule::scaled;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Published length, and epochs of it without a step of the architecture.
const PUBLISHED_EPOCHS: u64 = 50;
const PUBLISHED_WARMUP: u64 = 11;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mixing {
    Softmax,
    Direct,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum First {
    Weights,
    Architecture,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Pairs {
    Fixed,
    Fresh,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    #[serde(rename = "search.epochs", default = "epochs")]
    epochs: u64,
    #[serde(rename = "search.batch", default = "batch")]
    batch: usize,
    #[serde(rename = "search.drop_last", default)]
    drop_last: bool,
    #[serde(rename = "search.records_per_epoch", default, skip_serializing_if = "Option::is_none")]
    records_per_epoch: Option<u64>,
    #[serde(rename = "search.learning_rate", default = "tenth")]
    learning_rate: f64,
    #[serde(rename = "search.momentum", default = "momentum")]
    momentum: f64,
    #[serde(rename = "search.weight_decay", default = "weight_decay")]
    weight_decay: f64,
    #[serde(rename = "search.clip", default = "clip")]
    clip: f64,
    #[serde(rename = "search.architecture_rate", default = "tenth")]
    architecture_rate: f64,
    /// Absent in a manifest: 11 of 50 in proportion, or none. Written out in the canonical form.
    #[serde(rename = "search.warmup", default, skip_serializing_if = "Option::is_none")]
    warmup: Option<u64>,
    #[serde(rename = "search.width", default, skip_serializing_if = "Option::is_none")]
    width: Option<usize>,
    #[serde(rename = "search.cells", default = "cells")]
    cells: usize,
    #[serde(rename = "search.nodes", default = "four")]
    nodes: usize,
    #[serde(rename = "search.partial", default = "four")]
    partial: usize,
    #[serde(rename = "network.reductions", default = "yes")]
    reductions: bool,
    #[serde(rename = "search.permute_labels", default)]
    permute_labels: bool,
    #[serde(rename = "fidelity.epoch_accounting", default = "accounting")]
    accounting: Accounting,
    #[serde(rename = "fidelity.darts_first_frame", default, skip_serializing_if = "Option::is_none")]
    first_frame: Option<FirstFrame>,
    #[serde(rename = "fidelity.gaea_mixing", default, skip_serializing_if = "Option::is_none")]
    mixing: Option<Mixing>,
    #[serde(rename = "fidelity.gaea_warmup", default, skip_serializing_if = "Option::is_none")]
    with_warmup: Option<bool>,
    #[serde(rename = "fidelity.search_order", default = "weights_first")]
    first: First,
    #[serde(rename = "fidelity.search_pairs", default = "fixed")]
    pairs: Pairs,
}

fn epochs() -> u64 {
    PUBLISHED_EPOCHS
}
fn batch() -> usize {
    64
}
fn tenth() -> f64 {
    0.1
}
fn momentum() -> f64 {
    0.9
}
fn weight_decay() -> f64 {
    3e-4
}
fn clip() -> f64 {
    5.0
}
fn cells() -> usize {
    8
}
fn four() -> usize {
    4
}
fn yes() -> bool {
    true
}
fn accounting() -> Accounting {
    Accounting::Batches
}
fn weights_first() -> First {
    First::Weights
}
fn fixed() -> Pairs {
    Pairs::Fixed
}

const MIXING: Gate = Gate { key: "fidelity.gaea_mixing", reader: Reader::Algorithm };
const WARMUP: Gate = Gate { key: "fidelity.gaea_warmup", reader: Reader::Algorithm };

pub fn settings() -> Vec<Setting> {
    let positive = Kind::Float { min: 0.0, max: 1e6 };
    let setting = |key, kind, doc| Setting { key, kind, doc, keyed: true };
    vec![
        setting("search.epochs", Kind::Count { min: 1 }, "Epochs of a search that trains."),
        setting(
            "search.batch",
            Kind::Count { min: 1 },
            "Samples per step, of the weights and of the architecture alike.",
        ),
        setting("search.drop_last", Kind::Bool, "Leave out the last batch of an epoch where it is incomplete."),
        setting(
            "search.records_per_epoch",
            Kind::Count { min: 1 },
            "Samples that count as one epoch of a search under `fidelity.epoch_accounting = \"batches\"`. Absent: half of the training samples.",
        ),
        setting("search.learning_rate", positive, "Rate of the search network's weights at the start of a cosine."),
        setting("search.momentum", Kind::Float { min: 0.0, max: 0.999 }, "Momentum of the search network's weights."),
        setting("search.weight_decay", positive, "Coupled L2 decay of the search network's weights."),
        setting("search.clip", Kind::Float { min: 1e-6, max: 1e12 }, "Limit of the norm of the weights' gradient."),
        setting("search.architecture_rate", positive, "Rate of the architecture parameters, constant."),
        setting(
            "search.warmup",
            Kind::Count { min: 0 },
            "Epochs at the start in which only weights move. Absent: 11 of 50, in proportion to `search.epochs`; none where `fidelity.gaea_warmup` is off.",
        ),
        setting(
            "search.width",
            Kind::Count { min: 1 },
            "Channels of the search network's first cell where `network.width` is absent; 16 where this is absent too.",
        ),
        setting("search.cells", Kind::Count { min: 1 }, "Cells of the search network."),
        setting(
            "search.nodes",
            Kind::Count { min: 1 },
            "Nodes of a cell, each with edges from all states before it; 4 at most.",
        ),
        setting(
            "search.partial",
            Kind::Count { min: 1 },
            "Primitives see one of so many channels: 4 in PC-DARTS, 1 in DARTS.",
        ),
        setting(
            "network.reductions",
            Kind::Bool,
            "Whether DARTS networks of point tasks have reduction cells, after a third and two thirds of the cells.",
        ),
        setting("search.permute_labels", Kind::Bool, "Search on permuted labels: a control that must find nothing."),
        setting(
            "fidelity.epoch_accounting",
            Kind::Choice(&["batches", "epochs"]),
            "Length of a training: floor(epochs · records per epoch / batch) steps, or whole passes of the loader.",
        ),
        first_frame::setting(),
        setting(
            "fidelity.gaea_mixing",
            Kind::Choice(&["softmax", "direct"]),
            "GAEA's parameters go through a softmax, with edges normalised together; or they are the weights, edges normalised per node.",
        ),
        setting("fidelity.gaea_warmup", Kind::Bool, "Search with GAEA begins with epochs in which only weights move."),
        setting(
            "fidelity.search_order",
            Kind::Choice(&["weights", "architecture"]),
            "Which of its two steps a search takes first.",
        ),
        setting(
            "fidelity.search_pairs",
            Kind::Choice(&["fixed", "fresh"]),
            "Each sample of the weights always meets the same one of the architecture, or another in each epoch.",
        ),
    ]
}

/// Canonical parameters of these settings, all of them keys of `settings()`.
pub fn params(settings: Map<String, Value>, reads: Reads<'_>) -> Result<Map<String, Value>, String> {
    let mut params: Params = canonical::parse(&reads.relevant(settings, &[MIXING, WARMUP, FIRST_FRAME]))?;
    if params.epochs == 0 || params.batch == 0 {
        return Err("search.epochs, search.batch: at least 1 was expected".to_string());
    }
    reads.fill(&FIRST_FRAME, &mut params.first_frame, FirstFrame::Dropped);
    reads.fill(&MIXING, &mut params.mixing, Mixing::Softmax);
    reads.fill(&WARMUP, &mut params.with_warmup, true);
    let usual = scaled(&[PUBLISHED_WARMUP], PUBLISHED_EPOCHS, params.epochs)[0];
    // without the switch, as in other algorithms, the weights have no start of their own
    let default = if params.with_warmup.take().unwrap_or(false) { usual } else { 0 };
    params.warmup = Some(params.warmup.unwrap_or(default));
    if params.accounting == Accounting::Epochs {
        params.records_per_epoch = None;
    }
    canonical::write(&params)
}

/// What a search changes about its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    pub permute_labels: bool,
    pub drop_first_frame: bool,
}

/// From canonical parameters; `width` is what `network.width` says.
pub fn parse(params: &Map<String, Value>, width: Option<usize>) -> Result<(LoopParams, Shown), String> {
    let found: Params = canonical::parse(params)?;
    let params = LoopParams {
        epochs: found.epochs,
        batch: found.batch,
        drop_last: found.drop_last,
        records_per_epoch: found.records_per_epoch,
        whole_epochs: found.accounting == Accounting::Epochs,
        learning_rate: found.learning_rate,
        momentum: found.momentum,
        weight_decay: found.weight_decay,
        clip: found.clip,
        architecture_rate: found.architecture_rate,
        warmup: found.warmup.unwrap_or(0),
        width: width.or(found.width),
        cells: found.cells,
        nodes: found.nodes,
        partial: found.partial,
        reductions: found.reductions,
        direct: found.mixing == Some(Mixing::Direct),
        architecture_first: found.first == First::Architecture,
        fresh_pairs: found.pairs == Pairs::Fresh,
    };
    let drop_first_frame = found.first_frame == Some(FirstFrame::Dropped);
    Ok((params, Shown { permute_labels: found.permute_labels, drop_first_frame }))
}

#[cfg(test)]
mod tests {
    use super::{params, parse};
    use crate::stages::canonical::Reads;
    use serde_json::{Map, Value, json};

    const GAEA: Reads<'static> =
        Reads { task: &[], space: &[], algorithm: &["fidelity.gaea_mixing", "fidelity.gaea_warmup"], trains: true };

    fn canonical(value: Value, reads: Reads<'_>) -> Map<String, Value> {
        params(value.as_object().unwrap().clone(), reads).unwrap()
    }

    #[test]
    fn the_canonical_form_is_its_own_and_holds_the_published_values() {
        let found = canonical(json!({}), GAEA);
        assert_eq!((&found["search.epochs"], &found["search.warmup"]), (&json!(50), &json!(11)));
        assert_eq!(found["fidelity.gaea_mixing"], json!("softmax"));
        assert_eq!(params(found.clone(), GAEA).unwrap(), found);
        // methods §9: without warm-up as described
        assert_eq!(canonical(json!({"fidelity.gaea_warmup": false}), GAEA)["search.warmup"], json!(0));
        assert_eq!(canonical(json!({"search.epochs": 10}), GAEA)["search.warmup"], json!(2));
        assert_eq!(canonical(json!({"search.warmup": 3}), GAEA)["search.warmup"], json!(3));
        let darts = Reads { algorithm: &[], ..GAEA };
        let other = canonical(json!({"fidelity.gaea_mixing": "direct"}), darts);
        assert!(!other.contains_key("fidelity.gaea_mixing") && other["search.warmup"] == json!(0));
    }

    #[test]
    fn the_width_of_all_networks_comes_before_that_of_the_search() {
        let found = canonical(json!({"search.width": 8, "fidelity.gaea_mixing": "direct"}), GAEA);
        assert_eq!(parse(&found, None).unwrap().0.width, Some(8));
        let (params, shown) = parse(&found, Some(4)).unwrap();
        assert!(params.width == Some(4) && params.direct && !shown.permute_labels);
    }
}
