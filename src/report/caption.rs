//! The sentences that stand beside every table: coverage, imputation, fidelity, data, numerics. Plain text; each format escapes it.

use crate::artifacts::summary::{Cell, State, Summary};
use std::collections::BTreeMap;

/// What a table rests on, as (label, text), in a fixed order.
pub fn conditions(summary: &Summary) -> Vec<(&'static str, String)> {
    let published = summary.tasks.iter().all(|task| task.data.iter().all(|data| data == "published"));
    let untold = if published && summary.published.is_some() { "as published" } else { "not stated" };
    let told = |text: &str| if text.is_empty() { untold.to_string() } else { text.to_string() };
    let mut conditions = vec![
        ("Coverage", coverage(summary)),
        ("Imputation", imputation(summary)),
        ("Fidelity", told(&summary.fidelity)),
        ("Data", data(summary)),
        ("Numerics", told(&summary.numerics)),
    ];
    if let Some(published) = &summary.published {
        conditions.push(("Published values", format!("{} ({})", published.title, published.source)));
    }
    conditions
}

/// The conditions as one line of sentences.
pub fn line(summary: &Summary) -> String {
    let parts: Vec<_> = conditions(summary).iter().map(|(label, text)| format!("{label}: {text}.")).collect();
    parts.join(" ")
}

fn coverage(summary: &Summary) -> String {
    let count = |state: State| summary.cells.iter().filter(|cell| cell.state == state).count();
    let asked = summary.cells.len() - count(State::NotApplicable);
    let mut text = format!("{} of {asked} cells with every seed", count(State::Done));
    let further =
        [(State::Partial, "with fewer seeds"), (State::Missing, "failed or missing"), (State::NotApplicable, "n/a")];
    for (state, what) in further {
        let n = count(state);
        if n > 0 {
            text.push_str(&format!(", {n} {what}"));
        }
    }
    text
}

fn imputation(summary: &Summary) -> String {
    let cells: Vec<String> =
        summary.cells.iter().filter(|c| c.imputed).map(|c| format!("{} on {}", c.method, c.task)).collect();
    match (summary.imputation.as_str(), cells.len()) {
        ("none", _) => "none".to_string(),
        (policy, 0) => format!("{policy}, no cell needed it"),
        (policy, n) => format!("{policy}, {n} {}: {}", if n == 1 { "cell" } else { "cells" }, cells.join(", ")),
    }
}

/// Each source with its tasks; the tasks are left out where all have the one source.
fn data(summary: &Summary) -> String {
    let mut sources: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for task in &summary.tasks {
        for source in &task.data {
            sources.entry(source).or_default().push(&task.name);
        }
    }
    match sources.len() {
        0 => "none".to_string(),
        1 => sources.keys().copied().collect(),
        _ => {
            let parts: Vec<_> =
                sources.iter().map(|(source, tasks)| format!("{source} ({})", tasks.join(", "))).collect();
            parts.join(", ")
        }
    }
}

/// What the marks in Table 2 mean; only those that occur.
pub struct Legend {
    pub partial: bool,
    pub imputed: bool,
    pub missing: bool,
    pub not_applicable: bool,
    pub best: bool,
}

pub fn legend(summary: &Summary) -> Legend {
    let any = |f: fn(&Cell) -> bool| summary.cells.iter().any(f);
    Legend {
        partial: any(|c| c.state == State::Partial),
        imputed: any(|c| c.imputed),
        missing: any(|c| c.state == State::Missing && !c.imputed),
        not_applicable: any(|c| c.state == State::NotApplicable),
        best: any(|c| c.best),
    }
}

/// The explanation of Table 2. `best` says how the format marks the lowest error.
pub fn explanation(summary: &Summary, best: &str) -> String {
    let legend = legend(summary);
    let mut text = "Mean ± sample standard deviation over seeds".to_string();
    let marks = [
        (legend.best, format!("{best}: lowest error on the task")),
        (legend.partial, "(2/3): mean over fewer seeds than asked for".to_string()),
        (legend.imputed, "[…]: imputed, no result".to_string()),
        (legend.missing, "missing: failed or not run".to_string()),
        (legend.not_applicable, "–: n/a, not asked for".to_string()),
    ];
    for (there, mark) in marks {
        if there {
            text.push_str("; ");
            text.push_str(&mark);
        }
    }
    text.push('.');
    text
}

/// The explanation of Table 3.
pub fn standing_explanation(summary: &Summary) -> String {
    format!(
        "Medians over tasks. Rank: fractional, by error, among all methods with a value on the task. Improvement: \
         100 · (error of {base} − error) / error of {base}, in percent; scores where higher is better enter as 1 − value.",
        base = summary.baseline
    )
}
