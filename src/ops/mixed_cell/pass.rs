//! What the phases of a backward pass share: gradients of nodes, and where they stand. Knows no phase.

use crate::ops::mixed_cell::plan::{Plan, Tensors, passed};
use crate::ops::mixed_cell::spare::Spare;
use crate::ops::mixed_cell::split::Task;
use crate::ops::mixed_cell::wiring::Edge;
use crate::ops::operator::View;
use crate::ops::simd::LANES;

/// One backward pass.
pub struct Pass<'a> {
    pub plan: Plan<'a>,
    pub inputs: &'a [View<'a, f32>],
    pub output: &'a [f32],
    pub gradient: &'a [f32],
    pub t: Tensors<&'a [f32]>,
    /// Whether the gradients of the weights, and of α and β, are asked for.
    pub weights: bool,
    pub architecture: bool,
}

/// What is known of a node's gradient.
pub struct Node {
    /// Its processed channels, packed: c channels.
    pub packed: Spare,
    /// All of it, per task [channel][image][position]; of the last node empty, since it is the upstream gradient itself.
    pub whole: Spare,
    /// For each edge that enters, by its state, primitive and channel: the gradient before its batch norm is a·g + b·z + c.
    pub factors: Vec<[f32; 3]>,
}

/// Gradient of θ so far.
pub struct Theta {
    pub weights: Vec<f64>,
    pub alpha: Vec<f64>,
    pub beta: Vec<f64>,
}

impl Pass<'_> {
    /// Length of a node's `whole` per task.
    pub fn whole_size(&self) -> usize {
        self.plan.shape.channels * LANES * self.plan.passed_size()
    }

    /// A task's piece of a node's gradient.
    pub fn piece<'p>(
        &'p self,
        nodes: &'p [Option<Node>],
        node: usize,
        task: &Task,
        channel: usize,
        lane: usize,
    ) -> &'p [f32] {
        if node + 1 == self.plan.cell.nodes {
            return self.plan.node_piece(self.gradient, node, task, channel, lane);
        }
        let whole = &nodes[node].as_ref().expect("nodes come from behind").whole;
        let index = task.block * self.plan.split.strips + task.strip;
        self.whole_piece(&whole[index * self.whole_size()..], task, channel, lane)
    }

    /// The same in a task's chunk of `Node::whole`.
    pub fn whole_piece<'p>(&self, whole: &'p [f32], task: &Task, channel: usize, lane: usize) -> &'p [f32] {
        let (plane, size) = (self.plan.split.node, self.plan.passed_size());
        &whole[(channel * LANES + lane) * size..][..plane.own(task.strip).len() * plane.width]
    }

    /// A task's piece of a channel of a state that goes round the primitives, in the node's plane.
    pub fn state_piece(&self, state: usize, task: &Task, channel: usize, lane: usize) -> &[f32] {
        let (plan, inputs) = (&self.plan, self.plan.cell.inputs);
        if state >= inputs {
            plan.node_piece(self.output, state - inputs, task, channel, lane)
        } else if plan.halves() {
            passed(plan, &self.t, state, task, channel, lane)
        } else {
            plan.input_piece(self.inputs[state].values, task, channel, lane)
        }
    }

    /// Values per channel in a batch norm.
    pub fn count(&self) -> f64 {
        let shape = self.plan.shape;
        (shape.images * shape.out_height * shape.out_width) as f64
    }

    /// Of the edge from a state into a node, by channel.
    pub fn factors<'n>(&self, node: &'n Node, state: usize, primitive: usize) -> &'n [[f32; 3]] {
        let c = self.plan.shape.part;
        &node.factors[(state * 8 + primitive) * c..][..c]
    }

    /// Room for the gradients of the weights of all edges that leave a state.
    pub fn weights_of(&self, state: usize) -> Vec<f64> {
        vec![0.0; self.plan.leaving(state).iter().map(|(e, _)| self.plan.edge_weights(*e).len()).sum()]
    }
}

/// The node that an edge enters; its gradient is known when its states' turn comes.
pub fn known<'n>(nodes: &'n [Option<Node>], edge: &Edge) -> &'n Node {
    nodes[edge.to].as_ref().expect("nodes come from behind")
}
