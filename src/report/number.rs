//! Numbers and cells as people read them. Knows no format: marks are fields, each format draws them its own way.

use crate::artifacts::summary::{Cell, Deviation, GateResult, State, Task};
use crate::artifacts::verdict::{PairVerdict, PickVerdict};
use crate::stats::error_form::error_form;

/// Shown in place of a value that does not exist.
pub const DASH: &str = "–";

/// `value` with `decimals` digits after the point; in powers of ten where that would hide it or fill the line.
pub fn fixed(value: f64, decimals: usize) -> String {
    let size = value.abs();
    if size != 0.0 && (size >= 1e7 || size < 0.5 * 10f64.powi(-(decimals as i32))) {
        return format!("{value:.2e}");
    }
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(digits) if digits.chars().all(|c| c == '0' || c == '.') => digits.to_string(),
        _ => text,
    }
}

/// A spread beside a mean: never in powers of ten, and 0 where the digits of the mean do not show it.
fn spread(value: f64, decimals: usize) -> String {
    if value >= 1e7 { format!("{value:.2e}") } else { format!("{value:.decimals$}") }
}

/// Digits after the point that suit a row of Table 2: two, and for values below 1 two significant ones, at least three digits.
pub fn decimals(row: &[Cell]) -> usize {
    let smallest = row.iter().filter_map(|c| c.mean).map(f64::abs).filter(|v| *v > 0.0).fold(f64::INFINITY, f64::min);
    if smallest >= 1.0 {
        return 2;
    }
    let digits = 1.0 - smallest.log10().floor();
    digits.clamp(3.0, 6.0) as usize
}

/// Median ranks are multiples of a quarter: one digit, or two where it takes two.
pub fn rank(value: Option<f64>) -> String {
    match value {
        None => DASH.to_string(),
        Some(v) if (v * 10.0).fract() == 0.0 => format!("{v:.1}"),
        Some(v) => format!("{v:.2}"),
    }
}

/// Percent with two digits, without the sign `%`.
pub fn percent(value: Option<f64>) -> String {
    value.map_or(DASH.to_string(), |v| if v.abs() < 0.005 { "0.00".to_string() } else { fixed(v, 2) })
}

/// Metric and unit of a row, such as `top-1 error, %`.
pub fn measure(task: &Task) -> String {
    let text = if task.unit.is_empty() { task.metric.clone() } else { format!("{}, {}", task.metric, task.unit) };
    if text.is_empty() { DASH.to_string() } else { text }
}

/// What a cell of Table 2 shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    Value { mean: String, spread: Option<String>, seeds: Option<(u32, u32)>, best: bool },
    Imputed(String),
    Missing,
    NotApplicable,
}

/// `decimals` as [`decimals`] gives them for the row. `seeds` (done, asked for) is there only where some are missing.
pub fn shown(task: &Task, cell: &Cell, decimals: usize) -> Shown {
    match (cell.mean, cell.state) {
        (Some(mean), _) => Shown::Value {
            mean: fixed(mean, decimals),
            spread: cell.deviation.map(|d| spread(d, decimals)),
            seeds: (cell.state == State::Partial).then_some((cell.seeds_done, cell.seeds_expected)),
            best: cell.best,
        },
        (None, State::NotApplicable) => Shown::NotApplicable,
        (None, _) => match cell.error.filter(|_| cell.imputed) {
            // Error form is its own inverse.
            Some(error) => Shown::Imputed(fixed(error_form(task.direction, &task.unit, error), decimals)),
            None => Shown::Missing,
        },
    }
}

/// `3/3`, or a dash where nothing was asked for.
pub fn coverage(cell: &Cell) -> String {
    match cell.state {
        State::NotApplicable => DASH.to_string(),
        _ => format!("{}/{}", cell.seeds_done, cell.seeds_expected),
    }
}

/// Task, method, data, seeds, measured, published, band, verdict.
pub fn deviation(d: &Deviation) -> [String; 8] {
    let smallest = d.measured.abs().min(d.published.abs());
    let decimals = if smallest >= 1.0 { 2 } else { 3 };
    let with = |mean: f64, deviation: Option<f64>| match deviation {
        Some(deviation) => format!("{} ± {}", fixed(mean, decimals), spread(deviation, decimals)),
        None => fixed(mean, decimals),
    };
    let verdict = match d.within {
        Some(true) => "within",
        Some(false) if d.measured > d.published => "above",
        Some(false) => "below",
        None => "no band",
    };
    [
        d.task.clone(),
        d.method.clone(),
        d.data.join("+"),
        d.seeds.to_string(),
        with(d.measured, d.measured_deviation),
        with(d.published, d.published_deviation),
        d.band.map_or(DASH.to_string(), |band| fixed(band, decimals)),
        verdict.to_string(),
    ]
}

/// Task, method, seed, score, trivial score, gain, margin and verdict of a gate, as texts.
pub fn gate(gate: &GateResult) -> [String; 8] {
    let value = |value: Option<f64>| value.map_or(DASH.to_string(), |value| format!("{value:.4}"));
    let percent = |value: f64| format!("{:.1} %", 100.0 * value);
    let seed = if gate.control { format!("{} control", gate.seed) } else { gate.seed.to_string() };
    [
        gate.task.clone(),
        gate.method.clone(),
        seed,
        value(gate.value),
        value(gate.trivial),
        gate.gain.map_or(DASH.to_string(), percent),
        percent(gate.margin),
        if gate.passed { "passed" } else { "FAILED" }.to_string(),
    ]
}

/// Columns of claims on picks, and what a reader must know of them.
pub const PICKS: [&str; 7] = ["task", "method", "primitive", "picks by seed", "counts from", "seeds", "verdict"];
pub const PICKS_MEAN: &str = "Picks of the primitive in the cell by ascending seed; a search counts from the stated number on. Controls search on permuted labels and pass where few of them count.";

pub fn pick(verdict: &PickVerdict) -> [String; 7] {
    let count = |picks: Option<u64>| picks.map_or(DASH.to_string(), |picks| picks.to_string());
    let searches: Vec<String> = verdict.searches.iter().map(|s| count(s.picks)).collect();
    let of = verdict.searches.iter().map(|s| s.of).max().unwrap_or(0);
    let (control, side) = if verdict.control { (" control", "at most") } else { ("", "at least") };
    [
        verdict.task.clone(),
        format!("{}{control}", verdict.method),
        format!("{} ({})", verdict.primitive, verdict.cell),
        searches.join(" "),
        format!("{} of {of}", verdict.least),
        format!("{} of {}, {side} {}", verdict.reached, verdict.searches.len(), verdict.bound),
        if verdict.passed { "passed" } else { "FAILED" }.to_string(),
    ]
}

/// Columns of methods side by side, and what a reader must know of them.
pub const PAIRS: [&str; 7] = ["task", "method", "than", "pairs", "difference", "95 % interval", "verdict"];
pub const PAIRS_MEAN: &str = "Difference: error of the second method minus error of the first, mean over seeds that both have; its interval by Student's t must lie above 0.";

pub fn pair(verdict: &PairVerdict) -> [String; 7] {
    let value = |value: f64| format!("{value:.4}");
    [
        verdict.task.clone(),
        verdict.method.clone(),
        verdict.than.clone(),
        format!("{} of {}", verdict.pairs.len(), verdict.asked),
        verdict.mean.map_or(DASH.to_string(), value),
        verdict.interval.map_or(DASH.to_string(), |[low, high]| format!("{} to {}", value(low), value(high))),
        if verdict.passed { "passed" } else { "FAILED" }.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::{fixed, percent, rank};

    #[test]
    fn digits_never_hide_or_flood() {
        assert_eq!(fixed(23.35, 2), "23.35");
        assert_eq!(fixed(0.0, 2), "0.00");
        assert_eq!(fixed(-0.0, 2), "0.00");
        assert_eq!(fixed(0.004, 2), "4.00e-3");
        assert_eq!(fixed(1e300, 2), "1.00e300");
        assert_eq!(fixed(-12.5, 1), "-12.5");
        assert_eq!(rank(Some(3.5)), "3.5");
        assert_eq!(rank(Some(1.75)), "1.75");
        assert_eq!(rank(None), "–");
        assert_eq!(percent(Some(-1e-9)), "0.00");
        assert_eq!(percent(Some(-75.260_416)), "-75.26");
    }
}
