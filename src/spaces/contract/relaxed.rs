//! A space as one network that holds all of its architectures at once, with parameters that weigh them. Knows no space and no
//! algorithm.

use crate::artifacts::architecture::Architecture;
use crate::artifacts::dataset::TaskShape;
use crate::artifacts::search_log::Mixture;
use crate::nn::parameters::ParameterSet;
use crate::seed::Purpose;
use candle_core::{Result as TensorResult, Tensor, Var};
use std::ops::Range;

/// How architecture parameters become the weights of primitives and edges (methods spec §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mixing {
    /// Softmax of each row; the parameters start at 1.
    Softmax,
    /// They are the weights, and start equal.
    Direct,
}

/// Of what a forward pass will give the gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    Weights,
    Architecture,
}

/// What of the settings the network may look at.
#[derive(Clone, Debug, PartialEq)]
pub struct RelaxedParams {
    /// Base channel count; `None`: the published one.
    pub width: Option<usize>,
    pub cells: usize,
    pub nodes: usize,
    /// Primitives see one of so many channels.
    pub partial: usize,
    /// Whether there are reduction cells, where the task's form has them.
    pub reductions: bool,
    pub mixing: Mixing,
    /// Names of what each edge weighs; `None`: the space's own.
    pub primitives: Option<Vec<String>>,
    /// Cells, from the first, that compute again rather than keep: less memory, more time, the same bits.
    pub again: usize,
    /// Streams of the initial values.
    pub init: Purpose,
}

/// Architecture parameters that are normalised together, in rows of equal length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    pub range: Range<usize>,
    pub width: usize,
    /// Weights of primitives rather than of edges.
    pub primitives: bool,
}

pub trait Relaxed {
    /// Weights and running statistics of the network.
    fn weights(&self) -> &ParameterSet;
    /// All architecture parameters as one tensor of one dimension.
    fn parameters(&self) -> &Var;
    /// `x` (N,C,spatial…) with the statistics of the batch; the graph leads to `half` and to nothing else. The running statistics
    /// move.
    fn forward(&self, x: &Tensor, half: Half, step: u64) -> TensorResult<Tensor>;
    /// The architecture parameters that the network reads; those of edges once per cell type (`joint`) or once per node.
    fn rows(&self, joint: bool) -> Vec<Rows>;
    /// The architecture that they stand for.
    fn architecture(&self, parameters: &[f32]) -> Result<Architecture, String>;
    /// Entropy of the weights of primitives in nats, mean over the rows.
    fn entropy(&self, parameters: &[f32]) -> f64;
    /// The weights of primitives, by cell type.
    fn mixture(&self, parameters: &[f32]) -> Vec<Mixture>;
}

/// The error says what of the task or of the settings the space cannot do.
pub type OpenRelaxed = fn(&TaskShape, &RelaxedParams) -> Result<Box<dyn Relaxed>, String>;
