//! `[task.NAME]`: a task of the user's own data. Knows no file and no shape: the stages read those.

use crate::manifest::diagnostic::{Diagnostic, Source};
use crate::manifest::document::{Datum, Entry, Table};
use crate::manifest::flatten::{Assignment, Flattener};
use crate::manifest::layer::Layer;
use crate::manifest::selector::{bad_dimension, bad_form, dimension, form};
use crate::manifest::vocabulary::{Form, TaskWord};
use crate::manifest::words::{Meaning, Words};
use serde_json::Value;
use std::sync::Arc;

/// Adds the tasks under the key `task` to the words, so that everything read later may name them.
pub fn declare(words: &mut Words<'_>, source: &Arc<Source>, entry: &Entry, found: &mut Vec<Diagnostic>) {
    for (entry, table) in tables(entry) {
        let Some(table) = table else {
            found.push(
                Diagnostic::at(source, entry.node.span.clone(), "a task of your own is a table")
                    .label(format!("expected a table, found {}", entry.node.datum.what()))
                    .help("write `[task.NAME]` with `dimension`, `kind` and the data; cells name tasks in `[[grid]]`"),
            );
            continue;
        };
        let name = entry.key.as_str();
        if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
            || name.is_empty()
        {
            found.push(
                Diagnostic::at(source, entry.key_span.clone(), format!("`{name}` cannot name a task"))
                    .help("use lower-case letters, digits, `_` and `-`"),
            );
            continue;
        }
        if words.task(name).is_some() || words.under("data").iter().any(|key| key.split('.').nth(1) == Some(name)) {
            found
                .push(Diagnostic::at(source, entry.key_span.clone(), format!("the name `{name}` is taken")).help(
                    format!("take another name; to change a built-in task write `[data.{name}]` or an override"),
                ));
            continue;
        }
        let mut word = TaskWord { name: name.to_string(), dimension: 2, form: Form::Point, control: false };
        match table.get("dimension").map(|entry| (&entry.node, dimension(&entry.node))) {
            Some((_, Some(dimension))) => word.dimension = dimension,
            Some((node, None)) => found.push(bad_dimension(source, node)),
            None => {
                found.push(missing(source, entry, "dimension", "1 for signals and sequences, 2 for images and grids"))
            }
        }
        match table.get("kind").map(|entry| (&entry.node, form(&entry.node))) {
            Some((_, Some(form))) => word.form = form,
            Some((node, None)) => found.push(bad_form(source, node)),
            None => found.push(missing(source, entry, "kind", &Form::ALL.map(Form::word).join(", "))),
        }
        words.tasks.push(word);
    }
}

fn missing(source: &Arc<Source>, entry: &Entry, key: &str, values: &str) -> Diagnostic {
    Diagnostic::at(source, entry.key_span.clone(), format!("the task `{}` has no `{key}`", entry.key))
        .help(format!("add `{key} = …`: {values}"))
}

/// The settings of the user's own tasks, each of its task alone: a key is `task.<key>` or else `data.<key>`.
pub fn settings(words: &Words<'_>, source: &Arc<Source>, entry: &Entry, found: &mut Vec<Diagnostic>) -> Layer {
    let mut set = Vec::new();
    for (entry, table) in tables(entry) {
        let (Some(table), Some(task)) = (table, words.task(&entry.key)) else { continue };
        let mut flattener = Flattener::new(words, source, None, found);
        for entry in &table.0 {
            let known =
                |prefix: &str| words.meaning(&format!("{prefix}.{}", entry.key), Some(task)) != Meaning::Unknown;
            if known("task") {
                flattener.entry("task", entry, Some(task));
            } else if entry.key != "dimension" && entry.key != "kind" {
                flattener.entry("data", entry, Some(task));
            }
        }
        let mut own = flattener.out;
        let span = entry.key_span.clone();
        let mut say = |key: &str, value: Value| {
            if !own.iter().any(|one| one.key == key) {
                own.push(Assignment { key: key.to_string(), task: Some(task), value, span: span.clone() });
            }
        };
        let word = &words.tasks[task];
        say("task.dimension", word.dimension.into());
        say("task.kind", word.form.word().into());
        say("data.source", "files".into());
        set.extend(own);
    }
    Layer { set, overrides: Vec::new() }
}

fn tables(entry: &Entry) -> Vec<(&Entry, Option<&Table>)> {
    match &entry.node.datum {
        Datum::Table(tasks) => tasks
            .0
            .iter()
            .map(|entry| (entry, if let Datum::Table(table) = &entry.node.datum { Some(table) } else { None }))
            .collect(),
        _ => vec![(entry, None)],
    }
}
