//! The plan as a petgraph DAG: ancestors, descendants, order. Knows nodes only by index.

use crate::plan::node::{NodeId, Plan};
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::Dfs;
use petgraph::visit::Reversed;

/// Edges run from producer to consumer and carry the slot's name.
pub struct Graph {
    graph: DiGraph<NodeId, &'static str>,
}

impl Graph {
    pub fn of(plan: &Plan) -> Self {
        let edges = plan.nodes.iter().map(|node| node.slots.iter().map(|s| s.producers.len()).sum::<usize>()).sum();
        let mut graph = DiGraph::with_capacity(plan.nodes.len(), edges);
        for id in 0..plan.nodes.len() {
            graph.add_node(id);
        }
        for (id, node) in plan.nodes.iter().enumerate() {
            for slot in &node.slots {
                for &producer in &slot.producers {
                    graph.add_edge(NodeIndex::new(producer), NodeIndex::new(id), slot.name);
                }
            }
        }
        Graph { graph }
    }

    /// Nodes that read from `id` directly.
    pub fn consumers(&self, id: NodeId) -> Vec<NodeId> {
        let mut list: Vec<NodeId> =
            self.graph.neighbors_directed(NodeIndex::new(id), Direction::Outgoing).map(|n| n.index()).collect();
        list.sort_unstable();
        list.dedup();
        list
    }

    /// `roots` and all that they read from, directly or not, as a mask.
    pub fn ancestors(&self, roots: &[NodeId]) -> Vec<bool> {
        let mut mask = vec![false; self.graph.node_count()];
        let reversed = Reversed(&self.graph);
        let mut search = Dfs::empty(reversed);
        search.stack = roots.iter().map(|&id| NodeIndex::new(id)).collect();
        while let Some(node) = search.next(reversed) {
            mask[node.index()] = true;
        }
        mask
    }

    /// `roots` and all that read from them, directly or not, as a mask.
    pub fn descendants(&self, roots: &[NodeId]) -> Vec<bool> {
        let mut mask = vec![false; self.graph.node_count()];
        let mut search = Dfs::empty(&self.graph);
        search.stack = roots.iter().map(|&id| NodeIndex::new(id)).collect();
        while let Some(node) = search.next(&self.graph) {
            mask[node.index()] = true;
        }
        mask
    }

    /// Producer, consumer and slot of every edge, sorted.
    pub fn edges(&self) -> Vec<(NodeId, NodeId, &'static str)> {
        let mut list: Vec<_> = self
            .graph
            .edge_indices()
            .filter_map(|e| self.graph.edge_endpoints(e).map(|(a, b)| (a.index(), b.index(), self.graph[e])))
            .collect();
        list.sort_unstable();
        list
    }
}
