//! Who may import whom. The engine and the compute side meet in `stages/context.rs`, `stages/entry.rs` and
//! `cli/catalog.rs`, and nowhere else.
//!
//! * Compute files never import engine files.
//! * Engine files import of the compute side only `stages/context.rs`, `stages/entry.rs`, `artifacts/`, `stats/`, `digest.rs`
//!   and `seed.rs`; `cli/catalog.rs` alone imports anything.
//! * A compute file imports its own folder, folders of its own layer and of those before it, and `stages/context.rs`.
//! * Only `cli/catalog.rs` reads the tables in `tasks/mod.rs`, `spaces/mod.rs`, `algorithms/mod.rs` and `stages/mod.rs`.
//! * No variant imports a sibling: what two share has a name of its own.
//! * Folders form no cycle, where `stages/context.rs`, `stages/entry.rs` and `cli/catalog.rs` count as folders of their own.
//! * No other compute file imports the device path, so that an edit there leaves results of the CPU cached.
//! * Compute files name no clock, environment variable, process or network of the standard library.

use super::tree;
use std::collections::{BTreeMap, BTreeSet};

const LAYERS: &[&[&str]] = &[
    &["digest.rs", "seed.rs", "stages/context.rs"],
    &["ops", "metrics", "stats", "artifacts"],
    &["nn", "data", "training"],
    &["tasks"],
    &["spaces"],
    &["algorithms"],
    &["stages", "stages/entry.rs"],
];

/// `fidelity.rs` lists presets of settings: what computes gets the values as parameters.
const ENGINE: &[&str] = &[
    "manifest",
    "plan",
    "execute",
    "store",
    "report",
    "progress",
    "fingerprint",
    "cli",
    "cli/catalog.rs",
    "fidelity.rs",
];

/// What engine files may import of the compute side.
const OPEN: &[&str] = &["digest.rs", "seed.rs", "stages/context.rs", "stages/entry.rs", "artifacts", "stats"];

/// Files that count as folders of their own.
const BRIDGES: &[&str] = &["stages/context.rs", "stages/entry.rs", "cli/catalog.rs"];

const TABLES: &[&str] = &["tasks/mod.rs", "spaces/mod.rs", "algorithms/mod.rs", "stages/mod.rs"];

/// Rows of the open sets; any other name in these folders is shared by design (`contract`, `cell`).
const VARIANTS: &[(&str, &[&str])] = &[
    (
        "tasks",
        &["cifar100", "spherical", "ninapro", "fsd50k", "darcy", "psicov", "cosmic", "ecg", "satellite", "deepsea"],
    ),
    ("spaces", &["wrn", "darts", "densenas", "autodeeplab", "amber"]),
    ("algorithms", &["default", "asha", "gaea", "darts", "densenas", "random", "enas"]),
    ("stages", &["fetch", "preprocess", "search", "retrain", "evaluate", "aggregate"]),
];

/// Standard library items whose results depend on where and when a stage runs.
const OUTSIDE: &[&str] =
    &["std::env", "std::time::SystemTime", "std::time::Instant", "std::process::Command", "std::net"];

/// The folder that a file counts to: the first part of its path, or the file itself where it is a bridge.
fn folder(path: &str) -> &str {
    if BRIDGES.contains(&path) { path } else { path.split('/').next().expect("split gives a part") }
}

fn layer(folder: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&folder))
}

/// Whether the file at `path` belongs to the compute side.
pub fn is_compute(path: &str) -> bool {
    layer(folder(path)).is_some()
}

fn is_free(path: &str) -> bool {
    path.starts_with("../") || ["lib.rs", "main.rs"].contains(&path)
}

/// The variant that a file belongs to, if any: `spaces/darts/child.rs` to `("spaces", "darts")`.
fn variant(path: &str) -> Option<(&str, &str)> {
    let (set, rest) = path.split_once('/')?;
    let name = rest.split('/').next()?.trim_end_matches(".rs");
    VARIANTS.iter().any(|(known, names)| *known == set && names.contains(&name)).then_some((set, name))
}

/// Why `from` must not import `to`, if so.
fn forbidden(from: &str, to: &str) -> Option<&'static str> {
    if is_free(from) || is_free(to) || from == "cli/catalog.rs" {
        return None;
    }
    if TABLES.contains(&to) {
        return Some("only cli/catalog.rs reads tables");
    }
    match (layer(folder(from)), layer(folder(to))) {
        (Some(_), None) => Some("the compute side imports no engine"),
        (None, Some(_)) if !OPEN.contains(&folder(to)) => Some("the engine knows no mathematics"),
        (Some(from), Some(to)) if from < to => Some("a layer imports only those before it"),
        _ => match (variant(from), variant(to)) {
            (Some((set, name)), Some((other_set, other))) if set == other_set && name != other => {
                Some("variants never import siblings")
            }
            _ => None,
        },
    }
}

fn edges() -> impl Iterator<Item = (&'static str, &'static str)> {
    tree().graph().files.iter().flat_map(|(from, file)| file.imports.iter().map(move |to| (from.as_str(), to.as_str())))
}

#[test]
fn every_folder_has_a_place() {
    let lost: BTreeSet<&str> = tree()
        .graph()
        .files
        .keys()
        .filter(|path| !is_free(path) && !is_compute(path) && !ENGINE.contains(&folder(path)))
        .map(|path| folder(path))
        .collect();
    assert!(lost.is_empty(), "neither in a layer nor in the engine (tests/it/closures/layers.rs): {lost:?}");
}

#[test]
fn imports_keep_to_the_layers() {
    let broken: Vec<String> = edges()
        .filter_map(|(from, to)| Some(format!("src/{from} imports src/{to}: {}", forbidden(from, to)?)))
        .collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn the_layers_forbid_what_they_should() {
    for (from, to) in [
        ("training/epoch.rs", "store/object.rs"),
        ("plan/key.rs", "nn/layer.rs"),
        ("plan/key.rs", "stages/search.rs"),
        ("ops/conv/mod.rs", "nn/layer.rs"),
        ("tasks/contract/objective.rs", "stages/entry.rs"),
        ("cli/run.rs", "tasks/mod.rs"),
        ("spaces/darts/child.rs", "spaces/densenas/child.rs"),
        ("algorithms/gaea.rs", "algorithms/enas/controller.rs"),
    ] {
        assert!(forbidden(from, to).is_some(), "{from} may import {to}");
    }
    for (from, to) in [
        ("tasks/darcy/source.rs", "stages/context.rs"),
        ("cli/catalog.rs", "tasks/mod.rs"),
        ("report/table.rs", "stats/rank.rs"),
        ("execute/pool.rs", "stages/entry.rs"),
        ("spaces/darts/child.rs", "spaces/cell/mixed.rs"),
        ("spaces/darts/child.rs", "spaces/darts/genotype.rs"),
        ("stages/search.rs", "algorithms/contract.rs"),
        ("training/epoch.rs", "nn/layer.rs"),
    ] {
        assert_eq!(forbidden(from, to), None, "{from} must not import {to}");
    }
}

/// Files that only runs on a device reach.
fn on_device(path: &str) -> bool {
    path.ends_with(".cu")
        || path.ends_with(".cuh")
        || path.ends_with("/cuda.rs")
        || path.contains("/cuda/")
        || path.starts_with("ops/launch/")
        || path.ends_with("/launches.rs")
}

#[test]
fn results_of_the_cpu_do_not_depend_on_the_device_path() {
    let broken: Vec<String> = edges()
        .filter(|(from, to)| is_compute(from) && on_device(to) && !on_device(from))
        .map(|(from, to)| format!("src/{from} imports src/{to}"))
        .collect();
    assert!(broken.is_empty(), "an edit of a kernel would rerun nodes on the CPU:\n{}", broken.join("\n"));
    assert!(tree().graph().files.keys().any(|path| on_device(path)), "there is a device path");
}

#[test]
fn folders_form_no_cycle() {
    let mut imports: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    for (from, to) in edges().filter(|(from, to)| !is_free(from) && !is_free(to) && folder(from) != folder(to)) {
        imports.entry(folder(from)).or_default().insert(folder(to), format!("src/{from} imports src/{to}"));
        imports.entry(folder(to)).or_default();
    }
    // Take away folders that import none of the rest; what stays is on a cycle or leads to one.
    while let Some(leaf) = imports.iter().find(|(_, to)| to.is_empty()).map(|(from, _)| *from) {
        imports.remove(leaf);
        imports.values_mut().for_each(|to| drop(to.remove(leaf)));
    }
    let left: Vec<&String> = imports.values().flat_map(BTreeMap::values).collect();
    assert!(left.is_empty(), "these imports close a cycle: {left:#?}");
}

#[test]
fn stages_see_no_clock_and_no_environment() {
    let mut found = Vec::new();
    for (path, file) in tree().graph().files.iter().filter(|(path, _)| is_compute(path)) {
        let named = file
            .std
            .iter()
            .filter(|name| OUTSIDE.iter().any(|item| name.as_str() == *item || name.starts_with(&format!("{item}::"))));
        found.extend(named.map(|name| format!("src/{path} names {name}")));
    }
    assert!(found.is_empty(), "a stage's result would depend on where or when it runs:\n{}", found.join("\n"));
}
