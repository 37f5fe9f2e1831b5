//! Builds a network step by step: names, initial values, where each part lies in the flat arrays. Knows no layer.

use crate::nn::network::Network;
use crate::nn::parameters::{Buffer, Parameter, ParameterSet};
use crate::nn::program::{Program, Source, Step};
use crate::ops::operator::Operator;
use crate::seed::{Purpose, Stream};
use candle_core::Result;
use std::sync::Arc;

/// Activations inside a network under construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    at: usize,
    pub channels: usize,
}

/// Makes parameters under a path of names. Each one draws from its own stream, by its place in the order.
pub struct Builder {
    init: Purpose,
    path: Vec<String>,
    parameters: Vec<Parameter>,
    values: Vec<f32>,
    buffers: Vec<Buffer>,
    running: Vec<f64>,
    steps: Vec<Step>,
}

impl Builder {
    /// `init` is the purpose of all initial values, such as (seed, `retrain`, `init`).
    pub fn new(init: Purpose) -> Self {
        let (parameters, values, buffers, running) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Builder { init, path: Vec::new(), parameters, values, buffers, running, steps: Vec::new() }
    }

    /// The network's input.
    pub fn input(&self, channels: usize) -> Value {
        Value { at: 0, channels }
    }

    /// What `f` makes is named `<name>.…`.
    pub fn within<R>(&mut self, name: &str, f: impl FnOnce(&mut Builder) -> R) -> R {
        self.path.push(name.to_string());
        let result = f(self);
        self.path.pop();
        result
    }

    fn name(&self, name: &str) -> String {
        let mut path = self.path.join(".");
        if !path.is_empty() {
            path.push('.');
        }
        path + name
    }

    /// A parameter whose values are drawn in row-major order.
    pub fn parameter(&mut self, name: &str, shape: &[usize], mut draw: impl FnMut(&mut Stream) -> f64) -> Source {
        let mut stream = self.init.at(self.parameters.len() as u64);
        let start = self.values.len();
        self.values.extend((0..shape.iter().product()).map(|_| draw(&mut stream) as f32));
        let range = start..self.values.len();
        self.parameters.push(Parameter { name: self.name(name), shape: shape.to_vec(), range: range.clone() });
        Source::Slice { input: 1, range, dims: shape.to_vec() }
    }

    /// A running statistic of `length` equal values. The next step with statistics must give as many as were made since
    /// the last one.
    pub fn buffer(&mut self, name: &str, length: usize, value: f64, momentum: f64) {
        let range = self.running.len()..self.running.len() + length;
        self.running.resize(range.end, value);
        self.buffers.push(Buffer { name: self.name(name), range, momentum });
    }

    /// Appends an operator of values, then parameters; the result has `channels`.
    pub fn step(
        &mut self,
        op: Arc<dyn Operator>,
        values: &[Value],
        parameters: impl IntoIterator<Item = Source>,
        channels: usize,
    ) -> Value {
        let inputs = values.iter().map(|v| Source::Value(v.at)).chain(parameters).collect();
        self.step_of(op, inputs, channels)
    }

    /// Where the inputs of a step find a value.
    pub fn source(&self, value: Value) -> Source {
        Source::Value(value.at)
    }

    /// Appends an operator of any inputs; the result has `channels`.
    pub fn step_of(&mut self, op: Arc<dyn Operator>, inputs: Vec<Source>, channels: usize) -> Value {
        self.steps.push(Step { op, inputs });
        Value { at: self.steps.len(), channels }
    }

    /// Appends an operator of a value, parameters, and a value that is added to its result.
    pub fn step_between(
        &mut self,
        op: Arc<dyn Operator>,
        value: Value,
        parameters: impl IntoIterator<Item = Source>,
        residual: Value,
        channels: usize,
    ) -> Value {
        let parameters = parameters.into_iter().chain([Source::Value(residual.at)]);
        self.step(op, &[value], parameters, channels)
    }

    /// The network whose output is what the last step writes.
    pub fn finish(self) -> Result<Network> {
        let (program, parameters) = self.into_parts(2)?;
        Ok(Network::new(program, parameters))
    }

    /// The program of so many inputs, whose output is what the last step writes, and its parameters and buffers.
    pub fn into_parts(mut self, inputs: usize) -> Result<(Arc<dyn Operator>, ParameterSet)> {
        let program = Arc::new(Program::new(std::mem::take(&mut self.steps), inputs));
        Ok((program, self.parameters()?))
    }

    /// The parameters and buffers alone.
    pub fn parameters(self) -> Result<ParameterSet> {
        ParameterSet::new(self.parameters, self.values, self.buffers, self.running)
    }
}
