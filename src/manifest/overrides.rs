//! `[[override]]`: settings for the cells that a selector matches. Knows no order of layers.

use crate::manifest::diagnostic::{Diagnostic, Source};
use crate::manifest::document::{Datum, Node, Table};
use crate::manifest::expand::{Place, cells};
use crate::manifest::flatten::{Assignment, Flattener};
use crate::manifest::selector::Selector;
use crate::manifest::suggest;
use crate::manifest::words::Words;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct Override {
    pub selector: Selector,
    pub set: Vec<Assignment>,
    pub source: Arc<Source>,
}

impl Override {
    /// `override at line 12`, with the file where it is not the manifest.
    pub fn place(&self, manifest: &Arc<Source>) -> String {
        let line = self.source.line(self.selector.span.start);
        if Arc::ptr_eq(&self.source, manifest) {
            format!("override at line {line}")
        } else {
            format!("override at {}:{line}", self.source.origin)
        }
    }
}

/// Reads the value of a key `override`.
pub fn parse(words: &Words<'_>, source: &Arc<Source>, node: &Node, found: &mut Vec<Diagnostic>) -> Vec<Override> {
    let wrong = |node: &Node| {
        Diagnostic::at(source, node.span.clone(), "`override` is a list of tables")
            .label(format!("found {}", node.datum.what()))
            .help("write `[[override]]` with double brackets")
    };
    let Datum::List(nodes) = &node.datum else {
        found.push(wrong(node));
        return Vec::new();
    };
    let mut out = Vec::new();
    for node in nodes {
        match &node.datum {
            Datum::Table(table) => out.extend(one(words, source, node, table, found)),
            _ => found.push(wrong(node)),
        }
    }
    out
}

fn one(
    words: &Words<'_>,
    source: &Arc<Source>,
    node: &Node,
    table: &Table,
    found: &mut Vec<Diagnostic>,
) -> Option<Override> {
    for entry in table.0.iter().filter(|entry| entry.key != "match" && entry.key != "set") {
        let mut one = Diagnostic::at(source, entry.key_span.clone(), format!("an override has no key `{}`", entry.key));
        one.help = suggest::remedies(&entry.key, &["match", "set"], "keys");
        found.push(one);
    }
    let selector = match table.get("match") {
        Some(entry) => Selector::parse(words, source, &entry.node, found),
        None => {
            found.push(
                Diagnostic::at(source, node.span.clone(), "this override has no `match`")
                    .label("it does not say which cells it is for")
                    .help("add `match = { task = \"…\", method = \"…\" }`; settings for all cells stand in their own tables"),
            );
            None
        }
    };
    let set = match table.get("set").map(|entry| (&entry.node, &entry.node.datum)) {
        Some((node, Datum::Table(table))) => {
            if table.0.is_empty() {
                found.push(Diagnostic::at(source, node.span.clone(), "this override sets nothing").help(EXAMPLE));
            }
            let mut flattener = Flattener::new(words, source, None, found);
            flattener.table(table);
            Some(flattener.out)
        }
        Some((node, other)) => {
            let one = Diagnostic::at(source, node.span.clone(), "`set` is a table of settings");
            found.push(one.label(format!("expected a table, found {}", other.what())).help(EXAMPLE));
            None
        }
        None => {
            found.push(Diagnostic::at(source, node.span.clone(), "this override has no `set`").help(EXAMPLE));
            None
        }
    };
    Some(Override { selector: selector?, set: set?, source: source.clone() })
}

/// How many cells each override takes; an error where it takes none, under these seeds or as the manifest is written.
pub fn hits(
    manifest: &Arc<Source>,
    overrides: &[Override],
    places: &[Place],
    as_written: &[Place],
) -> Vec<(String, Option<Diagnostic>)> {
    let count = |rule: &Override, places: &[Place]| -> usize {
        places
            .chunk_by(|one, other| (one.task, one.method) == (other.task, other.method))
            .filter(|run| rule.selector.pair(run[0].task, run[0].method))
            .map(|run| run.iter().filter(|place| rule.selector.seed(place.seed)).count())
            .sum()
    };
    overrides
        .iter()
        .map(|rule| {
            let hits = count(rule, places);
            let note = format!("{}: {}", rule.place(manifest), cells(hits));
            let error = (hits == 0 && count(rule, as_written) == 0).then(|| {
                Diagnostic::at(&rule.source, rule.selector.span.clone(), "this override matches no cell")
                    .help("remove it, or correct its names; the grids decide which cells there are")
            });
            (note, error)
        })
        .collect()
}

const EXAMPLE: &str = "write `set = { \"retrain.batch\" = 8 }`";
