//! A plan for people and programs: counts per stage, what runs and why, and the DAG as dot, mermaid or JSON.
//! Computes nothing that the plan does not hold.

use crate::plan::graph::Graph;
use crate::plan::node::{NodeId, Plan};
use crate::plan::stale::Status;
use crate::stages::entry::StageEntry;
use serde_json::{Value, json};
use std::fmt::Write;

/// What is said of one node that does not come from the store.
pub struct Remark {
    pub node: NodeId,
    pub causes: Vec<String>,
}

/// Seconds that a node will likely take, from earlier runs of its variant.
pub type Estimate<'a> = &'a dyn Fn(NodeId) -> Option<f64>;

struct Line {
    stage: &'static str,
    nodes: usize,
    cached: usize,
    run: usize,
    wait: usize,
    seconds: f64,
    /// Nodes to run of which nothing is known.
    unknown: usize,
}

fn lines(stages: &[StageEntry], plan: &Plan, status: &[Status], estimate: Estimate<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> = stages
        .iter()
        .map(|s| Line { stage: s.name, nodes: 0, cached: 0, run: 0, wait: 0, seconds: 0.0, unknown: 0 })
        .collect();
    for (id, node) in plan.nodes.iter().enumerate() {
        let line = &mut lines[node.stage];
        line.nodes += 1;
        match &status[id] {
            Status::Hit { .. } => {
                line.cached += 1;
                continue;
            }
            Status::Run { .. } => line.run += 1,
            Status::Waits { .. } => line.wait += 1,
        }
        match estimate(id) {
            Some(seconds) => line.seconds += seconds,
            None => line.unknown += 1,
        }
    }
    lines.retain(|line| line.nodes > 0);
    lines
}

/// `74.2` → `1m14s`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 10.0 => format!("{seconds:.1}s"),
        0..60 => format!("{whole}s"),
        60..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        _ => format!("{}h{:02}m", whole / 3600, whole % 3600 / 60),
    }
}

fn estimate_text(line: &Line) -> String {
    match (line.seconds > 0.0, line.unknown) {
        (false, 0) => "-".to_string(),
        (false, n) => format!("unknown ({n} never ran)"),
        (true, 0) => format!("~{}", duration(line.seconds)),
        (true, n) => format!("~{} + {n} unknown", duration(line.seconds)),
    }
}

/// The plan as text: a table per stage, then each node that is not cached with its causes.
pub fn text(
    stages: &[StageEntry],
    plan: &Plan,
    status: &[Status],
    remarks: &[Remark],
    estimate: Estimate<'_>,
) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{:<12} {:>6} {:>7} {:>5} {:>6}  estimate", "stage", "nodes", "cached", "run", "waits");
    for line in lines(stages, plan, status, estimate) {
        let Line { stage, nodes, cached, run, wait, .. } = line;
        let _ = writeln!(out, "{stage:<12} {nodes:>6} {cached:>7} {run:>5} {wait:>6}  {}", estimate_text(&line));
    }
    if !remarks.is_empty() {
        out.push('\n');
    }
    for remark in remarks {
        let word = if matches!(status[remark.node], Status::Waits { .. }) { "waits" } else { "runs " };
        let _ = writeln!(out, "{word} {}", plan.nodes[remark.node].label);
        for cause in &remark.causes {
            let _ = writeln!(out, "        {cause}");
        }
    }
    out
}

/// The plan as JSON: nodes with status, key, causes and producers, and the counts per stage.
pub fn value(
    stages: &[StageEntry],
    plan: &Plan,
    status: &[Status],
    remarks: &[Remark],
    estimate: Estimate<'_>,
) -> Value {
    let nodes: Vec<Value> = plan
        .nodes
        .iter()
        .enumerate()
        .map(|(id, node)| {
            let (word, key) = match &status[id] {
                Status::Hit { key, .. } => ("cached", Some(key)),
                Status::Run { key } => ("run", Some(key)),
                Status::Waits { .. } => ("waits", None),
            };
            let producers: Vec<&str> = node
                .slots
                .iter()
                .flat_map(|slot| slot.producers.iter().map(|&p| plan.nodes[p].label.as_str()))
                .collect();
            let causes = remarks.iter().find(|r| r.node == id).map(|r| r.causes.clone()).unwrap_or_default();
            json!({
                "node": node.label, "stage": stages[node.stage].name, "names": node.names, "status": word, "key": key,
                "causes": causes, "producers": producers, "params": node.params.all, "estimate_seconds": estimate(id),
            })
        })
        .collect();
    let counts: Vec<Value> = lines(stages, plan, status, estimate)
        .iter()
        .map(|l| {
            let (nodes, unknown) = (l.nodes, l.unknown);
            json!({"stage": l.stage, "nodes": nodes, "cached": l.cached, "run": l.run, "waits": l.wait,
                   "estimate_seconds": l.seconds, "without_estimate": unknown})
        })
        .collect();
    json!({"stages": counts, "nodes": nodes})
}

fn colour(status: &Status) -> &'static str {
    match status {
        Status::Hit { .. } => "#d9ead3",
        Status::Run { .. } => "#fce5cd",
        Status::Waits { .. } => "#eeeeee",
    }
}

/// Graphviz text; cached nodes green, nodes to run orange, waiting ones grey.
pub fn dot(plan: &Plan, graph: &Graph, status: &[Status]) -> String {
    let mut out =
        String::from("digraph plan {\n  rankdir=LR;\n  node [shape=box, style=filled, fontname=\"sans-serif\"];\n");
    for (id, node) in plan.nodes.iter().enumerate() {
        let label = Value::String(node.label.replace('[', "\n[")).to_string();
        let _ = writeln!(out, "  n{id} [label={label}, fillcolor=\"{}\"];", colour(&status[id]));
    }
    for (from, to, slot) in graph.edges() {
        let _ = writeln!(out, "  n{from} -> n{to} [label=\"{slot}\"];");
    }
    out.push_str("}\n");
    out
}

/// Mermaid text, for Markdown pages.
pub fn mermaid(plan: &Plan, graph: &Graph) -> String {
    let mut out = String::from("flowchart LR\n");
    for (id, node) in plan.nodes.iter().enumerate() {
        let label = node.label.replace('"', "'");
        let _ = writeln!(out, "  n{id}[\"{label}\"]");
    }
    for (from, to, slot) in graph.edges() {
        let _ = writeln!(out, "  n{from} -->|{slot}| n{to}");
    }
    out
}

/// Nodes and edges as JSON.
pub fn graph_value(plan: &Plan, graph: &Graph) -> Value {
    let edges: Vec<Value> = graph
        .edges()
        .into_iter()
        .map(|(from, to, slot)| json!({"from": plan.nodes[from].label, "to": plan.nodes[to].label, "slot": slot}))
        .collect();
    json!({"nodes": plan.nodes.iter().map(|n| &n.label).collect::<Vec<_>>(), "edges": edges})
}
