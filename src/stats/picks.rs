//! Claims on what searches pick: does a primitive take most of a cell in most of the searches, and in none on permuted labels?
//! Knows no space but that cells list their picks.

use crate::artifacts::architecture::Architecture;
use crate::artifacts::verdict::{PickVerdict, SearchPicks};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One claim of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PickClaim {
    pub task: String,
    pub method: String,
    /// Cell type, as the architecture names it.
    #[serde(default = "normal")]
    pub cell: String,
    pub primitive: String,
    /// Picks of the primitive that a search needs to count.
    pub least: u64,
    /// Searches that must count.
    pub seeds: u64,
    /// Seeds of searches on permuted labels. They enter no table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub control: Vec<u64>,
    /// How many of these may count.
    #[serde(default)]
    pub control_most: u64,
}

fn normal() -> String {
    "normal".to_string()
}

impl PickClaim {
    /// What is wrong with it, if anything.
    pub fn complaint(&self) -> Option<String> {
        let PickClaim { task, least, seeds, control, control_most, .. } = self;
        if *least == 0 || *seeds == 0 {
            return Some(format!("`least` and `seeds` of `{task}` must be above 0, found {least} and {seeds}"));
        }
        let controls = control.len();
        (controls > 0 && *control_most >= controls as u64)
            .then(|| format!("`control_most` of `{task}` must be below its {controls} controls, found {control_most}"))
    }
}

/// Whether a run is a control of some claim.
pub fn is_control(claims: &[PickClaim], task: &str, seed: u64) -> bool {
    claims.iter().any(|claim| claim.task == task && claim.control.contains(&seed))
}

/// Picks of a primitive and all picks of a cell, where the architecture lists `{"primitive": …}` under the cell's name.
fn count(architecture: &Architecture, claim: &PickClaim) -> Option<(u64, u64)> {
    let picks = architecture.body.get(&claim.cell)?.as_array()?;
    let own = |pick: &&Value| pick.get("primitive").and_then(Value::as_str) == Some(&claim.primitive);
    Some((picks.iter().filter(own).count() as u64, picks.len() as u64))
}

/// For each claim the searches and, where it has any, the controls. `asked` are tasks, methods and seeds; a search without a result
/// counts for nothing, and lets its controls fail.
pub fn judge<'a>(
    claims: &[PickClaim],
    asked: &[(String, String, u64)],
    architecture: impl Fn(&str, &str, u64) -> Option<&'a Architecture>,
) -> Vec<PickVerdict> {
    let mut verdicts = Vec::new();
    for claim in claims {
        let mut seeds: Vec<u64> =
            asked.iter().filter(|(t, m, _)| *t == claim.task && *m == claim.method).map(|(.., seed)| *seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        let (controls, own): (Vec<u64>, Vec<u64>) = seeds.into_iter().partition(|seed| claim.control.contains(seed));
        for (control, seeds) in [(false, own), (true, controls)] {
            if control && claim.control.is_empty() {
                continue;
            }
            let search = |seed: &u64| {
                let found = architecture(&claim.task, &claim.method, *seed).and_then(|a| count(a, claim));
                SearchPicks { seed: *seed, picks: found.map(|f| f.0), of: found.map_or(0, |f| f.1) }
            };
            let searches: Vec<SearchPicks> = seeds.iter().map(search).collect();
            let reached = searches.iter().filter(|s| s.picks.is_some_and(|picks| picks >= claim.least)).count() as u64;
            let complete = searches.iter().all(|s| s.picks.is_some());
            let passed = if control {
                complete && searches.len() == claim.control.len() && reached <= claim.control_most
            } else {
                reached >= claim.seeds
            };
            verdicts.push(PickVerdict {
                task: claim.task.clone(),
                method: claim.method.clone(),
                control,
                cell: claim.cell.clone(),
                primitive: claim.primitive.clone(),
                least: claim.least,
                searches,
                reached,
                bound: if control { claim.control_most } else { claim.seeds },
                passed,
            });
        }
    }
    verdicts
}

#[cfg(test)]
mod tests {
    use super::{PickClaim, is_control, judge};
    use crate::artifacts::architecture::{ARCHITECTURE_FORMAT, Architecture};
    use serde_json::json;
    use std::collections::BTreeMap;

    fn claim() -> PickClaim {
        PickClaim {
            task: "planted".into(),
            method: "darts/gaea".into(),
            cell: "normal".into(),
            primitive: "dil_conv_5x5".into(),
            least: 2,
            seeds: 2,
            control: vec![10, 11],
            control_most: 1,
        }
    }

    /// A cell of three picks, so many of them the right one.
    fn architecture(right: usize) -> Architecture {
        let pick = |i| json!({"primitive": if i < right { "dil_conv_5x5" } else { "skip_connect" }, "input": 0});
        let normal: Vec<_> = (0..3).map(pick).collect();
        Architecture {
            format: ARCHITECTURE_FORMAT,
            space: "darts".into(),
            body: json!({"normal": normal, "reduce": []}),
        }
    }

    fn verdicts(found: &[(u64, usize)]) -> Vec<(bool, u64, bool)> {
        let asked: Vec<_> =
            [0, 1, 2, 10, 11].map(|seed| ("planted".to_string(), "darts/gaea".to_string(), seed)).to_vec();
        let found: BTreeMap<u64, Architecture> =
            found.iter().map(|(seed, right)| (*seed, architecture(*right))).collect();
        let judged = judge(&[claim()], &asked, |_, _, seed| found.get(&seed));
        judged.iter().map(|v| (v.control, v.reached, v.passed)).collect()
    }

    #[test]
    fn enough_searches_must_reach_the_count_and_controls_must_not() {
        let good = [(0, 3), (1, 2), (2, 0), (10, 0), (11, 2)];
        assert_eq!(verdicts(&good), [(false, 2, true), (true, 1, true)]);
        assert_eq!(verdicts(&[(0, 3), (1, 1), (2, 1), (10, 3), (11, 2)]), [(false, 1, false), (true, 2, false)]);
        // without a result of a control nothing is known
        assert_eq!(verdicts(&[(0, 3), (1, 2), (10, 0)]), [(false, 2, true), (true, 0, false)]);
    }

    #[test]
    fn claims_that_mean_nothing_are_refused() {
        assert_eq!(claim().complaint(), None);
        assert!(PickClaim { least: 0, ..claim() }.complaint().unwrap().contains("above 0"));
        assert!(PickClaim { control_most: 2, ..claim() }.complaint().unwrap().contains("below its 2 controls"));
        assert!(is_control(&[claim()], "planted", 10) && !is_control(&[claim()], "planted", 2));
    }
}
