//! Tables of settings to a flat list of dotted keys with checked values. Knows no grid and no order of layers.

use crate::manifest::diagnostic::{Diagnostic, Source};
use crate::manifest::document::{Datum, Entry, Node, Table};
use crate::manifest::run;
use crate::manifest::run::Run;
use crate::manifest::setting;
use crate::manifest::suggest;
use crate::manifest::words::{Meaning, Words};
use serde_json::Value;
use std::ops::Range;
use std::sync::Arc;

/// Keys at the top of a manifest that are no tables of settings.
const SECTIONS: [&str; 5] = ["run", "grid", "override", "profile", "task"];

/// One setting with its value.
#[derive(Clone, Debug)]
pub struct Assignment {
    pub key: String,
    /// The only task it holds for, where it was written in the per-task form.
    pub task: Option<usize>,
    pub value: Value,
    pub span: Range<usize>,
}

/// Reads tables of one source.
pub struct Flattener<'a, 'v> {
    pub words: &'a Words<'v>,
    pub source: &'a Arc<Source>,
    pub found: &'a mut Vec<Diagnostic>,
    /// Where `run.…` goes; `None` where it may not stand (overrides, definitions).
    pub run: Option<&'a mut Run>,
    pub out: Vec<Assignment>,
}

impl<'a, 'v> Flattener<'a, 'v> {
    pub fn new(
        words: &'a Words<'v>,
        source: &'a Arc<Source>,
        run: Option<&'a mut Run>,
        found: &'a mut Vec<Diagnostic>,
    ) -> Self {
        Flattener { words, source, found, run, out: Vec::new() }
    }

    /// Every entry of a `set` table.
    pub fn table(&mut self, table: &Table) {
        for entry in &table.0 {
            self.entry("", entry, None);
        }
    }

    /// One entry of the table at `prefix`; `""` is the top.
    pub fn entry(&mut self, prefix: &str, entry: &Entry, task: Option<usize>) {
        let path = if prefix.is_empty() { entry.key.clone() } else { format!("{prefix}.{}", entry.key) };
        if task.is_none() && self.run_key(&path, entry) {
            return;
        }
        match (self.words.meaning(&path, task), &entry.node.datum) {
            (Meaning::Setting { key, task }, _) => self.assign(key, task, &entry.key_span, &entry.node),
            (Meaning::Table { prefix, task }, Datum::Table(table)) => {
                for entry in &table.0 {
                    self.entry(&prefix, entry, task);
                }
            }
            (Meaning::Table { prefix, .. }, other) => {
                let known = self.words.under(&prefix).join(", ");
                self.found.push(
                    Diagnostic::at(self.source, entry.node.span.clone(), format!("`{path}` is a table of settings"))
                        .label(format!("expected a table, found {}", other.what()))
                        .help(format!("write `[{path}]`, or set one of its keys: {known}")),
                );
            }
            (Meaning::Unknown, _) => self.unknown(&path, entry, task),
        }
    }

    fn run_key(&mut self, path: &str, entry: &Entry) -> bool {
        if path == "run" {
            if let Datum::Table(table) = &entry.node.datum {
                for entry in &table.0 {
                    self.entry("run", entry, None);
                }
                return true;
            }
            self.found.push(
                Diagnostic::at(self.source, entry.node.span.clone(), "`run` is a table")
                    .label(format!("expected a table, found {}", entry.node.datum.what()))
                    .help("write `[run]` with `name`, `seeds`, `fidelity`"),
            );
            return true;
        }
        if !run::KEYS.contains(&path) {
            return false;
        }
        match &mut self.run {
            Some(run) => run.take(path, self.source, &entry.node, self.found),
            None => {
                let one =
                    Diagnostic::at(self.source, entry.key_span.clone(), format!("`{path}` holds for the whole run"));
                self.found.push(match path {
                    "run.fidelity" => one.help("set single switches here: `fidelity.…`"),
                    _ => one.help("write it under `[run]`, in a profile, or with `--set`"),
                });
                true
            }
        }
    }

    fn assign(&mut self, key: String, task: Option<usize>, key_span: &Range<usize>, node: &Node) {
        let rule = self.words.rule(&key).expect("a setting has a rule");
        match setting::fit(rule, node) {
            Ok(value) => {
                if let Some(first) = self.out.iter().find(|one| one.key == key && one.task == task) {
                    self.found.push(
                        Diagnostic::at(self.source, key_span.clone(), format!("`{key}` is set twice here"))
                            .related(first.span.clone(), "first here")
                            .help("remove one of the two"),
                    );
                }
                self.out.push(Assignment { key, task, value, span: key_span.clone() });
            }
            Err(misfit) => {
                let message = format!("`{key}` does not fit");
                let mut one = Diagnostic::at(self.source, misfit.span, message).label(misfit.expected);
                one.help = misfit.help;
                match self.words.doc(&key) {
                    "" => {}
                    doc => one.help.push(format!("`{key}`: {doc}")),
                }
                self.found.push(one);
            }
        }
    }

    fn unknown(&mut self, path: &str, entry: &Entry, task: Option<usize>) {
        if SECTIONS.contains(&path) {
            self.found.push(
                Diagnostic::at(self.source, entry.key_span.clone(), format!("`{path}` cannot stand here"))
                    .help("it stands at the top of a manifest"),
            );
            return;
        }
        let table = match &entry.node.datum {
            Datum::Table(_) => true,
            Datum::List(list) => list.iter().any(|node| matches!(node.datum, Datum::Table(_))),
            _ => false,
        };
        let kind = if table && !path.contains('.') { "table" } else { "setting" };
        let mut one = Diagnostic::at(self.source, entry.key_span.clone(), format!("unknown {kind} `{path}`"));
        one.help = self.remedies(path, task);
        self.found.push(one);
    }

    /// The nearest setting, table or task; then what exists beside the unknown key.
    fn remedies(&self, path: &str, task: Option<usize>) -> Vec<String> {
        let keys: Vec<&str> = self.words.settings().map(|(key, _)| key).chain(run::KEYS).collect();
        let mut help = Vec::new();
        let near_task = path.strip_prefix("data.").filter(|_| task.is_none()).and_then(|rest| {
            let (name, rest) = rest.split_once('.').unwrap_or((rest, ""));
            let near = suggest::nearest(name, self.words.task_names())?;
            Some(if rest.is_empty() { format!("data.{near}") } else { format!("data.{near}.{rest}") })
        });
        let near =
            suggest::nearest(path, keys.iter().copied().chain(self.words.tables()).chain(SECTIONS)).map(str::to_string);
        // `batch` alone: somebody forgot the table's name.
        let tail = || keys.iter().find(|key| key.rsplit('.').next() == Some(path)).map(|key| key.to_string());
        if let Some(near) = near_task.or(near).or_else(tail) {
            help.push(format!("did you mean `{near}`?"));
        }
        // The longest table that exists around it.
        let mut around = path;
        while let Some((table, _)) = around.rsplit_once('.') {
            around = table;
            let under = self.words.under(table);
            if !under.is_empty() {
                help.push(format!("settings of `{table}`: {}", under.join(", ")));
                return help;
            }
            if table == "run" {
                help.push(format!("keys of `run`: {}", run::KEYS.join(", ")));
                return help;
            }
            if self.words.rule(table).is_some() {
                help.push(format!("`{table}` is one setting and takes the whole value"));
                return help;
            }
        }
        if self.run.is_some() {
            help.push(format!("sections: {}", SECTIONS.join(", ")));
        }
        help.push(format!("tables of settings: {}", self.words.tables().join(", ")));
        help
    }
}
