//! A network: a program, its parameters and its running statistics. Knows no layer, no space and no task.

use crate::nn::parameters::ParameterSet;
use crate::ops::apply::{Pass, apply};
use crate::ops::operator::Operator;
use candle_core::{Result, Tensor};
use std::sync::Arc;

/// How a forward pass is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics, dropout drawn for this optimiser step.
    Train { step: u64 },
    /// Running statistics, no dropout.
    Evaluate,
}

#[derive(Debug)]
pub struct Network {
    program: Arc<dyn Operator>,
    parameters: ParameterSet,
}

impl Network {
    /// `program` takes (N,C,H,W) and the flat parameters; its statistics are the buffers of `parameters`, in their order.
    pub fn new(program: Arc<dyn Operator>, parameters: ParameterSet) -> Self {
        Network { program, parameters }
    }

    /// `x` (N,C,spatial…) to (N,outputs) for a point task or (N,channels,spatial…) for a dense one. In training the graph of
    /// the result leads to the parameters, and the running statistics move.
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        // a series is an image of height 1
        let series = x.rank() == 3;
        let x = if series { x.unsqueeze(2)? } else { x.clone() };
        let theta = self.parameters.theta();
        let y = match mode {
            Mode::Train { step } => {
                let (y, statistics) = apply(&self.program, &[&x, theta], Pass::Train { step })?;
                self.parameters.observe(&statistics);
                y
            }
            // without a graph: its activations would stay in memory until the output is dropped
            Mode::Evaluate => {
                let pass = Pass::Evaluate { running: self.parameters.running() };
                apply(&self.program, &[&x.detach(), &theta.detach()], pass)?.0
            }
        };
        if series && y.rank() == 4 { y.squeeze(2) } else { Ok(y) }
    }

    /// What it computes, of activations and flat parameters.
    pub fn program(&self) -> &Arc<dyn Operator> {
        &self.program
    }

    pub fn parameters(&self) -> &ParameterSet {
        &self.parameters
    }

    /// The same network in `f64`, slow: the reference that fast training is judged against.
    pub fn into_reference(self) -> Result<Self> {
        Ok(Network { program: self.program, parameters: self.parameters.into_double()? })
    }
}
