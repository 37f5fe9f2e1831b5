//! `[profile.NAME]`: settings, seeds and executor under a name, for `--profile`. Knows not which profile is asked for.

use crate::manifest::diagnostic::{Diagnostic, Source};
use crate::manifest::document::{Datum, Entry, Table};
use crate::manifest::flatten::Flattener;
use crate::manifest::layer::Layer;
use crate::manifest::overrides;
use crate::manifest::run::Run;
use crate::manifest::words::{Meaning, Words};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub struct Profile {
    pub run: Run,
    pub layer: Layer,
}

/// Reads the value of the key `profile`: every profile is checked, asked for or not.
pub fn parse(
    words: &Words<'_>,
    source: &Arc<Source>,
    entry: &Entry,
    found: &mut Vec<Diagnostic>,
) -> BTreeMap<String, Profile> {
    let mut out = BTreeMap::new();
    let wrong = |entry: &Entry| {
        Diagnostic::at(source, entry.key_span.clone(), format!("`{}` is not a profile", entry.key))
            .label(format!("expected a table, found {}", entry.node.datum.what()))
            .help("write `[profile.NAME]` with `seeds`, `set`, `executor` or tables of settings")
    };
    let Datum::Table(profiles) = &entry.node.datum else {
        found.push(wrong(entry));
        return out;
    };
    for entry in &profiles.0 {
        match &entry.node.datum {
            Datum::Table(table) => {
                out.insert(entry.key.clone(), one(words, source, table, found));
            }
            _ => found.push(wrong(entry)),
        }
    }
    out
}

fn one(words: &Words<'_>, source: &Arc<Source>, table: &Table, found: &mut Vec<Diagnostic>) -> Profile {
    let mut run = Run::default();
    let mut list = Vec::new();
    let mut flattener = Flattener::new(words, source, Some(&mut run), found);
    let executor = match table.get("executor").map(|entry| &entry.node.datum) {
        Some(Datum::Text(text)) => text.as_str(),
        _ => "local",
    };
    for entry in &table.0 {
        let key = entry.key.as_str();
        match (key, &entry.node.datum) {
            ("seeds" | "executor" | "name" | "fidelity", _) => flattener.entry("run", entry, None),
            ("set", Datum::Table(table)) => flattener.table(table),
            ("set", other) => flattener.found.push(
                Diagnostic::at(source, entry.node.span.clone(), "`set` is a table of settings")
                    .label(format!("expected a table, found {}", other.what()))
                    .help("write `set = { \"retrain.epochs\" = 1 }`"),
            ),
            ("override", _) => list.extend(overrides::parse(words, source, &entry.node, flattener.found)),
            // `partition = "gpu"` beside `executor = "slurm"` is the setting `slurm.partition`.
            _ if matches!(words.meaning(&format!("{executor}.{key}"), None), Meaning::Setting { .. }) => {
                flattener.entry(executor, entry, None);
            }
            _ => flattener.entry("", entry, None),
        }
    }
    let set = flattener.out;
    Profile { run, layer: Layer::of_tables(set, list) }
}
