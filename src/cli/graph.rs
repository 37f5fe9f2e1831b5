//! `graph`: the DAG as text for other programs.

use crate::cli::catalog::Catalog;
use crate::cli::exit::{DONE, Exit, Outcome};
use crate::cli::options::{GraphFormat, GraphOptions};
use crate::cli::session::{Session, open_store, snapshot_hits};
use crate::plan::graph::Graph;
use crate::plan::node::Plan;
use crate::plan::show::{dot, graph_value, mermaid};
use crate::plan::stale::Status;

pub fn graph(options: &GraphOptions) -> Outcome {
    let session = Session::open(Catalog::collect(), &options.manifest.manifest, &options.manifest.layers)?;
    let store = open_store(&options.cache.cache)?;
    let (targets, _) = session.targets(&options.select)?;
    let status = session.assessor(&store).assess(snapshot_hits(&store)?, &[]).map_err(Exit::usage)?;
    let (plan, status) = restrict(&session.plan, &status, &targets);
    let graph = Graph::of(&plan);
    match options.format {
        GraphFormat::Dot => print!("{}", dot(&plan, &graph, &status)),
        GraphFormat::Mermaid => print!("{}", mermaid(&plan, &graph)),
        GraphFormat::Json => println!("{:#}", graph_value(&plan, &graph)),
    }
    Ok(DONE)
}

/// The plan without the nodes that were not asked for.
fn restrict(plan: &Plan, status: &[Status], targets: &[bool]) -> (Plan, Vec<Status>) {
    let kept: Vec<usize> = (0..plan.nodes.len()).filter(|&id| targets[id]).collect();
    let mut nodes = Vec::with_capacity(kept.len());
    for &id in &kept {
        let mut node = plan.nodes[id].clone();
        for slot in &mut node.slots {
            slot.producers = slot.producers.iter().filter_map(|p| kept.binary_search(p).ok()).collect();
        }
        nodes.push(node);
    }
    (Plan { nodes }, kept.iter().map(|&id| status[id].clone()).collect())
}
