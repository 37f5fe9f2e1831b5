//! Table 3: median rank and median relative improvement over tasks. Knows no file.

use crate::artifacts::summary::{Cell, Printed, Standing};
use crate::stats::improvement::relative_improvement;
use crate::stats::spread::median;
use crate::stats::table::Table;
use std::collections::BTreeMap;

/// One standing per method of the table, in its order, and what a reader must know. `printed` are the figures of a publication.
pub fn standings(table: &Table, baseline: &str, printed: &BTreeMap<String, Printed>) -> (Vec<Standing>, Vec<String>) {
    let mut notes = Vec::new();
    let width = table.methods.len().max(1);
    let rows: Vec<&[Cell]> = table.cells.chunks(width).collect();
    let base = table.methods.iter().position(|method| method == baseline);
    if base.is_none_or(|base| rows.iter().all(|row| row[base].error.is_none())) {
        notes.push(format!("No improvement can be stated: the baseline {baseline} has no result."));
    }
    let standings: Vec<Standing> = table
        .methods
        .iter()
        .enumerate()
        .map(|(column, method)| {
            let cells = || rows.iter().map(|row| &row[column]);
            let ranks: Vec<f64> = cells().filter_map(|cell| cell.rank).collect();
            let improvements: Vec<f64> =
                rows.iter().filter_map(|row| relative_improvement(row[base?].error?, row[column].error?)).collect();
            Standing {
                method: method.clone(),
                tasks: count(ranks.len()),
                tasks_imputed: count(cells().filter(|cell| cell.imputed).count()),
                median_rank: median(&ranks),
                improvement_tasks: count(improvements.len()),
                median_improvement: median(&improvements).filter(|v| v.is_finite()),
                printed: printed.get(method).copied(),
            }
        })
        .collect();
    notes.extend(standings.iter().flat_map(differences));
    (standings, notes)
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Where a computed figure is not what the publication prints to one decimal.
fn differences(standing: &Standing) -> Vec<String> {
    let Some(printed) = standing.printed else { return Vec::new() };
    let pairs = [
        ("median rank", standing.median_rank, printed.rank, ""),
        ("median improvement", standing.median_improvement, printed.improvement, " %"),
    ];
    pairs
        .into_iter()
        .filter_map(|(what, computed, printed, unit)| match computed {
            // Half a unit of the last printed digit, and a hair for the binary form of the printed number.
            Some(computed) if (computed - printed).abs() <= 0.05 + 1e-9 => None,
            Some(computed) => Some(format!(
                "{}: {what} {computed:.2}{unit} computed from the table, {printed:.2}{unit} printed.",
                standing.method
            )),
            None => Some(format!("{}: {what} {printed:.2}{unit} printed, none computed.", standing.method)),
        })
        .collect()
}
