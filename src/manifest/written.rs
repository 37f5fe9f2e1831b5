//! The sections of a manifest's own text, before its profile and `--set`. Knows no order of layers.

use crate::manifest::diagnostic::{Diagnostic, Source};
use crate::manifest::document::{Datum, Table};
use crate::manifest::flatten::Flattener;
use crate::manifest::grid::{Grid, Reader};
use crate::manifest::layer::Layer;
use crate::manifest::overrides;
use crate::manifest::profile;
use crate::manifest::profile::Profile;
use crate::manifest::run::Run;
use crate::manifest::task;
use crate::manifest::words::Words;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a manifest's text says.
pub struct Written {
    pub run: Run,
    pub layer: Layer,
    pub own_tasks: Layer,
    pub profiles: BTreeMap<String, Profile>,
    pub grids: Vec<Grid>,
    /// There is a `grid` that is not `[]`.
    pub has_grid: bool,
    /// No error was found in them.
    pub grids_are_right: bool,
}

/// Reads every section; own tasks are among the words already.
pub fn read(words: &Words<'_>, source: &Arc<Source>, table: &Table, found: &mut Vec<Diagnostic>) -> Written {
    let mut run = Run::default();
    let (mut list, mut own_tasks, mut profiles, mut grids) =
        (Vec::new(), Layer::default(), BTreeMap::new(), Vec::new());
    let mut grids_are_right = true;
    let mut flattener = Flattener::new(words, source, Some(&mut run), found);
    for entry in &table.0 {
        match entry.key.as_str() {
            "grid" => {
                let before = flattener.found.len();
                grids = Reader { words, source, found: flattener.found }.grids(&entry.node);
                grids_are_right = flattener.found.len() == before;
            }
            "override" => list = overrides::parse(words, source, &entry.node, flattener.found),
            "profile" => profiles = profile::parse(words, source, entry, flattener.found),
            "task" => own_tasks = task::settings(words, source, entry, flattener.found),
            _ => flattener.entry("", entry, None),
        }
    }
    let layer = Layer::of_tables(flattener.out, list);
    // `grid = []` is no grid.
    let has_grid =
        table.get("grid").is_some_and(|entry| !matches!(&entry.node.datum, Datum::List(list) if list.is_empty()));
    Written { run, layer, own_tasks, profiles, grids, has_grid, grids_are_right }
}
