//! Panels of performance profiles over a table: which methods on which tasks, with exact steps. Draws nothing.

use crate::artifacts::summary::{Cell, Curve, Panel, Ratio, Scale, Step};
use crate::stats::profile::{ratios, steps};
use crate::stats::table::Table;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A panel as asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PanelSpec {
    pub name: String,
    /// Empty: every method of the table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Empty: every task of the table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<String>,
    /// Right end of the plotted axis, above 1; by default just beyond the largest ratio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tau_max: Option<f64>,
    /// By default logarithmic where the axis ends beyond 2.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
}

/// The right end of the axis where no curve has a ratio above 1.
const SHORTEST_AXIS: f64 = 2.0;
/// Beyond this a linear axis crowds the left end, where most curves cross.
const LONGEST_LINEAR_AXIS: f64 = 2.5;

/// The paper's four panels (pipeline §8): name, methods, tasks.
fn paper_panels() -> Vec<PanelSpec> {
    let all = ["wrn/default", "wrn/asha", "darts/gaea", "densenas/original", "densenas/random"];
    let point = ["cifar100", "spherical", "ninapro", "fsd50k"];
    let tasks = [point.as_slice(), &["darcy", "psicov", "cosmic", "ecg", "satellite", "deepsea"]].concat();
    let panel = |name: &str, methods: &[&str], tasks: &[&str]| PanelSpec {
        name: name.to_string(),
        methods: methods.iter().map(|m| m.to_string()).collect(),
        tasks: tasks.iter().map(|t| t.to_string()).collect(),
        tau_max: None,
        scale: None,
    };
    vec![
        panel("Constrained search", &["densenas/original", "wrn/default"], &tasks),
        panel("Less constrained search", &["darts/gaea", "wrn/asha"], &tasks),
        panel("All general methods", &all, &tasks),
        panel("All general methods, 2D point tasks", &all, &point),
    ]
}

/// The panels asked for, or without a wish the paper's four, restricted to what the table holds.
pub fn panels(table: &Table, asked: Option<&[PanelSpec]>) -> (Vec<Panel>, Vec<String>) {
    let mut notes = Vec::new();
    let panels = match asked {
        Some(specs) => specs
            .iter()
            .filter_map(|spec| {
                let absent: Vec<&str> = (spec.methods.iter().filter(|m| !table.methods.contains(m)))
                    .chain(spec.tasks.iter().filter(|t| !table.tasks.iter().any(|task| task.name == **t)))
                    .map(String::as_str)
                    .collect();
                if !absent.is_empty() {
                    notes.push(format!("Panel \"{}\": not in this run: {}.", spec.name, absent.join(", ")));
                }
                panel(table, spec, 1)
            })
            .collect(),
        None => standard(table),
    };
    (panels, notes)
}

/// Restricted to a partial grid, two of the four can become equal: the first one stays. A grid that holds no two methods
/// of any paper panel gets one panel of all it has.
fn standard(table: &Table) -> Vec<Panel> {
    let mut panels: Vec<Panel> = Vec::new();
    for spec in paper_panels() {
        if let Some(panel) = panel(table, &spec, 2)
            && !panels.iter().any(|other| other.curves == panel.curves)
        {
            panels.push(panel);
        }
    }
    if panels.is_empty() {
        let name = "All methods".to_string();
        let all = PanelSpec { name, methods: Vec::new(), tasks: Vec::new(), tau_max: None, scale: None };
        panels.extend(panel(table, &all, 2));
    }
    panels
}

/// `None` where fewer than `least` of its methods, or none of its tasks, are in the table.
fn panel(table: &Table, spec: &PanelSpec, least: usize) -> Option<Panel> {
    let wanted = |list: &[String], name: &String| list.is_empty() || list.contains(name);
    let columns: Vec<usize> = (0..table.methods.len()).filter(|m| wanted(&spec.methods, &table.methods[*m])).collect();
    let rows: Vec<usize> = (0..table.tasks.len()).filter(|t| wanted(&spec.tasks, &table.tasks[*t].name)).collect();
    if columns.len() < least.max(1) || rows.is_empty() {
        return None;
    }
    let cell = |row: usize, column: usize| -> &Cell { &table.cells[row * table.methods.len() + column] };
    let table_of_ratios: Vec<Vec<Option<f64>>> = rows
        .iter()
        .map(|row| ratios(&columns.iter().map(|column| cell(*row, *column).error).collect::<Vec<_>>()))
        .collect();
    let curves: Vec<Curve> = columns
        .iter()
        .enumerate()
        .map(|(i, column)| {
            let own: Vec<Option<f64>> = table_of_ratios.iter().map(|row| row[i]).collect();
            Curve {
                method: table.methods[*column].clone(),
                steps: steps(&own).into_iter().map(|j| Step { tau: j.tau, fraction: j.fraction }).collect(),
                ratios: rows
                    .iter()
                    .zip(own)
                    .map(|(row, ratio)| Ratio { task: table.tasks[*row].name.clone(), ratio })
                    .collect(),
            }
        })
        .collect();
    let largest = table_of_ratios.iter().flatten().flatten().copied().fold(1.0, f64::max);
    let tau_max = spec.tau_max.unwrap_or_else(|| axis_end(largest));
    let scale = spec.scale.unwrap_or(if tau_max > LONGEST_LINEAR_AXIS { Scale::Log } else { Scale::Linear });
    let tasks = rows.iter().map(|row| table.tasks[*row].name.clone()).collect();
    Some(Panel { name: spec.name.clone(), tasks, tau_max, scale, curves })
}

/// A round number just beyond the largest ratio.
fn axis_end(largest: f64) -> f64 {
    let reach = (largest - 1.0) * 1.05;
    if reach <= 0.0 || !reach.is_finite() {
        return if reach > 0.0 { f64::MAX } else { SHORTEST_AXIS };
    }
    let power = 10f64.powf(reach.log10().floor());
    let round = [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let step = round.into_iter().map(|r| r * power).find(|r| *r >= reach).unwrap_or(10.0 * power);
    let end = 1.0 + step;
    // Ratios a few bits above 1 still need an axis of some length.
    if end.is_finite() { end.max(1.0 + 1e-6) } else { f64::MAX }
}

/// What is wrong with the panels asked for, in words; `None` where nothing is.
pub fn complaint(specs: &[PanelSpec]) -> Option<String> {
    let mut names = BTreeSet::new();
    for spec in specs {
        if spec.name.trim().is_empty() {
            return Some("a panel needs a name that is not empty".to_string());
        }
        if !names.insert(&spec.name) {
            return Some(format!("two panels are named `{}`; expected names that differ", spec.name));
        }
        if let Some(tau) = spec.tau_max.filter(|tau| !(tau.is_finite() && *tau > 1.0)) {
            return Some(format!("panel `{}`: expected tau_max above 1, found {tau}", spec.name));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{axis_end, panels};
    use crate::artifacts::summary::Scale;
    use crate::stats::imputation::Imputation;
    use crate::stats::panel::PanelSpec;
    use crate::stats::table::{Asked, Table, table};

    #[test]
    fn the_axis_ends_just_beyond_the_largest_ratio() {
        assert_eq!(axis_end(1.0), 2.0);
        assert_eq!(axis_end(3.846), 4.0);
        assert_eq!(axis_end(1.5), 1.6);
        assert_eq!(axis_end(90.0), 101.0);
        for largest in [1.0_f64.next_up(), 1.0 + 1e-9, 1.2, 9.99, 1e15, 1e307, f64::MAX] {
            let end = axis_end(largest);
            assert!(end.is_finite() && end > 1.0 && end >= largest, "{largest}: {end}");
        }
    }

    fn holes(tasks: &[&str], methods: &[&str]) -> Table {
        let run = |task: &str, method: &str| Asked { task: task.to_string(), method: method.to_string(), seed: 0 };
        let asked: Vec<Asked> = tasks.iter().flat_map(|t| methods.iter().map(move |m| run(t, m))).collect();
        table(&[], None, &asked, &Imputation::None).unwrap()
    }

    #[test]
    fn equal_panels_of_the_paper_appear_once() {
        // Only point tasks: the panel of all ten tasks and the one of point tasks are the same.
        let (panels, notes) = panels(&holes(&["ninapro"], &["wrn/default", "darts/gaea"]), None);
        assert_eq!(panels.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["All general methods"]);
        assert!(panels[0].curves.iter().all(|c| c.steps.len() == 1 && c.steps[0].fraction == 0.0));
        assert_eq!((panels[0].tau_max, panels[0].scale), (2.0, Scale::Linear));
        assert!(notes.is_empty());
    }

    #[test]
    fn a_wish_is_kept() {
        let list = |names: &[&str]| names.iter().map(|n| n.to_string()).collect();
        let wish = PanelSpec {
            name: "mine".to_string(),
            methods: list(&["darts/gaea", "wrn/default"]),
            tasks: Vec::new(),
            tau_max: Some(3.0),
            scale: Some(Scale::Log),
        };
        let nothing = PanelSpec { name: "none".to_string(), methods: list(&["a/b"]), ..wish.clone() };
        let table = holes(&["ecg", "mine"], &["wrn/default", "darts/gaea", "amber/enas"]);
        let (panels, notes) = panels(&table, Some(&[wish, nothing]));
        assert_eq!(panels.len(), 1);
        // Curves follow the table's order, whatever the order of the wish.
        assert_eq!(
            panels[0].curves.iter().map(|c| c.method.as_str()).collect::<Vec<_>>(),
            ["wrn/default", "darts/gaea"]
        );
        assert_eq!((panels[0].tau_max, panels[0].scale, panels[0].tasks.len()), (3.0, Scale::Log, 2));
        assert_eq!(notes, ["Panel \"none\": not in this run: a/b."]);
    }
}
