//! `[[grid]]`: axes, pairs and rules to cells. Knows no setting.

use crate::manifest::diagnostic::{Diagnostic, Source};
use crate::manifest::document::{Datum, Entry, Node, Table};
use crate::manifest::pick::{Pick, Universe, method_of, pick};
use crate::manifest::run;
use crate::manifest::selector::Selector;
use crate::manifest::suggest;
use crate::manifest::words::Words;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

const KEYS: [&str; 8] = ["task", "method", "space", "algorithm", "seeds", "zip", "exclude", "include"];
const ZIP_KEYS: [&str; 5] = ["task", "space", "algorithm", "method", "seed"];
const INCLUDE_KEYS: [&str; 5] = ["task", "method", "space", "algorithm", "seed"];

/// Each row of `zip` holds a copy of the other axes.
const MOST_ROWS: usize = 10_000;

/// One `[[grid]]`, checked but for what depends on seeds.
#[derive(Clone, Debug)]
pub struct Grid {
    pub span: Range<usize>,
    pub pairs: Vec<Pair>,
    pub seeds: Option<Vec<u64>>,
    pub exclude: Vec<Selector>,
    pub include: Vec<Include>,
}

/// A task with a method.
#[derive(Clone, Debug)]
pub struct Pair {
    pub task: Pick,
    pub method: Pick,
    /// The one seed of its row of `zip`.
    pub seed: Option<u64>,
}

/// A rule that adds cells.
#[derive(Clone, Debug)]
pub struct Include {
    pub span: Range<usize>,
    pub pairs: Vec<Pair>,
    pub seeds: Option<Vec<u64>>,
}

/// What one table says of the axes; absent where it is silent.
#[derive(Clone, Default)]
struct Axes {
    task: Option<Vec<Pick>>,
    method: Option<Vec<Pick>>,
    space: Option<Vec<Pick>>,
    algorithm: Option<Vec<Pick>>,
    seed: Option<u64>,
}

/// Reads grids of one source.
pub struct Reader<'a, 'v> {
    pub words: &'a Words<'v>,
    pub source: &'a Arc<Source>,
    pub found: &'a mut Vec<Diagnostic>,
}

impl Reader<'_, '_> {
    /// The value of the key `grid`.
    pub fn grids(&mut self, node: &Node) -> Vec<Grid> {
        let Datum::List(nodes) = &node.datum else {
            self.wrong(node, "`grid` is a list of tables", "write `[[grid]]` with double brackets");
            return Vec::new();
        };
        let mut grids = Vec::new();
        for node in nodes {
            match &node.datum {
                Datum::Table(table) => grids.extend(self.grid(node, table)),
                _ => self.wrong(node, "`grid` is a list of tables", "write `[[grid]]` with double brackets"),
            }
        }
        grids
    }

    fn grid(&mut self, node: &Node, table: &Table) -> Option<Grid> {
        let before = self.found.len();
        let axes = self.axes(table, &KEYS, "a grid");
        let mut seeds = None;
        let mut rows = vec![axes.clone()];
        for entry in &table.0 {
            match entry.key.as_str() {
                "seeds" => seeds = run::seeds(self.source, &entry.node, self.found),
                "zip" => rows = self.zip(entry, &axes, table),
                _ => {}
            }
        }
        if table.get("seeds").is_some() && rows.iter().any(|row| row.seed.is_some()) {
            self.twice(table, "seeds", "`seed` in `zip`");
        }
        let named = named(&axes, table);
        self.exclusive(table, &named);
        let complete = self.complete(node, &named, "grid");
        // An incomplete or wrong grid would only give follow-up errors.
        let good = complete && self.found.len() == before;
        let pairs = if good { self.pairs(&rows) } else { Vec::new() };
        let exclude =
            self.rules(table, "exclude", |this, node| Selector::parse(this.words, this.source, node, this.found));
        let include = self.rules(table, "include", |this, node| this.include(node, &rows, good));
        if good && pairs.is_empty() && self.found.len() == before {
            self.found.push(
                Diagnostic::at(self.source, node.span.clone(), "this grid has no cell")
                    .help("no method is of the spaces and algorithms that it names"),
            );
        }
        good.then_some(Grid { span: node.span.clone(), pairs, seeds, exclude, include })
    }

    /// The axes of one table; keys beside `keys` are errors.
    fn axes(&mut self, table: &Table, keys: &[&str], what: &str) -> Axes {
        let mut axes = Axes::default();
        for entry in &table.0 {
            let mut read = |universe: Universe| Some(pick(&universe, self.source, &entry.node, self.found));
            match entry.key.as_str() {
                key if !keys.contains(&key) => {
                    let mut one =
                        Diagnostic::at(self.source, entry.key_span.clone(), format!("{what} has no key `{key}`"));
                    one.help = suggest::remedies(key, keys, "keys");
                    self.found.push(one);
                }
                "task" => axes.task = read(Universe::tasks(self.words)),
                "method" => axes.method = read(Universe::methods(self.words)),
                "space" => axes.space = read(Universe::spaces(self.words)),
                "algorithm" => axes.algorithm = read(Universe::algorithms(self.words)),
                _ => {}
            }
        }
        axes
    }

    /// Rows of `zip`, each completed by the axes outside of it.
    fn zip(&mut self, entry: &Entry, outer: &Axes, grid: &Table) -> Vec<Axes> {
        let Datum::Table(table) = &entry.node.datum else {
            self.wrong(
                &entry.node,
                "`zip` is a table of lists",
                "write `zip = { task = [\"a\", \"b\"], space = [\"x\", \"y\"] }`",
            );
            return Vec::new();
        };
        let mut rows: Option<(&Entry, Vec<Axes>)> = None;
        for entry in &table.0 {
            let key = entry.key.as_str();
            if !ZIP_KEYS.contains(&key) {
                let mut one = Diagnostic::at(self.source, entry.key_span.clone(), format!("`zip` has no key `{key}`"));
                one.help = suggest::remedies(key, &ZIP_KEYS, "keys");
                self.found.push(one);
                continue;
            }
            if grid.get(key).is_some() {
                self.twice(grid, key, "`zip`");
            }
            let Datum::List(nodes) = &entry.node.datum else {
                self.wrong(&entry.node, "`zip` pairs lists", "give each axis a list, all of the same length");
                continue;
            };
            if nodes.len() > MOST_ROWS {
                let help = format!("`zip` has at most {MOST_ROWS} rows; write several grids or manifests");
                self.wrong(&entry.node, &format!("{} rows of `zip` are too many", nodes.len()), &help);
                continue;
            }
            let (first, rows) = rows.get_or_insert_with(|| (entry, vec![outer.clone(); nodes.len()]));
            if rows.len() != nodes.len() {
                self.found.push(
                    Diagnostic::at(self.source, entry.node.span.clone(), "the lists of `zip` differ in length")
                        .label(format!("`{key}` has {} values", nodes.len()))
                        .related(first.node.span.clone(), format!("`{}` has {} values", first.key, rows.len()))
                        .help("`zip` takes the first values together, then the second ones, and so on"),
                );
                continue;
            }
            for (row, node) in rows.iter_mut().zip(nodes) {
                match key {
                    "task" => row.task = Some(self.single(Universe::tasks(self.words), node)),
                    "method" => row.method = Some(self.single(Universe::methods(self.words), node)),
                    "space" => row.space = Some(self.single(Universe::spaces(self.words), node)),
                    "algorithm" => row.algorithm = Some(self.single(Universe::algorithms(self.words), node)),
                    _ => match run::seeds(self.source, node, self.found).as_deref() {
                        Some([seed]) => row.seed = Some(*seed),
                        Some(_) => {
                            self.wrong(node, "a row of `zip` has one seed", "write `seed = [0, 1]`, one per row")
                        }
                        None => {}
                    },
                }
            }
        }
        match rows {
            Some((_, rows)) if !rows.is_empty() => rows,
            _ => {
                self.wrong(&entry.node, "`zip` pairs nothing", "name at least one axis with at least one value");
                Vec::new()
            }
        }
    }

    /// One name; a glob is an error here.
    fn single(&mut self, universe: Universe, node: &Node) -> Vec<Pick> {
        if matches!(node.datum, Datum::List(_)) {
            self.wrong(node, "a row of `zip` has one value per axis", "write one name per row");
            return Vec::new();
        }
        let picks = pick(&universe, self.source, node, self.found);
        if picks.iter().any(|pick| pick.glob) {
            self.wrong(node, "`zip` takes names, not globs", "write the name that belongs to this row");
        }
        picks
    }

    fn include(&mut self, node: &Node, rows: &[Axes], good: bool) -> Option<Include> {
        let Datum::Table(table) = &node.datum else {
            self.wrong(node, "a rule is a table", "write `{ task = \"…\", method = \"…\" }`");
            return None;
        };
        let before = self.found.len();
        let mut axes = self.axes(table, &INCLUDE_KEYS, "`include`");
        let seeds = table.get("seed").and_then(|entry| run::seeds(self.source, &entry.node, self.found));
        self.exclusive(table, &axes);
        if self.found.len() > before || !good {
            return None;
        }
        // What the rule is silent on is as in the grid.
        if axes.task.is_none() {
            axes.task = union(rows, |row| &row.task);
        }
        if axes.method.is_none() && axes.space.is_none() && axes.algorithm.is_none() {
            axes.method = union(rows, |row| &row.method);
            axes.space = union(rows, |row| &row.space);
            axes.algorithm = union(rows, |row| &row.algorithm);
        }
        if !self.complete(node, &axes, "`include`") {
            return None;
        }
        let pairs = self.pairs(&[axes]);
        if pairs.is_empty() && self.found.len() == before {
            self.wrong(node, "this `include` adds no cell", "no method is of the space and algorithm that it names");
        }
        Some(Include { span: node.span.clone(), pairs, seeds })
    }

    /// A method is either named as a whole or by its parts.
    fn exclusive(&mut self, table: &Table, axes: &Axes) {
        let parts = axes.space.is_some() || axes.algorithm.is_some();
        if axes.method.is_none() || !parts {
            return;
        }
        let zip = table.get("zip").and_then(|entry| match &entry.node.datum {
            Datum::Table(table) => Some(table),
            _ => None,
        });
        let find = |key: &str| table.get(key).or_else(|| zip.and_then(|zip| zip.get(key)));
        let part = if axes.space.is_some() { "space" } else { "algorithm" };
        if let (Some(method), Some(other)) = (find("method"), find(part)) {
            self.found.push(
                Diagnostic::at(self.source, other.key_span.clone(), format!("both `method` and `{part}`"))
                    .related(method.key_span.clone(), "names the method as a whole")
                    .help(format!("keep `method`, or `space` with `algorithm`; remove `{part}` or write two grids")),
            );
        }
    }

    fn complete(&mut self, node: &Node, axes: &Axes, what: &str) -> bool {
        let example = "\"darts/gaea\"";
        let (missing, help) = match axes {
            Axes { task: None, .. } => ("`task`", "add `task = [\"…\"]`, or `task = \"*\"` for all tasks".to_string()),
            Axes { method: Some(_), .. } => return true,
            Axes { space: Some(_), algorithm: Some(_), .. } => return true,
            Axes { space: Some(_), .. } => ("`algorithm`", "add `algorithm = \"*\"` for all of the space".to_string()),
            Axes { algorithm: Some(_), .. } => ("`space`", "add `space = \"*\"` for all that have it".to_string()),
            _ => ("`method`", format!("add `method = [{example}]`, or `space` and `algorithm`")),
        };
        let message = if what == "grid" {
            format!("this grid has no {missing}")
        } else {
            format!("this {what} has no {missing}")
        };
        self.found.push(Diagnostic::at(self.source, node.span.clone(), message).help(help));
        false
    }

    fn rules<T>(&mut self, table: &Table, key: &str, read: impl Fn(&mut Self, &Node) -> Option<T>) -> Vec<T> {
        let Some(entry) = table.get(key) else { return Vec::new() };
        // One rule may stand alone, without a list around it.
        let nodes = match &entry.node.datum {
            Datum::List(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(&entry.node),
        };
        nodes.iter().filter_map(|node| read(self, node)).collect()
    }

    /// All tasks with all methods of each row.
    fn pairs(&mut self, rows: &[Axes]) -> Vec<Pair> {
        let mut pairs = Vec::new();
        let mut strangers: BTreeMap<(usize, usize), ()> = BTreeMap::new();
        for row in rows {
            let mut methods = row.method.clone().unwrap_or_default();
            for space in row.space.iter().flatten() {
                for algorithm in row.algorithm.iter().flatten() {
                    let glob = space.glob || algorithm.glob;
                    match method_of(self.words, space.item, algorithm.item) {
                        // An alias of the algorithm may give the method again.
                        Some(item) if methods.iter().any(|one| one.item == item && (glob || one.glob)) => {}
                        Some(item) => methods.push(Pick { item, glob, span: algorithm.span.clone() }),
                        None if glob => {}
                        None if strangers.insert((space.item, algorithm.item), ()).is_some() => {}
                        None => self.no_method(space, algorithm),
                    }
                }
            }
            for task in row.task.iter().flatten() {
                for method in &methods {
                    pairs.push(Pair { task: task.clone(), method: method.clone(), seed: row.seed });
                }
            }
        }
        pairs
    }

    fn no_method(&mut self, space: &Pick, algorithm: &Pick) {
        let (spaces, algorithms) = (self.words.spaces(), self.words.algorithms());
        let (space_name, algorithm_name) = (spaces[space.item], algorithms[algorithm.item]);
        let of_space: Vec<String> =
            self.words.methods.iter().filter(|one| one.space == space_name).map(|one| one.name()).collect();
        self.found.push(
            Diagnostic::at(
                self.source,
                algorithm.span.clone(),
                format!("`{space_name}/{algorithm_name}` is no method"),
            )
            .label(format!("does not search the space `{space_name}`"))
            .related(space.span.clone(), "with this space")
            .help(format!("methods of `{space_name}`: {}", of_space.join(", ")))
            .help("pair spaces and algorithms with `zip`, or name `method`s"),
        );
    }

    fn twice(&mut self, table: &Table, key: &str, other: &str) {
        let entry = table.get(key).expect("the caller has seen the key");
        self.found.push(
            Diagnostic::at(self.source, entry.key_span.clone(), format!("`{key}` stands here and in {other}"))
                .help("remove one of the two"),
        );
    }

    fn wrong(&mut self, node: &Node, message: &str, help: &str) {
        self.found.push(
            Diagnostic::at(self.source, node.span.clone(), message)
                .label(format!("found {}", node.datum.what()))
                .help(help),
        );
    }
}

/// The axes that a grid names, in `zip` or outside of it, even where their values are wrong.
fn named(outer: &Axes, grid: &Table) -> Axes {
    let mut axes = outer.clone();
    if let Some(Datum::Table(zip)) = grid.get("zip").map(|entry| &entry.node.datum) {
        for entry in &zip.0 {
            let axis = match entry.key.as_str() {
                "task" => &mut axes.task,
                "method" => &mut axes.method,
                "space" => &mut axes.space,
                "algorithm" => &mut axes.algorithm,
                _ => continue,
            };
            axis.get_or_insert_default();
        }
    }
    axes
}

/// The distinct picks of an axis over all rows.
fn union(rows: &[Axes], axis: impl Fn(&Axes) -> &Option<Vec<Pick>>) -> Option<Vec<Pick>> {
    let mut all: BTreeMap<usize, Pick> = BTreeMap::new();
    for pick in rows.iter().filter_map(|row| axis(row).as_ref()).flatten() {
        all.entry(pick.item).or_insert_with(|| pick.clone());
    }
    (!all.is_empty()).then(|| all.into_values().collect())
}
