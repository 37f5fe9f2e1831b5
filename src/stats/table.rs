//! Scores of single runs to the cells of Table 2: seeds averaged, holes kept, spread, best, ranks. Knows no file.

use crate::artifacts::published::Published;
use crate::artifacts::score::{Direction, Score};
use crate::artifacts::summary::{Cell, SeedValue, State, Task, is_embedded};
use crate::stats::error_form::error_form;
use crate::stats::imputation::Imputation;
use crate::stats::rank::fractional_ranks;
use crate::stats::spread::{mean, standard_deviation};
use std::collections::{BTreeMap, BTreeSet};

/// Rows in the order of the paper's task table (its Table 1); other tasks follow by name.
const TASK_ORDER: [&str; 10] =
    ["cifar100", "spherical", "ninapro", "fsd50k", "darcy", "psicov", "cosmic", "ecg", "satellite", "deepsea"];
/// Columns: the fixed network first, then general methods by search space, then specialists. Others follow by name.
const METHOD_ORDER: [&str; 7] = [
    "wrn/default",
    "wrn/asha",
    "darts/gaea",
    "densenas/original",
    "densenas/random",
    "autodeeplab/darts",
    "amber/enas",
];

/// A run that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    pub task: String,
    /// `space/algorithm`.
    pub method: String,
    pub seed: u64,
}

/// Table 2, with what a reader must know of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub tasks: Vec<Task>,
    pub methods: Vec<String>,
    /// Tasks outermost.
    pub cells: Vec<Cell>,
    pub notes: Vec<String>,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum TableError {
    #[error("task {task}, method {method}, seed {seed}: two scores, {first} and {second}; expected one per run")]
    Twice { task: String, method: String, seed: u64, first: f64, second: f64 },
    #[error(
        "task {task}: scores cannot be compared: `{first}` ({first_of}) and `{second}` ({second_of}); \
         expected one direction and unit per task"
    )]
    Mismatch { task: String, first: String, first_of: String, second: String, second_of: String },
}

type Place = (String, String);

/// What one task row is measured in, and who said so first.
struct Measure {
    metric: String,
    unit: String,
    direction: Direction,
    of: String,
}

impl Measure {
    fn shown(&self) -> String {
        let better = if self.direction == Direction::Lower { "lower" } else { "higher" };
        format!("{} in {:?}, {better} is better", self.metric, self.unit)
    }
}

/// Builds the table from the scores that are there and the runs that were asked for. Published values fill only cells that no run
/// was asked for, and never stand on a task that was scored on embedded data.
pub fn table(
    scores: &[Score],
    published: Option<&Published>,
    asked: &[Asked],
    imputation: &Imputation,
) -> Result<Table, TableError> {
    let mut notes = Vec::new();
    let found = by_place(scores, &mut notes)?;
    let mut wanted: BTreeMap<Place, BTreeSet<u64>> = BTreeMap::new();
    for run in asked {
        wanted.entry((run.task.clone(), run.method.clone())).or_default().insert(run.seed);
    }
    for score in scores {
        wanted.entry((score.task.clone(), method(score))).or_default().insert(score.seed);
    }
    let given = published.map(|p| fills(p, &wanted, scores, &mut notes)).unwrap_or_default();

    let places: BTreeSet<&Place> = wanted.keys().chain(given.keys()).collect();
    let task_names = ordered(places.iter().map(|p| p.0.as_str()), &TASK_ORDER);
    let methods = ordered(places.iter().map(|p| p.1.as_str()), &METHOD_ORDER);

    let mut table = Table { methods, ..Table::default() };
    for name in task_names {
        let measure = measure(&name, &table.methods, &found, published, &given, &mut notes)?;
        let mut row: Vec<Cell> = table
            .methods
            .iter()
            .map(|method| {
                let place = (name.clone(), method.clone());
                match published.zip(given.get(&place)) {
                    Some((published, value)) => published_cell(&place, published.seeds, *value, &measure),
                    None => cell(&place, wanted.get(&place), found.get(&place), &measure),
                }
            })
            .collect();
        mark_best(&mut row);
        impute(&mut row, imputation, &mut notes);
        let errors: Vec<_> = row.iter().map(|cell| cell.error).collect();
        for (cell, rank) in row.iter_mut().zip(fractional_ranks(&errors)) {
            cell.rank = rank;
        }
        table.tasks.push(task(&name, measure, &row, scores, &mut notes));
        table.cells.extend(row);
    }
    table.notes = notes;
    Ok(table)
}

fn method(score: &Score) -> String {
    format!("{}/{}", score.space, score.algorithm)
}

/// Finite scores by place and seed; what is left out is said.
fn by_place<'a>(
    scores: &'a [Score],
    notes: &mut Vec<String>,
) -> Result<BTreeMap<Place, BTreeMap<u64, &'a Score>>, TableError> {
    let mut found: BTreeMap<Place, BTreeMap<u64, &Score>> = BTreeMap::new();
    let mut left_out = BTreeSet::new();
    for score in scores {
        let place = (score.task.clone(), method(score));
        if !score.value.is_finite() {
            left_out.insert(format!(
                "{} on {}, seed {}: the value is not a finite number and counts as missing.",
                place.1, place.0, score.seed
            ));
            continue;
        }
        if let Some(other) = found.entry(place.clone()).or_default().insert(score.seed, score)
            && other != score
        {
            // Named in order of size, so that the message does not depend on the order of the inputs.
            let (first, second) = (other.value.min(score.value), other.value.max(score.value));
            return Err(TableError::Twice { task: place.0, method: place.1, seed: score.seed, first, second });
        }
    }
    notes.extend(left_out);
    Ok(found)
}

/// The published means that enter the table.
fn fills(
    published: &Published,
    wanted: &BTreeMap<Place, BTreeSet<u64>>,
    scores: &[Score],
    notes: &mut Vec<String>,
) -> BTreeMap<Place, (f64, Option<f64>)> {
    let embedded: BTreeSet<&str> = scores.iter().filter(|s| is_embedded(&s.data)).map(|s| s.task.as_str()).collect();
    let mut fills = BTreeMap::new();
    for (task, row) in &published.value {
        if embedded.contains(task.as_str()) {
            notes.push(format!("{task}: scored on embedded data, so published values do not stand beside it."));
            continue;
        }
        for (method, value) in row {
            let place = (task.clone(), method.clone());
            if !wanted.contains_key(&place) {
                fills.insert(place, (value.mean, value.std));
            }
        }
    }
    fills
}

/// Unique names, those of `first` in its order, then the others by name.
fn ordered<'a>(names: impl Iterator<Item = &'a str>, first: &[&str]) -> Vec<String> {
    let names: BTreeSet<(usize, &str)> =
        names.map(|name| (first.iter().position(|f| *f == name).unwrap_or(first.len()), name)).collect();
    names.into_iter().map(|(_, name)| name.to_string()).collect()
}

fn measure(
    task: &str,
    methods: &[String],
    found: &BTreeMap<Place, BTreeMap<u64, &Score>>,
    published: Option<&Published>,
    given: &BTreeMap<Place, (f64, Option<f64>)>,
    notes: &mut Vec<String>,
) -> Result<Measure, TableError> {
    let own = methods.iter().flat_map(|method| {
        found.get(&(task.to_string(), method.clone())).into_iter().flatten().map(move |(seed, score)| Measure {
            metric: score.metric.clone(),
            unit: score.unit.clone(),
            direction: score.direction,
            of: format!("{method}, seed {seed}"),
        })
    });
    let printed = published.filter(|_| given.keys().any(|place| place.0 == task)).and_then(|p| p.task.get(task));
    let printed = printed.map(|p| Measure {
        metric: p.metric.clone(),
        unit: p.unit.clone(),
        direction: p.direction,
        of: "published".to_string(),
    });
    let mut first: Option<Measure> = None;
    let mut metrics = BTreeSet::new();
    for measure in own.chain(printed) {
        metrics.insert(measure.metric.clone());
        match &first {
            None => first = Some(measure),
            Some(first) if first.unit != measure.unit || first.direction != measure.direction => {
                return Err(TableError::Mismatch {
                    task: task.to_string(),
                    first: first.shown(),
                    first_of: first.of.clone(),
                    second: measure.shown(),
                    second_of: measure.of,
                });
            }
            Some(_) => {}
        }
    }
    if metrics.len() > 1 {
        let names: Vec<_> = metrics.into_iter().collect();
        notes.push(format!("{task}: the metric has several names ({}), taken as one.", names.join("; ")));
    }
    Ok(first.unwrap_or_else(|| Measure {
        metric: String::new(),
        unit: String::new(),
        direction: Direction::Lower,
        of: String::new(),
    }))
}

fn empty_cell(place: &Place) -> Cell {
    Cell {
        task: place.0.clone(),
        method: place.1.clone(),
        state: State::NotApplicable,
        seeds_done: 0,
        seeds_expected: 0,
        seeds_missing: Vec::new(),
        values: Vec::new(),
        mean: None,
        deviation: None,
        error: None,
        imputed: false,
        rank: None,
        best: false,
        data: Vec::new(),
    }
}

fn cell(
    place: &Place,
    wanted: Option<&BTreeSet<u64>>,
    found: Option<&BTreeMap<u64, &Score>>,
    measure: &Measure,
) -> Cell {
    let mut cell = empty_cell(place);
    let Some(wanted) = wanted else { return cell };
    let none = BTreeMap::new();
    let found = found.unwrap_or(&none);
    cell.values = found.iter().map(|(seed, score)| SeedValue { seed: *seed, value: score.value }).collect();
    cell.seeds_missing = wanted.iter().copied().filter(|seed| !found.contains_key(seed)).collect();
    cell.seeds_done = count(found.len());
    cell.seeds_expected = count(wanted.len());
    cell.state = match (cell.values.is_empty(), cell.seeds_missing.is_empty()) {
        (true, _) => State::Missing,
        (false, true) => State::Done,
        (false, false) => State::Partial,
    };
    let values: Vec<f64> = cell.values.iter().map(|v| v.value).collect();
    let errors: Vec<f64> = values.iter().map(|v| error_form(measure.direction, &measure.unit, *v)).collect();
    cell.mean = mean(&values).filter(|v| v.is_finite());
    cell.deviation = standard_deviation(&values).filter(|v| v.is_finite());
    cell.error = mean(&errors).filter(|v| v.is_finite());
    let data: BTreeSet<&str> = found.values().map(|score| score.data.as_str()).collect();
    cell.data = data.into_iter().map(str::to_string).collect();
    cell
}

fn published_cell(place: &Place, seeds: u32, value: (f64, Option<f64>), measure: &Measure) -> Cell {
    Cell {
        state: State::Done,
        seeds_done: seeds,
        seeds_expected: seeds,
        mean: Some(value.0),
        deviation: value.1,
        error: Some(error_form(measure.direction, &measure.unit, value.0)).filter(|v| v.is_finite()),
        data: vec!["published".to_string()],
        ..empty_cell(place)
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A lone result is not the best of anything.
fn mark_best(row: &mut [Cell]) {
    let errors: Vec<f64> = row.iter().filter_map(|cell| cell.error).collect();
    if errors.len() < 2 {
        return;
    }
    let lowest = errors.into_iter().fold(f64::INFINITY, f64::min);
    for cell in row {
        cell.best = cell.error == Some(lowest);
    }
}

/// Only cells without any result are imputed: the mean over fewer seeds stays a mean over fewer seeds, and is marked.
fn impute(row: &mut [Cell], imputation: &Imputation, notes: &mut Vec<String>) {
    if !row.iter().any(|cell| cell.state == State::Missing) {
        return;
    }
    let real = row.iter().filter_map(|cell| cell.error);
    let error = match imputation {
        Imputation::None => return,
        Imputation::Worst => real.max_by(f64::total_cmp),
        Imputation::Baseline(method) => row.iter().find(|cell| cell.method == *method).and_then(|cell| cell.error),
    };
    if error.is_none() {
        notes.push(format!("{}: nothing to impute from ({imputation}), so its holes stay holes.", row[0].task));
    }
    for cell in row.iter_mut().filter(|cell| cell.state == State::Missing) {
        cell.error = error;
        cell.imputed = error.is_some();
    }
}

fn task(name: &str, measure: Measure, row: &[Cell], scores: &[Score], notes: &mut Vec<String>) -> Task {
    let data: BTreeSet<&String> = row.iter().flat_map(|cell| &cell.data).collect();
    if data.len() > 1 && data.iter().any(|d| *d != "official" && *d != "published") {
        let names: Vec<_> = data.iter().map(|d| d.as_str()).collect();
        notes.push(format!("{name}: scored on different data ({}); ranks across them mean little.", names.join(", ")));
    }
    if row.iter().any(|cell| cell.error.is_some_and(|e| e < 0.0)) {
        notes.push(format!("{name}: some errors are negative, so ratios and improvements there may not exist."));
    }
    let mut own: Vec<&Score> = scores.iter().filter(|s| s.task == name && s.trivial.value.is_finite()).collect();
    own.sort_by_key(|s| (ordering(&method(s)), method(s), s.seed));
    let trivial = own.first().map(|s| s.trivial.clone());
    if own.iter().any(|s| Some(&s.trivial) != trivial.as_ref()) {
        notes.push(format!("{name}: the trivial predictor's value differs between runs; the first one is shown."));
    }
    Task {
        name: name.to_string(),
        metric: measure.metric,
        unit: measure.unit,
        direction: measure.direction,
        trivial,
        data: data.into_iter().cloned().collect(),
    }
}

fn ordering(method: &str) -> usize {
    METHOD_ORDER.iter().position(|m| *m == method).unwrap_or(METHOD_ORDER.len())
}

#[cfg(test)]
mod tests {
    use super::table;
    use crate::artifacts::score::{Direction, SCORE_FORMAT, Score, Trivial};
    use crate::artifacts::summary::State;
    use crate::stats::imputation::Imputation;
    use std::collections::BTreeMap;

    fn score(method: &str, seed: u64, value: f64) -> Score {
        let (space, algorithm) = method.split_once('/').expect("a method has two parts");
        Score {
            format: SCORE_FORMAT,
            task: "ecg".to_string(),
            space: space.to_string(),
            algorithm: algorithm.to_string(),
            seed,
            metric: "macro F1".to_string(),
            unit: String::new(),
            direction: Direction::Higher,
            value,
            trivial: Trivial { name: "majority class".to_string(), value: 0.25 },
            details: BTreeMap::new(),
            parameters: 1,
            test_samples: 1,
            data: "official".to_string(),
        }
    }

    #[test]
    fn seeds_are_averaged_and_their_spread_kept() {
        let scores = [score("z/z", 0, 0.5), score("a/a", 2, 0.75), score("a/a", 0, 0.25), score("a/a", 1, 0.5)];
        let table = table(&scores, None, &[], &Imputation::None).unwrap();
        assert_eq!(table.methods, ["a/a", "z/z"]);
        let cell = &table.cells[0];
        assert_eq!((cell.mean, cell.deviation, cell.error), (Some(0.5), Some(0.25), Some(0.5)));
        assert_eq!(cell.values.iter().map(|v| v.seed).collect::<Vec<_>>(), [0, 1, 2]);
        // A tie: both are best, both have the middle rank.
        assert!(table.cells.iter().all(|c| c.best && c.rank == Some(1.5) && c.state == State::Done));
        assert_eq!((table.cells[1].deviation, table.notes.len()), (None, 0));
    }

    #[test]
    fn a_value_that_is_no_number_is_a_hole_and_is_told() {
        let scores = [score("a/a", 0, f64::NAN), score("a/a", 1, 0.5), score("b/b", 0, f64::INFINITY)];
        let table = table(&scores, None, &[], &Imputation::None).unwrap();
        let states: Vec<_> = table.cells.iter().map(|c| (c.state, c.seeds_done, c.seeds_missing.clone())).collect();
        assert_eq!(states, [(State::Partial, 1, vec![0]), (State::Missing, 0, vec![0])]);
        assert_eq!(table.notes.len(), 2);
        assert!(table.notes[0].starts_with("a/a on ecg, seed 0: the value is not a finite number"));
    }

    #[test]
    fn what_makes_a_row_doubtful_is_told() {
        let mut scores = vec![score("a/a", 0, 0.5), score("b/b", 0, 1.5)];
        scores[1].data = "embedded:tiny".to_string();
        scores[1].trivial.value = 0.5;
        scores[1].metric = "F1".to_string();
        let table = table(&scores, None, &[], &Imputation::None).unwrap();
        let told = |text: &str| table.notes.iter().any(|note| note.contains(text));
        assert!(told("the metric has several names (F1; macro F1)"), "{:?}", table.notes);
        assert!(told("scored on different data (embedded:tiny, official)"));
        assert!(told("some errors are negative"));
        assert!(told("the trivial predictor's value differs"));
        assert_eq!(table.tasks[0].trivial.as_ref().map(|t| t.value), Some(0.25));
    }
}
