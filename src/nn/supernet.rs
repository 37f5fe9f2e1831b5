//! A network with architecture parameters: one program that asks for the gradient of its weights and one for that of its
//! architecture, over the same arrays. Knows no space and no algorithm.

use crate::nn::builder::Builder;
use crate::nn::parameters::ParameterSet;
use crate::ops::apply::{Pass, apply};
use crate::ops::mixed_cell::Wanted;
use crate::ops::operator::Operator;
use candle_core::{DType, Device, Result, Tensor, Var};
use std::sync::Arc;

#[derive(Debug)]
pub struct Supernet {
    weights: Arc<dyn Operator>,
    architecture: Arc<dyn Operator>,
    both: Arc<dyn Operator>,
    parameters: ParameterSet,
    alpha: Var,
}

impl Supernet {
    /// `build` makes the same network for each kind of gradient; its program takes activations, parameters, and as many
    /// architecture parameters as `start` has.
    pub fn new(start: Vec<f32>, build: impl Fn(Wanted) -> Builder) -> Result<Supernet> {
        let (weights, parameters) = build(Wanted::Weights).into_parts(3)?;
        Ok(Supernet {
            weights,
            architecture: build(Wanted::Architecture).into_parts(3)?.0,
            both: build(Wanted::Both).into_parts(3)?.0,
            parameters,
            alpha: Var::from_slice(&start, start.len(), &Device::Cpu)?,
        })
    }

    /// What it computes, of activations, flat parameters and architecture parameters, for one kind of gradient.
    pub fn program(&self, wants: Wanted) -> &Arc<dyn Operator> {
        match wants {
            Wanted::Weights => &self.weights,
            Wanted::Architecture => &self.architecture,
            Wanted::Both => &self.both,
        }
    }

    pub fn parameters(&self) -> &ParameterSet {
        &self.parameters
    }

    /// All architecture parameters as one tensor of one dimension.
    pub fn architecture(&self) -> &Var {
        &self.alpha
    }

    /// `x` (N,C,spatial…) with the statistics of the batch; the graph leads to what is wanted and to nothing else. The running
    /// statistics move.
    pub fn forward(&self, x: &Tensor, wants: Wanted, step: u64) -> Result<Tensor> {
        let (program, theta, alpha) = match wants {
            Wanted::Weights => (&self.weights, self.parameters.theta().clone(), self.alpha.detach()),
            Wanted::Architecture => {
                (&self.architecture, self.parameters.theta().detach(), self.alpha.as_tensor().clone())
            }
            Wanted::Both => (&self.both, self.parameters.theta().clone(), self.alpha.as_tensor().clone()),
        };
        self.run(program, x, &theta, &alpha, Some(step))
    }

    /// `x` with the running statistics, without a graph.
    pub fn evaluate(&self, x: &Tensor) -> Result<Tensor> {
        self.run(&self.weights, &x.detach(), &self.parameters.theta().detach(), &self.alpha.detach(), None)
    }

    fn run(
        &self,
        program: &Arc<dyn Operator>,
        x: &Tensor,
        theta: &Tensor,
        alpha: &Tensor,
        step: Option<u64>,
    ) -> Result<Tensor> {
        let series = x.rank() == 3;
        let x = if series { x.unsqueeze(2)? } else { x.clone() };
        let pass = match step {
            Some(step) => Pass::Train { step },
            None => Pass::Evaluate { running: self.parameters.running() },
        };
        let (y, statistics) = apply(program, &[&x, theta, alpha], pass)?;
        if step.is_some() {
            self.parameters.observe(&statistics);
        }
        if series && y.rank() == 4 { y.squeeze(2) } else { Ok(y) }
    }

    /// The same network in `f64`, slow: the reference.
    pub fn into_reference(self) -> Result<Self> {
        let alpha = Var::from_tensor(&self.alpha.to_dtype(DType::F64)?)?;
        Ok(Supernet { parameters: self.parameters.into_double()?, alpha, ..self })
    }
}
