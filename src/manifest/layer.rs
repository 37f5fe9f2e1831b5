//! One layer of settings: what holds for all cells, then its overrides. Knows not where the layer comes from.

use crate::manifest::flatten::Assignment;
use crate::manifest::overrides::Override;
use crate::manifest::resolve::Settings;
use crate::manifest::words::Rule;
use crate::manifest::words::Words;
use crate::stages::entry::Kind;
use serde_json::Value;
use std::path::Path;

#[derive(Clone, Debug, Default)]
pub struct Layer {
    /// In order, later wins.
    pub set: Vec<Assignment>,
    pub overrides: Vec<Override>,
}

impl Layer {
    /// A layer of tables: what is written for one task (`[data.<task>]`) wins over what is written for all.
    pub fn of_tables(mut set: Vec<Assignment>, overrides: Vec<Override>) -> Layer {
        set.sort_by_key(|one| one.task.is_some());
        Layer { set, overrides }
    }

    /// The layer with its relative paths (`Kind::Path`) made absolute from `base`.
    pub fn rooted(mut self, words: &Words<'_>, base: &Path) -> Layer {
        root(&mut self.set, words, base);
        for one in &mut self.overrides {
            root(&mut one.set, words, base);
        }
        self
    }

    /// Writes this layer over the settings of a cell (task and method by position in `Words`).
    pub fn apply(&self, settings: &mut Settings, task: usize, method: usize, seed: u64) {
        assign(settings, &self.set, Some(task));
        for one in &self.overrides {
            if one.selector.matches(task, method, seed) {
                assign(settings, &one.set, Some(task));
            }
        }
    }

    /// Writes what belongs to no cell.
    pub fn apply_to_all(&self, settings: &mut Settings) {
        assign(settings, &self.set, None);
    }
}

fn root(set: &mut [Assignment], words: &Words<'_>, base: &Path) {
    for one in set {
        let is_path = matches!(words.rule(&one.key), Some(Rule::Kind(Kind::Path)));
        if let (true, Some(text)) = (is_path, one.value.as_str()) {
            one.value = Value::from(absolute(&base.join(text)));
        }
    }
}

/// Absolute, without touching the file system: the path need not exist.
pub fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string()
}

fn assign(settings: &mut Settings, set: &[Assignment], task: Option<usize>) {
    for one in set.iter().filter(|one| one.task.is_none() || one.task == task) {
        settings.insert(one.key.clone(), one.value.clone());
    }
}
