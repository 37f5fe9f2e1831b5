//! Which cells a rule means: lists and globs over task, space, algorithm, method, seed. Knows not what the rule does.

use crate::manifest::diagnostic::{Diagnostic, Source};
use crate::manifest::document::{Datum, Entry, Node, Table};
use crate::manifest::pick::{Universe, is_glob, pattern, pick};
use crate::manifest::suggest;
use crate::manifest::vocabulary::{Form, TaskWord};
use crate::manifest::words::{Words, algorithms};
use glob::Pattern;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// The keys a selector may have.
pub const KEYS: [&str; 7] = ["task", "space", "algorithm", "method", "seed", "dimension", "kind"];

/// All named axes must match.
#[derive(Clone, Debug)]
pub struct Selector {
    /// By position in `Words::tasks`.
    tasks: Vec<bool>,
    /// By position in `Words::methods`.
    methods: Vec<bool>,
    seeds: Option<Seeds>,
    pub span: Range<usize>,
}

#[derive(Clone, Debug, Default)]
struct Seeds {
    named: BTreeSet<u64>,
    globs: Vec<Pattern>,
}

impl Selector {
    /// Reads a table such as `{ task = ["ecg", "d*"], seed = 0 }`; after an error the selector matches everything left.
    pub fn parse(
        words: &Words<'_>,
        source: &Arc<Source>,
        node: &Node,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Selector> {
        let Datum::Table(table) = &node.datum else {
            found.push(
                Diagnostic::at(source, node.span.clone(), "a rule is a table")
                    .label(format!("expected a table, found {}", node.datum.what()))
                    .help("write `{ task = \"…\", method = \"…\" }`"),
            );
            return None;
        };
        if table.0.is_empty() {
            found.push(
                Diagnostic::at(source, node.span.clone(), "this rule names nothing, so it would match every cell")
                    .help(format!("name at least one of {}", KEYS.join(", "))),
            );
            return None;
        }
        let before = found.len();
        let selector = Selector::axes(words, source, table, node.span.clone(), found);
        (found.len() == before).then_some(selector)
    }

    fn axes(
        words: &Words<'_>,
        source: &Arc<Source>,
        table: &Table,
        span: Range<usize>,
        found: &mut Vec<Diagnostic>,
    ) -> Selector {
        let mut selector = Selector {
            tasks: vec![true; words.tasks.len()],
            methods: vec![true; words.methods.len()],
            seeds: None,
            span,
        };
        for entry in &table.0 {
            let node = &entry.node;
            match entry.key.as_str() {
                "task" => {
                    let items = items(&Universe::tasks(words), source, node, found);
                    keep(&mut selector.tasks, |task| items.contains(&task));
                }
                "method" => {
                    let items = items(&Universe::methods(words), source, node, found);
                    keep(&mut selector.methods, |method| items.contains(&method));
                }
                "space" => {
                    let spaces = words.spaces();
                    let items = items(&Universe::spaces(words), source, node, found);
                    keep(&mut selector.methods, |m| items.iter().any(|&i| spaces[i] == words.methods[m].space));
                }
                "algorithm" => {
                    let known = words.algorithms();
                    let items = items(&Universe::algorithms(words), source, node, found);
                    keep(&mut selector.methods, |m| {
                        algorithms(&words.methods[m]).any(|name| items.iter().any(|&i| known[i] == name))
                    });
                }
                "seed" => selector.seeds = Some(seeds(source, node, found)),
                "dimension" => {
                    let wanted = dimensions(source, node, found);
                    keep(&mut selector.tasks, |task| wanted.contains(&words.tasks[task].dimension));
                }
                "kind" => {
                    let wanted = forms(source, node, found);
                    keep(&mut selector.tasks, |task| wanted.contains(&words.tasks[task].form));
                }
                _ => unknown(source, entry, found),
            }
        }
        selector
    }

    /// Whether cells of this pair can match, whatever their seed.
    pub fn pair(&self, task: usize, method: usize) -> bool {
        self.tasks[task] && self.methods[method]
    }

    /// Whether the seed matters at all.
    pub fn names_seeds(&self) -> bool {
        self.seeds.is_some()
    }

    pub fn seed(&self, seed: u64) -> bool {
        self.seeds.as_ref().is_none_or(|seeds| {
            seeds.named.contains(&seed) || {
                let text = seed.to_string();
                seeds.globs.iter().any(|glob| glob.matches(&text))
            }
        })
    }

    pub fn matches(&self, task: usize, method: usize, seed: u64) -> bool {
        self.pair(task, method) && self.seed(seed)
    }
}

fn keep(items: &mut [bool], wanted: impl Fn(usize) -> bool) {
    for (i, item) in items.iter_mut().enumerate() {
        *item &= wanted(i);
    }
}

fn items(universe: &Universe, source: &Arc<Source>, node: &Node, found: &mut Vec<Diagnostic>) -> BTreeSet<usize> {
    pick(universe, source, node, found).into_iter().map(|pick| pick.item).collect()
}

fn list(node: &Node) -> &[Node] {
    if let Datum::List(nodes) = &node.datum { nodes } else { std::slice::from_ref(node) }
}

fn seeds(source: &Arc<Source>, node: &Node, found: &mut Vec<Diagnostic>) -> Seeds {
    let mut seeds = Seeds::default();
    if list(node).is_empty() {
        found.push(
            Diagnostic::at(source, node.span.clone(), "the list of `seed` is empty").label("no cell would match"),
        );
    }
    for node in list(node) {
        match &node.datum {
            Datum::Integer(number) if *number >= 0 => {
                seeds.named.insert(number.unsigned_abs());
            }
            Datum::Text(text) if is_glob(text) => {
                seeds.globs.extend(pattern(source, &node.span, text, found));
            }
            other => found.push(
                Diagnostic::at(source, node.span.clone(), "`seed` has the wrong type")
                    .label(format!("expected an integer of at least 0 or a glob, found {}", other.what()))
                    .help("write `seed = 0`, `seed = [0, 1]` or `seed = \"1*\"`"),
            ),
        }
    }
    seeds
}

fn dimensions(source: &Arc<Source>, node: &Node, found: &mut Vec<Diagnostic>) -> Vec<u8> {
    let mut out = Vec::new();
    for node in list(node) {
        match dimension(node) {
            Some(dimension) => out.push(dimension),
            None => found.push(bad_dimension(source, node)),
        }
    }
    out
}

/// 1 or 2.
pub fn dimension(node: &Node) -> Option<u8> {
    match node.datum {
        Datum::Integer(1) => Some(1),
        Datum::Integer(2) => Some(2),
        _ => None,
    }
}

pub fn bad_dimension(source: &Arc<Source>, node: &Node) -> Diagnostic {
    Diagnostic::at(source, node.span.clone(), "`dimension` is 1 or 2")
        .help("signals and sequences have dimension 1, images and grids dimension 2")
}

fn forms(source: &Arc<Source>, node: &Node, found: &mut Vec<Diagnostic>) -> Vec<Form> {
    let mut out = Vec::new();
    for node in list(node) {
        match form(node) {
            Some(form) => out.push(form),
            None => found.push(bad_form(source, node)),
        }
    }
    out
}

/// By its word in a manifest.
pub fn form(node: &Node) -> Option<Form> {
    let Datum::Text(text) = &node.datum else { return None };
    Form::ALL.into_iter().find(|form| form.word() == text)
}

pub fn bad_form(source: &Arc<Source>, node: &Node) -> Diagnostic {
    let known = Form::ALL.map(Form::word);
    let mut one = Diagnostic::at(source, node.span.clone(), "unknown `kind` of task");
    one.help = match &node.datum {
        Datum::Text(text) => suggest::remedies(text, &known, "kinds"),
        _ => vec![format!("kinds: {}", known.join(", "))],
    };
    one
}

/// A task by name, dimension and kind, for messages.
pub fn describe(task: &TaskWord) -> String {
    format!("{} ({}D {})", task.name, task.dimension, task.form.word())
}

fn unknown(source: &Arc<Source>, entry: &Entry, found: &mut Vec<Diagnostic>) {
    let mut one = Diagnostic::at(source, entry.key_span.clone(), format!("a rule has no key `{}`", entry.key));
    one.help = suggest::remedies(&entry.key, &KEYS, "keys");
    found.push(one);
}
