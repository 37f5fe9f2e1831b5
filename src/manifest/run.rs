//! What holds for the whole run: name, seeds, fidelity, executor. Knows no cell.

use crate::manifest::diagnostic::{Diagnostic, Source};
use crate::manifest::document::{Datum, Node};
use crate::manifest::suggest;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where nodes may run (pipeline §7). Whether one is built in is the executor's business.
pub const EXECUTORS: [&str; 3] = ["local", "slurm", "workers"];

/// The two sides of every switch, as `run.fidelity` spells them.
pub const FIDELITIES: [&str; 2] = ["as-run", "as-described"];

/// The keys below, as they stand in `[run]`.
pub const KEYS: [&str; 4] = ["run.name", "run.seeds", "run.fidelity", "run.executor"];

/// One layer's say on the whole run.
#[derive(Clone, Debug, Default)]
pub struct Run {
    pub name: Option<String>,
    pub seeds: Option<Vec<u64>>,
    /// One of `FIDELITIES`.
    pub fidelity: Option<String>,
    /// One of `EXECUTORS`.
    pub executor: Option<String>,
}

impl Run {
    /// Takes the value of one of `KEYS`; false where `key` is none of them.
    pub fn take(&mut self, key: &str, source: &Arc<Source>, node: &Node, found: &mut Vec<Diagnostic>) -> bool {
        match key {
            "run.name" => self.name = name(source, node, found),
            "run.seeds" => self.seeds = seeds(source, node, found),
            "run.fidelity" => self.fidelity = word(source, node, &FIDELITIES, "run.fidelity", "fidelities", found),
            "run.executor" => self.executor = word(source, node, &EXECUTORS, "run.executor", "executors", found),
            _ => return false,
        }
        true
    }

    /// `over`'s values where it has any.
    pub fn under(self, over: &Run) -> Run {
        Run {
            name: over.name.clone().or(self.name),
            seeds: over.seeds.clone().or(self.seeds),
            fidelity: over.fidelity.clone().or(self.fidelity),
            executor: over.executor.clone().or(self.executor),
        }
    }
}

fn name(source: &Arc<Source>, node: &Node, found: &mut Vec<Diagnostic>) -> Option<String> {
    let good = |c: char| c.is_alphanumeric() || "-_.+ ".contains(c);
    let label = match &node.datum {
        Datum::Text(text) if text.is_empty() => "it is empty".to_string(),
        Datum::Text(text) if text.len() > 100 => format!("it has {} bytes", text.len()),
        Datum::Text(text) => match text.chars().find(|&c| !good(c)) {
            Some(c) => format!("it holds `{}`", c.escape_debug()),
            None if text.starts_with(char::is_alphanumeric) => return Some(text.clone()),
            None => "it begins with neither letter nor digit".to_string(),
        },
        other => format!("expected a text, found {}", other.what()),
    };
    found.push(
        Diagnostic::at(source, node.span.clone(), "`run.name` is not a name").label(label).help(
            "use letters, digits, `-`, `_`, `.`, `+` and spaces, at most 100 of them: folders are named after it",
        ),
    );
    None
}

fn word(
    source: &Arc<Source>,
    node: &Node,
    known: &[&str],
    key: &str,
    plural: &str,
    found: &mut Vec<Diagnostic>,
) -> Option<String> {
    match &node.datum {
        Datum::Text(text) if known.contains(&text.as_str()) => return Some(text.clone()),
        Datum::Text(text) => {
            let mut one = Diagnostic::at(source, node.span.clone(), format!("unknown `{key}` \"{text}\""));
            one.help = suggest::remedies(text, known, plural);
            found.push(one);
        }
        other => {
            let one = Diagnostic::at(source, node.span.clone(), format!("`{key}` has the wrong type"));
            let one = one.label(format!("expected a text, found {}", other.what()));
            found.push(one.help(format!("{plural}: {}", known.join(", "))));
        }
    }
    None
}

/// One seed or a list of different ones, in the order written. `None` after an error.
pub fn seeds(source: &Arc<Source>, node: &Node, found: &mut Vec<Diagnostic>) -> Option<Vec<u64>> {
    let single = std::slice::from_ref(node);
    let nodes = if let Datum::List(nodes) = &node.datum { nodes.as_slice() } else { single };
    if nodes.is_empty() {
        found.push(
            Diagnostic::at(source, node.span.clone(), "the list of seeds is empty")
                .label("no cell would run")
                .help("write at least one seed, such as `seeds = [0]`"),
        );
        return None;
    }
    let errors = found.len();
    let mut seen = BTreeSet::new();
    let mut seeds = Vec::new();
    for node in nodes {
        let Datum::Integer(number) = node.datum else {
            found.push(
                Diagnostic::at(source, node.span.clone(), "a seed is not an integer")
                    .label(format!("expected an integer of at least 0, found {}", node.datum.what()))
                    .help("write seeds as `seeds = [0, 1, 2]`"),
            );
            continue;
        };
        let Ok(seed) = u64::try_from(number) else {
            found.push(
                Diagnostic::at(source, node.span.clone(), format!("the seed {number} is negative"))
                    .help("seeds are integers of at least 0"),
            );
            continue;
        };
        if !seen.insert(seed) {
            found.push(
                Diagnostic::at(source, node.span.clone(), format!("seed {seed} is written twice"))
                    .help("remove one: a cell runs once per seed"),
            );
        }
        seeds.push(seed);
    }
    (found.len() == errors).then_some(seeds)
}
