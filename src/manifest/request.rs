//! `--set key=value`: the last layer of settings, from the command line. Knows no other flag.

use crate::manifest::diagnostic::{Diagnostic, Source};
use crate::manifest::document::{Datum, Entry, Node, parse_value};
use crate::manifest::flatten::Flattener;
use crate::manifest::layer::Layer;
use crate::manifest::run::Run;
use crate::manifest::setting;
use crate::manifest::words::{Meaning, Words};
use std::sync::Arc;

/// What the command line adds to a manifest.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `--profile NAME`
    pub profile: Option<String>,
    /// `--set key=value`, in order. Keys as in a manifest; `seeds`, `fidelity`, `executor` and `name` stand for `run.…`.
    pub set: Vec<String>,
}

/// Reads all `--set` of a request.
pub fn parse(words: &Words<'_>, set: &[String], found: &mut Vec<Diagnostic>) -> (Run, Layer) {
    let mut run = Run::default();
    let mut layer = Layer::default();
    for text in set {
        let source = Source::new("--set", text.as_str());
        let Some(at) = text.find('=') else {
            found.push(
                Diagnostic::at(&source, 0..text.len(), "`--set` takes `key=value`")
                    .label("there is no `=`")
                    .help("write `--set retrain.epochs=1`"),
            );
            continue;
        };
        let key = text[..at].trim();
        let start = text[..at].len() - text[..at].trim_start().len();
        let key_span = start..start + key.len();
        if key.is_empty() || key.split('.').any(str::is_empty) {
            found.push(
                Diagnostic::at(&source, 0..at, format!("`{key}` is no key"))
                    .help("write a dotted key before `=`, such as `retrain.epochs`"),
            );
            continue;
        }
        let key = match key {
            "seeds" | "fidelity" | "executor" | "name" => format!("run.{key}"),
            _ => key.to_string(),
        };
        let Some(node) = value(words, &source, &key, at + 1, found) else { continue };
        let mut flattener = Flattener::new(words, &source, Some(&mut run), found);
        flattener.entry("", &Entry { key, key_span, node }, None);
        layer.set.extend(flattener.out);
    }
    (run, layer)
}

/// The value as TOML, or as the text it is where TOML or the setting's kind does not allow it.
fn value(words: &Words<'_>, source: &Arc<Source>, key: &str, at: usize, found: &mut Vec<Diagnostic>) -> Option<Node> {
    let raw = source.text[at..].trim();
    let start = at + source.text[at..].len() - source.text[at..].trim_start().len();
    let text = || Node { span: start..start + raw.len(), datum: Datum::Text(raw.to_string()) };
    let wants_text = match words.meaning(key, None) {
        Meaning::Setting { key, .. } => words.rule(&key).is_some_and(setting::takes_text),
        _ => key.starts_with("run.") && key != "run.seeds",
    };
    match parse_value(source, start..start + raw.len()) {
        Ok(node) => match node.datum {
            Datum::Text(_) | Datum::List(_) | Datum::Table(_) => Some(node),
            // `--set run.name=2026` is a name and no number.
            _ if wants_text => Some(text()),
            _ => Some(node),
        },
        // Text that begins like a TOML list, table or quoted text is one with a mistake in it.
        Err(errors) if raw.starts_with(['[', '{', '"', '\'']) => {
            found.extend(errors);
            None
        }
        Err(_) => Some(text()),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::manifest::vocabulary::Vocabulary;
    use crate::manifest::words::Words;
    use crate::stages::entry::{Kind, Setting};
    use serde_json::{Value, json};

    fn vocabulary() -> Vocabulary {
        let setting = |key, kind| Setting { key, kind, doc: "", keyed: true };
        let settings = vec![
            setting("data.source", Kind::Choice(&["official", "embedded"])),
            setting("data.mirrors", Kind::Texts),
            setting("retrain.epochs", Kind::Count { min: 1 }),
            setting("resources.time", Kind::Duration),
            setting("note", Kind::Text),
        ];
        Vocabulary { settings, ..Vocabulary::default() }
    }

    fn set(text: &str) -> Result<Vec<(String, Value)>, String> {
        let vocabulary = vocabulary();
        let mut found = Vec::new();
        let (_, layer) = parse(&Words::new(&vocabulary), &[text.to_string()], &mut found);
        match found.first() {
            Some(one) => Err(one.message.clone()),
            None => Ok(layer.set.into_iter().map(|one| (one.key, one.value)).collect()),
        }
    }

    fn one(key: &str, value: Value) -> Result<Vec<(String, Value)>, String> {
        Ok(vec![(key.to_string(), value)])
    }

    #[test]
    fn values_are_toml_or_text() {
        assert_eq!(set("data.source=embedded"), one("data.source", json!("embedded")));
        assert_eq!(set("data.source=\"embedded\""), one("data.source", json!("embedded")));
        assert_eq!(set(" retrain.epochs = 3 "), one("retrain.epochs", json!(3)));
        assert_eq!(set("data.mirrors=[\"a\", \"b\"]"), one("data.mirrors", json!(["a", "b"])));
        assert_eq!(set("data.mirrors=file:///a=b"), one("data.mirrors", json!(["file:///a=b"])));
        assert_eq!(set("resources.time=8h"), one("resources.time", json!("8h")));
        for text in ["true", "12", "1.5", "1999-01-01", "a b"] {
            assert_eq!(set(&format!("note={text}")), one("note", json!(text)));
        }
        assert_eq!(set("note="), one("note", json!("")));
        assert_eq!(set("retrain={epochs = 2}"), one("retrain.epochs", json!(2)));
    }

    #[test]
    fn mistakes_are_found() {
        for bad in
            ["", "=", "retrain.epochs", "=3", "a..b=1", ".=1", "retrain.epochs=", "retrain.epochs=x", "data.mirrors=[1"]
        {
            assert!(set(bad).is_err(), "{bad}");
        }
        assert_eq!(set("retrain.epoch=1"), Err("unknown setting `retrain.epoch`".to_string()));
    }

    #[test]
    fn seeds_and_fidelity_go_to_the_run() {
        let vocabulary = vocabulary();
        let mut found = Vec::new();
        let set =
            ["seeds=[0,1]", "run.fidelity=as-described", "name=x1", "executor=slurm", "run.seeds=3"].map(String::from);
        let (run, layer) = parse(&Words::new(&vocabulary), &set, &mut found);
        assert!(found.is_empty() && layer.set.is_empty());
        assert_eq!(run.seeds, Some(vec![3]));
        assert_eq!(run.fidelity.as_deref(), Some("as-described"));
        assert_eq!(run.name.as_deref(), Some("x1"));
        assert_eq!(run.executor.as_deref(), Some("slurm"));
    }
}
