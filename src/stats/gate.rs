//! Gates: does a score beat the trivial predictor by a stated margin, and does a control (trained on permuted labels) not?
//! Knows no training.

use crate::artifacts::score::Score;
use crate::artifacts::summary::GateResult;
use crate::stats::error_form::error_form;
use serde::{Deserialize, Serialize};

/// One gate of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    pub task: String,
    /// Least relative gain over the trivial predictor in error form: 0.1 asks for an error at least 10 % lower.
    pub margin: f64,
    /// Seeds of control runs, which must stay below the margin. They enter no table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub control: Vec<u64>,
}

impl Gate {
    /// What is wrong with it, if anything.
    pub fn complaint(&self) -> Option<String> {
        let sound = self.margin.is_finite() && self.margin > 0.0 && self.margin < 1.0;
        (!sound).then(|| format!("the margin of `{}` must be above 0 and below 1, found {}", self.task, self.margin))
    }
}

/// Whether a run is a control of some gate.
pub fn is_control(gates: &[Gate], task: &str, seed: u64) -> bool {
    gates.iter().any(|gate| gate.task == task && gate.control.contains(&seed))
}

/// One result per gate, method and seed, sorted; a run that was asked for and has no score does not pass.
pub fn judge(gates: &[Gate], asked: &[(String, String, u64)], scores: &[Score]) -> Vec<GateResult> {
    let mut results = Vec::new();
    for gate in gates {
        for (task, method, seed) in asked.iter().filter(|(task, _, _)| *task == gate.task) {
            let control = gate.control.contains(seed);
            let own =
                |s: &&Score| s.task == *task && format!("{}/{}", s.space, s.algorithm) == *method && s.seed == *seed;
            let score = scores.iter().find(own);
            let gain = score.and_then(|s| {
                let trivial = error_form(s.direction, &s.unit, s.trivial.value);
                let gain = (trivial - error_form(s.direction, &s.unit, s.value)) / trivial;
                gain.is_finite().then_some(gain)
            });
            results.push(GateResult {
                task: task.clone(),
                method: method.clone(),
                seed: *seed,
                control,
                value: score.map(|s| s.value),
                trivial: score.map(|s| s.trivial.value),
                gain,
                margin: gate.margin,
                passed: gain.is_some_and(|gain| (gain >= gate.margin) != control),
            });
        }
    }
    results.sort_by(|a, b| (&a.task, &a.method, a.control, a.seed).cmp(&(&b.task, &b.method, b.control, b.seed)));
    results
}

#[cfg(test)]
mod tests {
    use super::{Gate, is_control, judge};
    use crate::artifacts::score::{Direction, SCORE_FORMAT, Score, Trivial};
    use std::collections::BTreeMap;

    fn score(seed: u64, value: f64) -> Score {
        Score {
            format: SCORE_FORMAT,
            task: "darcy".into(),
            space: "wrn".into(),
            algorithm: "default".into(),
            seed,
            metric: "relative L2".into(),
            unit: String::new(),
            direction: Direction::Lower,
            value,
            trivial: Trivial { name: "mean field".into(), value: 0.3 },
            details: BTreeMap::new(),
            parameters: 1,
            test_samples: 1,
            data: "embedded:tiny".into(),
        }
    }

    #[test]
    fn a_run_must_beat_the_margin_and_a_control_must_not() {
        let gates = [Gate { task: "darcy".into(), margin: 0.5, control: vec![10, 11] }];
        let asked: Vec<(String, String, u64)> =
            [0, 1, 2, 10, 11].into_iter().map(|seed| ("darcy".into(), "wrn/default".into(), seed)).collect();
        let scores = [score(0, 0.1), score(1, 0.2), score(10, 0.31), score(11, 0.1)];
        let passed: Vec<(u64, bool)> = judge(&gates, &asked, &scores).iter().map(|r| (r.seed, r.passed)).collect();
        // Seed 1 gains a third only, seed 2 has no score, control 11 learned what it cannot know.
        assert_eq!(passed, [(0, true), (1, false), (2, false), (10, true), (11, false)]);
        assert!(is_control(&gates, "darcy", 10) && !is_control(&gates, "darcy", 0) && !is_control(&gates, "ecg", 10));
        assert!(Gate { task: "x".into(), margin: f64::NAN, control: Vec::new() }.complaint().is_some());
    }
}
