//! Built-in definitions: the settings of one task or one method, in manifest syntax. Knows no manifest.

use crate::manifest::diagnostic::{Diagnostic, Source};
use crate::manifest::document;
use crate::manifest::document::Datum;
use crate::manifest::flatten::Flattener;
use crate::manifest::layer::Layer;
use crate::manifest::overrides;
use crate::manifest::resolve::Scoped;
use crate::manifest::suggest;
use crate::manifest::vocabulary::Definition;
use crate::manifest::words::Words;

/// All definitions: those of tasks first, then those of methods.
pub fn read(words: &Words<'_>, definitions: &[Definition], found: &mut Vec<Diagnostic>) -> Vec<Scoped> {
    let mut out: Vec<Scoped> = definitions.iter().filter_map(|definition| one(words, definition, found)).collect();
    out.sort_by_key(|scoped| scoped.method.is_some());
    out
}

fn one(words: &Words<'_>, definition: &Definition, found: &mut Vec<Diagnostic>) -> Option<Scoped> {
    let source = Source::new(definition.origin.as_str(), definition.text.as_str());
    let table = match document::parse(&source) {
        Ok(table) => table,
        Err(errors) => {
            found.extend(errors);
            return None;
        }
    };
    let (mut task, mut method, mut list) = (None, None, Vec::new());
    let mut flattener = Flattener::new(words, &source, None, found);
    for entry in &table.0 {
        let key = entry.key.as_str();
        match (key, &entry.node.datum) {
            ("about", _) => {}
            ("task" | "method", Datum::Text(name)) => {
                let (known, item) = match key {
                    "task" => (words.task_names().iter().map(|name| name.to_string()).collect(), words.task(name)),
                    _ => (words.method_names(), words.method(name)),
                };
                if item.is_none() {
                    let known: Vec<&str> = known.iter().map(String::as_str).collect();
                    let message = format!("unknown {key} `{name}`");
                    let mut one = Diagnostic::at(&source, entry.node.span.clone(), message);
                    one.help = suggest::remedies(name, &known, if key == "task" { "tasks" } else { "methods" });
                    flattener.found.push(one);
                }
                *(if key == "task" { &mut task } else { &mut method }) = item;
            }
            ("set", Datum::Table(table)) => flattener.table(table),
            ("override", _) => list.extend(overrides::parse(words, &source, &entry.node, flattener.found)),
            ("task" | "method" | "set", other) => {
                let wanted = if key == "set" { "a table" } else { "a name in quotes" };
                flattener.found.push(
                    Diagnostic::at(&source, entry.node.span.clone(), format!("`{key}` has the wrong type"))
                        .label(format!("expected {wanted}, found {}", other.what())),
                );
            }
            _ => flattener.entry("", entry, None),
        }
    }
    let set = flattener.out;
    match (table.get("task"), table.get("method")) {
        (Some(_), Some(entry)) => found.push(
            Diagnostic::at(&source, entry.key_span.clone(), "a definition is of a task or of a method, not of both")
                .help("remove one, and use `[[override]]` with `match` for the other"),
        ),
        (None, None) => found.push(
            Diagnostic::of(&source, "the definition says neither `task` nor `method`")
                .help("begin it with `task = \"…\"` or `method = \"…\"`"),
        ),
        _ => {}
    }
    Some(Scoped { task, method, layer: Layer::of_tables(set, list) })
}
