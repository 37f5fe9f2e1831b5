//! Looks words up: which task, method or setting a text names. Knows no place in a file.

use crate::manifest::vocabulary::{MethodWord, Switch, TaskWord, Vocabulary};
use crate::stages::entry::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// A vocabulary with its indexes, and the manifest's own tasks.
pub struct Words<'v> {
    /// Built-in ones first, then those of `[task.…]`; everything else refers to them by position.
    pub tasks: Vec<TaskWord>,
    pub built_in: usize,
    pub methods: &'v [MethodWord],
    pub switches: &'v [Switch],
    rules: BTreeMap<&'v str, (Rule<'v>, &'v str)>,
    /// Every proper prefix of a setting's key: these are tables.
    prefixes: BTreeSet<&'v str>,
}

/// What a setting's value must be.
#[derive(Clone, Copy)]
pub enum Rule<'v> {
    Kind(&'v Kind),
    /// A switch that no stage declares with a kind of its own: a value like its two sides.
    Switch(&'v Switch),
}

/// What a dotted path means.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A setting; `task` where it was written in the per-task form `data.<task>.…`.
    Setting {
        key: String,
        task: Option<usize>,
    },
    /// A table that holds settings.
    Table {
        prefix: String,
        task: Option<usize>,
    },
    Unknown,
}

impl<'v> Words<'v> {
    pub fn new(vocabulary: &'v Vocabulary) -> Self {
        let mut rules = BTreeMap::new();
        for switch in &vocabulary.switches {
            rules.insert(switch.key, (Rule::Switch(switch), switch.doc));
        }
        for setting in &vocabulary.settings {
            rules.insert(setting.key, (Rule::Kind(&setting.kind), setting.doc));
        }
        let mut prefixes = BTreeSet::new();
        for key in rules.keys() {
            prefixes.extend(key.match_indices('.').map(|(at, _)| &key[..at]));
        }
        Words {
            tasks: vocabulary.tasks.clone(),
            built_in: vocabulary.tasks.len(),
            methods: &vocabulary.methods,
            switches: &vocabulary.switches,
            rules,
            prefixes,
        }
    }

    pub fn task(&self, name: &str) -> Option<usize> {
        self.tasks.iter().position(|task| task.name == name)
    }

    /// By canonical name or alias.
    pub fn method(&self, name: &str) -> Option<usize> {
        self.methods.iter().position(|method| names(method).any(|one| one == name))
    }

    pub fn rule(&self, key: &str) -> Option<Rule<'v>> {
        self.rules.get(key).map(|(rule, _)| *rule)
    }

    /// The sentence that explains a setting; empty where it has none.
    pub fn doc(&self, key: &str) -> &'v str {
        self.rules.get(key).map_or("", |(_, doc)| doc)
    }

    pub fn settings(&self) -> impl Iterator<Item = (&'v str, Rule<'v>)> {
        self.rules.iter().map(|(key, (rule, _))| (*key, *rule))
    }

    /// Settings whose key starts with `prefix` and a dot.
    pub fn under(&self, prefix: &str) -> Vec<&'v str> {
        let inside = |key: &str| key.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'));
        self.rules.keys().copied().filter(|key| inside(key)).collect()
    }

    /// First parts of all settings, sorted: the tables that may stand at top level.
    pub fn tables(&self) -> Vec<&'v str> {
        self.prefixes.iter().copied().filter(|prefix| !prefix.contains('.')).collect()
    }

    pub fn spaces(&self) -> Vec<&'v str> {
        let all: BTreeSet<&str> = self.methods.iter().map(|method| method.space.as_str()).collect();
        all.into_iter().collect()
    }

    /// Canonical ones and those of aliases.
    pub fn algorithms(&self) -> Vec<&'v str> {
        let all: BTreeSet<&str> = self.methods.iter().flat_map(algorithms).collect();
        all.into_iter().collect()
    }

    pub fn task_names(&self) -> Vec<&str> {
        self.tasks.iter().map(|task| task.name.as_str()).collect()
    }

    pub fn method_names(&self) -> Vec<String> {
        self.methods.iter().map(MethodWord::name).collect()
    }

    /// `path` counted from the top of a manifest, or, with `task`, inside of that task's own table.
    pub fn meaning(&self, path: &str, task: Option<usize>) -> Meaning {
        if self.rules.contains_key(path) {
            return Meaning::Setting { key: path.to_string(), task };
        }
        if self.prefixes.contains(path) {
            return Meaning::Table { prefix: path.to_string(), task };
        }
        let (None, Some(rest)) = (task, path.strip_prefix("data.")) else { return Meaning::Unknown };
        let (name, rest) = rest.split_once('.').unwrap_or((rest, ""));
        match self.task(name) {
            None => Meaning::Unknown,
            Some(task) if rest.is_empty() => Meaning::Table { prefix: "data".to_string(), task: Some(task) },
            Some(task) => self.meaning(&format!("data.{rest}"), Some(task)),
        }
    }
}

/// All full names of a method, the canonical one first.
pub fn names(method: &MethodWord) -> impl Iterator<Item = String> + '_ {
    std::iter::once(method.name()).chain(method.aliases.iter().cloned())
}

/// All names of a method's algorithm within its space, the canonical one first.
pub fn algorithms(method: &MethodWord) -> impl Iterator<Item = &str> {
    let aliases = method.aliases.iter().filter_map(|alias| alias.split_once('/'));
    let aliases = aliases.filter(|(space, _)| *space == method.space).map(|(_, algorithm)| algorithm);
    std::iter::once(method.algorithm.as_str()).chain(aliases)
}
