//! Distance of measured cells from published values. Knows no file; embedded data are never compared.

use crate::artifacts::published::Published;
use crate::artifacts::summary::{Deviation, is_embedded};
use crate::stats::table::Table;

/// One entry per cell that has both a result and a published value, in the order of the table; and what was left out.
pub fn deviations(table: &Table, expected: &Published) -> (Vec<Deviation>, Vec<String>) {
    let mut notes = Vec::new();
    let mut deviations = Vec::new();
    let width = table.methods.len().max(1);
    for (task, row) in table.tasks.iter().zip(table.cells.chunks(width)) {
        let Some(values) = expected.value.get(&task.name) else { continue };
        if row.iter().any(|cell| cell.data.iter().any(|data| is_embedded(data))) {
            notes.push(format!("{}: embedded data, not compared with published values.", task.name));
        }
        let measure = &expected.task[&task.name];
        let has_any = row.iter().any(|cell| cell.mean.is_some());
        if has_any && (measure.unit != task.unit || measure.direction != task.direction) {
            notes.push(format!(
                "{}: measured as `{}` in {:?}, published as `{}` in {:?}; not compared.",
                task.name, task.metric, task.unit, measure.metric, measure.unit
            ));
            continue;
        }
        for cell in row {
            let (Some(value), Some(measured)) = (values.get(&cell.method), cell.mean) else { continue };
            if cell.data.iter().any(|data| is_embedded(data)) {
                continue;
            }
            let band = expected.band(value);
            deviations.push(Deviation {
                task: cell.task.clone(),
                method: cell.method.clone(),
                measured,
                measured_deviation: cell.deviation,
                seeds: cell.seeds_done,
                published: value.mean,
                published_deviation: value.std,
                band,
                within: band.map(|band| (measured - value.mean).abs() <= band),
                data: cell.data.clone(),
            });
        }
    }
    (deviations, notes)
}
