//! The exact cause that a node runs: the ingredients of its key against those of the nearest record, old → new.
//! Compares the very text that is hashed; knows neither clock nor guess.

use crate::fingerprint::table::Code;
use crate::plan::canonical;
use crate::plan::key::Listing;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;

/// The ingredients of one key with the listings behind its digests, where they are known.
#[derive(Clone, Debug, Default)]
pub struct Ingredients {
    /// `Preimage::value`.
    pub preimage: Value,
    pub code: Option<Code>,
    pub inputs: std::collections::BTreeMap<String, Listing>,
}

/// One difference. `old` or `new` is `None` where the thing was not there.
#[derive(Clone, Debug, PartialEq)]
pub enum Cause {
    /// No result was ever stored for these names.
    Never,
    /// Asked for with `--rerun`.
    Forced,
    /// The record is there, an object of it is not.
    Lost {
        output: String,
        digest: String,
    },
    Format {
        old: String,
        new: String,
    },
    Param {
        key: String,
        old: Option<String>,
        new: Option<String>,
    },
    File {
        path: String,
        old: Option<String>,
        new: Option<String>,
    },
    Crate {
        name: String,
        old: Option<String>,
        new: Option<String>,
    },
    /// The code digest differs, but its listing is gone.
    Code {
        old: String,
        new: String,
    },
    Input {
        slot: String,
        name: String,
        old: Option<String>,
        new: Option<String>,
    },
    Seed {
        old: Option<String>,
        new: Option<String>,
    },
    Numerics {
        old: Option<String>,
        new: Option<String>,
    },
}

fn arrow(old: &Option<String>, new: &Option<String>) -> String {
    match (old, new) {
        (Some(old), Some(new)) => format!("{old} → {new}"),
        (Some(old), None) => format!("{old} → (gone)"),
        (None, Some(new)) => format!("(new) → {new}"),
        (None, None) => String::new(),
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Never => f.write_str("never ran: no record for these names"),
            Cause::Forced => f.write_str("asked for with --rerun"),
            Cause::Lost { output, digest } => {
                write!(f, "object of output `{output}` is missing or was damaged: {digest}")
            }
            Cause::Format { old, new } => write!(f, "format of keys {old} → {new}"),
            Cause::Param { key, old, new } => write!(f, "parameter {key}: {}", arrow(old, new)),
            Cause::File { path, old, new } => write!(f, "code src/{path}: {}", arrow(old, new)),
            Cause::Crate { name, old, new } => write!(f, "crate {name}: {}", arrow(old, new)),
            Cause::Code { old, new } => write!(f, "code {old} → {new} (the old listing is gone)"),
            Cause::Input { slot, name, old, new } if name.is_empty() => write!(f, "input {slot}: {}", arrow(old, new)),
            Cause::Input { slot, name, old, new } => write!(f, "input {slot}/{name}: {}", arrow(old, new)),
            Cause::Seed { old, new } => write!(f, "seed: {}", arrow(old, new)),
            Cause::Numerics { old, new } => write!(f, "numerics: {}", arrow(old, new)),
        }
    }
}

/// All differences from `old` to `new`; empty where the keys are equal.
pub fn compare(old: &Ingredients, new: &Ingredients) -> Vec<Cause> {
    let mut causes = Vec::new();
    let field = |side: &Ingredients, key: &str| side.preimage.get(key).map(shown);
    let (a, b) = (field(old, "format"), field(new, "format"));
    if a != b {
        causes.push(Cause::Format { old: a.unwrap_or_default(), new: b.unwrap_or_default() });
    }
    for (key, a, b) in map_changes(old.preimage.get("params"), new.preimage.get("params")) {
        causes.push(Cause::Param { key, old: a, new: b });
    }
    code_changes(old, new, &mut causes);
    input_changes(old, new, &mut causes);
    let (a, b) = (field(old, "seed"), field(new, "seed"));
    if a != b {
        causes.push(Cause::Seed { old: a, new: b });
    }
    let (a, b) = (field(old, "numerics"), field(new, "numerics"));
    if a != b {
        causes.push(Cause::Numerics { old: a, new: b });
    }
    causes
}

/// Of several records, the one with the fewest differences; the first among equals.
pub fn nearest(records: Vec<Ingredients>, new: &Ingredients) -> Option<Vec<Cause>> {
    records.iter().map(|old| compare(old, new)).min_by_key(Vec::len)
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            text[..12].to_string()
        }
        Value::String(text) => text.clone(),
        other => canonical::text(other),
    }
}

type Change = (String, Option<String>, Option<String>);

fn map_changes(old: Option<&Value>, new: Option<&Value>) -> Vec<Change> {
    let empty = Map::new();
    let map = |side: Option<&Value>| side.and_then(Value::as_object).cloned().unwrap_or_else(|| empty.clone());
    let (old, new) = (map(old), map(new));
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    keys.into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| (key.clone(), old.get(key).map(shown), new.get(key).map(shown)))
        .collect()
}

fn code_changes(old: &Ingredients, new: &Ingredients, causes: &mut Vec<Cause>) {
    let digest = |side: &Ingredients| side.preimage.get("code").map(shown).unwrap_or_default();
    if old.preimage.get("code") == new.preimage.get("code") {
        return;
    }
    let (Some(a), Some(b)) = (&old.code, &new.code) else {
        causes.push(Cause::Code { old: digest(old), new: digest(new) });
        return;
    };
    let paths: BTreeSet<&String> = a.files.keys().chain(b.files.keys()).collect();
    for path in paths.into_iter().filter(|path| a.files.get(*path) != b.files.get(*path)) {
        let short = |code: &Code| code.files.get(path).map(|digest| digest.short());
        causes.push(Cause::File { path: path.clone(), old: short(a), new: short(b) });
    }
    let names: BTreeSet<&String> = a.crates.keys().chain(b.crates.keys()).collect();
    for name in names.into_iter().filter(|name| a.crates.get(*name) != b.crates.get(*name)) {
        let (old, new) = (a.crates.get(name).cloned(), b.crates.get(name).cloned());
        causes.push(Cause::Crate { name: name.clone(), old, new });
    }
}

fn input_changes(old: &Ingredients, new: &Ingredients, causes: &mut Vec<Cause>) {
    for (slot, a, b) in map_changes(old.preimage.get("inputs"), new.preimage.get("inputs")) {
        let (Some(before), Some(after)) = (old.inputs.get(&slot), new.inputs.get(&slot)) else {
            causes.push(Cause::Input { slot, name: String::new(), old: a, new: b });
            continue;
        };
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names.into_iter().filter(|name| before.get(*name) != after.get(*name)) {
            let short = |listing: &Listing| listing.get(name).map(|digest| digest.short());
            let (old, new) = (short(before), short(after));
            causes.push(Cause::Input { slot: slot.clone(), name: name.clone(), old, new });
        }
    }
}
