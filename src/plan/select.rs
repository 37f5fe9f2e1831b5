//! Selectors: `search[task=ecg,algo=gaea]`, `retrain`, `[seed=0]`, `evaluate[task=ecg*]`. Knows labels, not states.

use crate::plan::node::{Node, NodeId, Plan};
use crate::stages::entry::{Names, StageEntry};
use glob::Pattern;

/// Which nodes are meant.
#[derive(Clone, Debug)]
pub struct Selector {
    text: String,
    stage: Option<Pattern>,
    conditions: Vec<(String, Pattern)>,
}

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum SelectError {
    #[error("selector `{text}`: {message}; write `STAGE[axis=value,…]`, such as `search[task=ecg,algo=gaea]`")]
    Syntax { text: String, message: String },
    #[error("selector `{text}` matches no node; stages are {stages}")]
    Nothing { text: String, stages: String },
}

const AXES: [&str; 5] = ["task", "space", "algo", "method", "seed"];

impl Selector {
    /// Reads a selector, or a node's label as it is printed.
    pub fn parse(text: &str) -> Result<Selector, SelectError> {
        let syntax = |message: String| SelectError::Syntax { text: text.to_string(), message };
        let (stage, rest) = match text.find('[') {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        let pattern = |value: &str| Pattern::new(value).map_err(|e| syntax(format!("`{value}`: {}", e.msg)));
        let mut conditions = Vec::new();
        if let Some(rest) = rest {
            let inner = rest.strip_suffix(']').ok_or_else(|| syntax("no closing `]`".into()))?;
            for part in inner.split(',').map(str::trim).filter(|part| !part.is_empty()) {
                let (axis, value) =
                    part.split_once('=').ok_or_else(|| syntax(format!("`{part}` is not `axis=value`")))?;
                let axis = match axis.trim() {
                    "algorithm" => "algo",
                    other => other,
                };
                if !AXES.contains(&axis) {
                    return Err(syntax(format!("`{axis}` is no axis; there are {}", AXES.join(", "))));
                }
                conditions.push((axis.to_string(), pattern(value.trim())?));
            }
        }
        let stage = match stage.trim() {
            "" => None,
            stage => Some(pattern(stage)?),
        };
        Ok(Selector { text: text.to_string(), stage, conditions })
    }

    pub fn matches(&self, stage: &str, node: &Node) -> bool {
        self.fits(stage, &node.names)
    }

    /// As `matches`, of a node that is known by its label alone, such as one of an earlier run.
    pub fn matches_label(&self, label: &str) -> bool {
        let (stage, rest) = label.split_once('[').unwrap_or((label, ""));
        let mut names = Names::default();
        // behind the bracket stands the number of a duplicate
        for (axis, value) in rest.split(']').next().unwrap_or("").split(',').filter_map(|part| part.split_once('=')) {
            match axis {
                "task" => names.task = Some(value.to_string()),
                "method" => {
                    let (space, algorithm) = value.split_once('/').unwrap_or((value, ""));
                    names.space = Some(space.to_string());
                    names.algorithm = Some(algorithm.to_string());
                }
                "space" => names.space = Some(value.to_string()),
                "algo" => names.algorithm = Some(value.to_string()),
                "seed" => names.seed = value.parse().ok(),
                _ => {}
            }
        }
        label == self.text || self.fits(stage, &names)
    }

    fn fits(&self, stage: &str, names: &Names) -> bool {
        self.stage.as_ref().is_none_or(|pattern| pattern.matches(stage))
            && self.conditions.iter().all(|(axis, pattern)| {
                let value = match axis.as_str() {
                    "task" => names.task.clone(),
                    "space" => names.space.clone(),
                    "algo" => names.algorithm.clone(),
                    "seed" => names.seed.map(|seed| seed.to_string()),
                    _ => names.space.as_ref().zip(names.algorithm.as_ref()).map(|(s, a)| format!("{s}/{a}")),
                };
                value.is_some_and(|value| pattern.matches(&value))
            })
    }

    /// All nodes meant; an exact label (also `label#2`) comes first. Matching nothing is an error.
    pub fn select(&self, stages: &[StageEntry], plan: &Plan) -> Result<Vec<NodeId>, SelectError> {
        if let Some(id) = plan.find(&self.text) {
            return Ok(vec![id]);
        }
        let matching = |node: &Node| self.matches(stages[node.stage].name, node);
        let found: Vec<NodeId> = (0..plan.nodes.len()).filter(|&id| matching(&plan.nodes[id])).collect();
        if found.is_empty() {
            let stages: Vec<&str> = stages.iter().map(|s| s.name).collect();
            return Err(SelectError::Nothing { text: self.text.clone(), stages: stages.join(", ") });
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::Selector;

    #[test]
    fn labels_are_matched_as_nodes_are() {
        let label = "retrain[task=deepsea,method=wrn/default,seed=2]";
        for (text, expected) in [
            ("retrain[task=deepsea]", true),
            ("retrain[task=deep*,seed=2]", true),
            ("[space=wrn]", true),
            ("retrain", true),
            (label, true),
            ("retrain[task=ecg]", false),
            ("evaluate[task=deepsea]", false),
            ("retrain[task=deepsea,algo=gaea]", false),
        ] {
            assert_eq!(Selector::parse(text).unwrap().matches_label(label), expected, "{text}");
        }
        assert!(Selector::parse("fetch[task=ecg]").unwrap().matches_label("fetch[task=ecg]#2"));
        assert!(!Selector::parse("aggregate[seed=0]").unwrap().matches_label("aggregate"));
    }
}
