//! What names a manifest may use: tasks, methods, settings, switches, definitions. Knows no text and no place in a file;
//! the catalog fills it, tests make small ones.

use crate::stages::entry::Setting;
use serde_json::Value;

/// All words. Lists may stand in any order; what is written about them (`schema`, messages) is sorted.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    pub tasks: Vec<TaskWord>,
    pub methods: Vec<MethodWord>,
    /// Merged over stages, plus those of the engine (`resources.*`, `slurm.*`). The same key may stand twice if it is equal.
    pub settings: Vec<Setting>,
    pub switches: Vec<Switch>,
    /// Built-in defaults of tasks and methods, in manifest syntax.
    pub definitions: Vec<Definition>,
}

/// The form of a task's labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One class per sample.
    Point,
    /// Several labels per sample.
    MultiLabel,
    /// A value per position.
    Dense,
}

impl Form {
    pub const ALL: [Form; 3] = [Form::Point, Form::MultiLabel, Form::Dense];

    /// As a manifest spells it.
    pub fn word(self) -> &'static str {
        match self {
            Form::Point => "point",
            Form::MultiLabel => "multi-label",
            Form::Dense => "dense",
        }
    }
}

#[derive(Clone, Debug)]
pub struct TaskWord {
    pub name: String,
    /// Spatial dimensions of a sample: 1 or 2.
    pub dimension: u8,
    pub form: Form,
    /// A control beside the benchmark: named, never matched by a glob.
    pub control: bool,
}

#[derive(Clone, Debug)]
pub struct MethodWord {
    pub space: String,
    pub algorithm: String,
    /// Other full names, such as `densenas/original`.
    pub aliases: Vec<String>,
    pub supports: fn(&TaskWord) -> bool,
    /// Why it does not run where `supports` is false, as a sentence part: `AMBER searches 1D networks only`.
    pub not_applicable: String,
}

impl MethodWord {
    /// `space/algorithm`, the canonical name.
    pub fn name(&self) -> String {
        format!("{}/{}", self.space, self.algorithm)
    }
}

/// A point where the published code and the paper differ. `run.fidelity` picks the side, `fidelity.<switch>` picks it alone.
#[derive(Clone, Debug)]
pub struct Switch {
    /// `fidelity.…`
    pub key: &'static str,
    pub as_run: Value,
    pub as_described: Value,
    pub doc: &'static str,
}

/// A built-in TOML text with the settings of one task or one method.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Where its errors are said to be: `manifests/methods/wrn-default.toml`.
    pub origin: String,
    pub text: String,
}

impl Vocabulary {
    /// Keys that two stages declare with different types; empty in a sound program (the catalog's test asserts it).
    pub fn conflicts(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (i, one) in self.settings.iter().enumerate() {
            for other in &self.settings[..i] {
                if one.key == other.key && (one.kind != other.kind || one.doc != other.doc) {
                    found.push(format!(
                        "`{}` is declared as {:?} ({}) and as {:?} ({})",
                        one.key, other.kind, other.doc, one.kind, one.doc
                    ));
                }
            }
        }
        found
    }
}
