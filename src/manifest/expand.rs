//! Grids and seeds to cells, with the count of what each rule did. Knows no setting.

use crate::manifest::diagnostic::{Diagnostic, Source};
use crate::manifest::grid::{Grid, Pair};
use crate::manifest::selector::describe;
use crate::manifest::words::Words;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A cell by positions in `Words`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub task: usize,
    pub method: usize,
    pub seed: u64,
}

/// More cells than anybody has ever run, and few enough to plan in memory.
const MOST_CELLS: usize = 5_000_000;

/// Which seeds each grid runs.
pub enum Seeds<'a> {
    /// As the manifest is written: a grid's own, else these.
    Written(&'a [u64]),
    /// A profile or `--set` replaces every list of seeds.
    Replaced(&'a [u64]),
}

/// What came out.
#[derive(Default)]
pub struct Expanded {
    /// Sorted, each once.
    pub cells: Vec<Place>,
    pub notes: Vec<String>,
    /// Rules that match nothing, impossible cells, grids without a cell.
    pub errors: Vec<Diagnostic>,
    /// Cells that were named cannot be: a rule that matches only these matches nothing, and is not to blame.
    pub impossible: bool,
}

/// All cells of all grids.
pub fn expand(words: &Words<'_>, source: &Arc<Source>, grids: &[Grid], seeds: &Seeds<'_>) -> Expanded {
    let mut out = Expanded::default();
    for grid in grids {
        one(words, source, grid, seeds, &mut out);
    }
    out.cells.sort_unstable();
    out.cells.dedup();
    out
}

fn one(words: &Words<'_>, source: &Arc<Source>, grid: &Grid, seeds: &Seeds<'_>, out: &mut Expanded) {
    let own = grid.seeds.as_deref();
    let before = out.cells.len();
    let longest = match seeds {
        Seeds::Replaced(seeds) => seeds.len(),
        Seeds::Written(default) => {
            let included = grid.include.iter().filter_map(|rule| rule.seeds.as_ref()).map(Vec::len).max();
            own.unwrap_or(default).len().max(included.unwrap_or(0))
        }
    };
    let pairs = grid.pairs.len() + grid.include.iter().map(|rule| rule.pairs.len()).sum::<usize>();
    if pairs.saturating_mul(longest).saturating_add(before) > MOST_CELLS {
        let message = format!("{pairs} pairs of task and method with {longest} seeds are too many cells");
        let one = Diagnostic::at(source, grid.span.clone(), message);
        out.errors.push(one.help(format!("a manifest has at most {MOST_CELLS} cells; write several manifests")));
        out.impossible = true;
        return;
    }
    let mut impossible = Impossible::default();
    let mut hits = vec![0usize; grid.exclude.len()];
    for pair in &grid.pairs {
        let rules: Vec<usize> =
            (0..hits.len()).filter(|&i| grid.exclude[i].pair(pair.task.item, pair.method.item)).collect();
        let possible = possible(words, pair);
        let single = pair.seed.map(|seed| [seed]);
        let list = match seeds {
            Seeds::Replaced(seeds) => seeds,
            Seeds::Written(default) => single.as_ref().map(|one| one.as_slice()).or(own).unwrap_or(default),
        };
        for &seed in list {
            let mut excluded = false;
            for &rule in &rules {
                if grid.exclude[rule].seed(seed) {
                    hits[rule] += 1;
                    excluded = true;
                }
            }
            if !excluded && possible {
                out.cells.push(Place { task: pair.task.item, method: pair.method.item, seed });
            } else if !excluded {
                impossible.add(pair);
            }
        }
    }
    for (rule, &count) in grid.exclude.iter().zip(&hits) {
        out.rule(source, "exclude", &rule.span, count, "left out", seeds);
    }
    for rule in &grid.include {
        let own = rule.seeds.as_deref().or(own);
        let (mut count, mut all_possible) = (0, true);
        for pair in &rule.pairs {
            let list = match seeds {
                Seeds::Replaced(seeds) => seeds,
                Seeds::Written(default) => own.unwrap_or(default),
            };
            if !possible(words, pair) {
                impossible.add(pair);
                all_possible = false;
                continue;
            }
            count += list.len();
            out.cells.extend(list.iter().map(|&seed| Place { task: pair.task.item, method: pair.method.item, seed }));
        }
        if all_possible || count > 0 {
            out.rule(source, "include", &rule.span, count, "added", seeds);
        }
    }
    let named = impossible.report(words, source, grid, out);
    out.impossible |= named;
    if out.cells.len() == before && !named && matches!(seeds, Seeds::Written(_)) {
        out.errors.push(Diagnostic::at(source, grid.span.clone(), "nothing is left of this grid").help(
            "its cells are all excluded, or not applicable: see `exclude`, and which methods run on which tasks",
        ));
    }
}

fn possible(words: &Words<'_>, pair: &Pair) -> bool {
    (words.methods[pair.method.item].supports)(&words.tasks[pair.task.item])
}

impl Expanded {
    fn rule(
        &mut self,
        source: &Arc<Source>,
        what: &str,
        span: &Range<usize>,
        count: usize,
        done: &str,
        seeds: &Seeds<'_>,
    ) {
        let line = source.line(span.start);
        self.notes.push(format!("{what} at line {line}: {} {done}", cells(count)));
        // A rule on seeds that a profile leaves out is still right for the manifest as written.
        if count == 0 && matches!(seeds, Seeds::Written(_)) {
            self.errors.push(
                Diagnostic::at(source, span.clone(), format!("this `{what}` matches no cell of its grid"))
                    .help("remove it, or correct its names"),
            );
        }
    }
}

/// `1 cell`, `2 cells`.
pub fn cells(count: usize) -> String {
    if count == 1 { "1 cell".to_string() } else { format!("{count} cells") }
}

/// Pairs that the methods do not support.
#[derive(Default)]
struct Impossible {
    /// By method, then task; `true` where both were named.
    pairs: BTreeMap<usize, BTreeMap<usize, (bool, Pair)>>,
}

impl Impossible {
    fn add(&mut self, pair: &Pair) {
        let named = !pair.task.glob && !pair.method.glob;
        let tasks = self.pairs.entry(pair.method.item).or_default();
        let entry = tasks.entry(pair.task.item).or_insert_with(|| (named, pair.clone()));
        if named && !entry.0 {
            *entry = (true, pair.clone());
        }
    }

    /// Errors for what was named, notes for what globs matched; whether anything was named.
    fn report(&self, words: &Words<'_>, source: &Arc<Source>, grid: &Grid, out: &mut Expanded) -> bool {
        let mut any = false;
        for (&method, tasks) in &self.pairs {
            let word = &words.methods[method];
            let name = word.name();
            let list = |wanted: bool| -> Vec<String> {
                tasks
                    .iter()
                    .filter(|(_, (named, _))| *named == wanted)
                    .map(|(&task, _)| describe(&words.tasks[task]))
                    .collect()
            };
            let (named, matched) = (list(true), list(false));
            if !matched.is_empty() {
                let line = source.line(grid.span.start);
                out.notes.push(format!(
                    "n/a in the grid at line {line}: {name} on {} left out ({})",
                    matched.join(", "),
                    word.not_applicable
                ));
            }
            let first = tasks.values().find(|(named, _)| *named);
            if let Some((_, pair)) = first {
                any = true;
                let mut one = Diagnostic::at(
                    source,
                    pair.method.span.clone(),
                    format!("`{name}` does not run on {}", named.join(", ")),
                )
                .label(word.not_applicable.clone());
                for (_, pair) in tasks.values().filter(|(named, _)| *named) {
                    if pair.task.span != pair.method.span {
                        one = one.related(pair.task.span.clone(), "not applicable");
                    }
                }
                out.errors.push(one.help(
                    "take the pair out of the grid, exclude it, or use a glob: what is not applicable is then left out",
                ));
            }
        }
        any
    }
}
