//! What every differentiable operator is: dimensions, forward and backward on plain row-major arrays, in `f32` (fast) and in
//! `f64` (the reference that everything is judged against). Knows no tensor library and no network.
//!
//! Images are (N,C,H,W); a series (N,C,L) is an image of height 1, so that one definition serves both.

use crate::ops::pool::{DOUBLE, Pool, SINGLE};
use std::any::Any;
use std::fmt::Debug;

/// The two kinds of numbers that operators compute with.
pub trait Real: num_traits::Float + num_traits::NumAssign + Debug + Default + Send + Sync + 'static {
    fn of(value: f64) -> Self;
    fn double(self) -> f64;
    /// Where large arrays of this kind come from and go to.
    fn pool() -> &'static Pool<Self>;
}

impl Real for f32 {
    fn of(value: f64) -> f32 {
        value as f32
    }

    fn double(self) -> f64 {
        f64::from(self)
    }

    fn pool() -> &'static Pool<f32> {
        &SINGLE
    }
}

impl Real for f64 {
    fn of(value: f64) -> f64 {
        value
    }

    fn double(self) -> f64 {
        self
    }

    fn pool() -> &'static Pool<f64> {
        &DOUBLE
    }
}

/// One input: row-major values and their dimensions. In a backward pass the values are empty where the operator said that
/// it does not read them.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, T> {
    pub values: &'a [T],
    pub dims: &'a [usize],
}

/// Where the gradient of one input goes.
#[derive(Debug)]
pub struct Sink<'a, T> {
    pub values: &'a mut [T],
    /// Add to what is there; else every value is replaced, whatever it was.
    pub add: bool,
}

impl<T: Real> Sink<'_, T> {
    /// Writes or adds one value; for paths whose speed does not matter.
    pub fn put(&mut self, at: usize, value: T) {
        if self.add {
            self.values[at] += value;
        } else {
            self.values[at] = value;
        }
    }

    /// Sets all values to 0 unless they are to be added to: afterwards adding is right either way.
    pub fn clear(&mut self) {
        if !self.add {
            self.values.fill(T::zero());
        }
    }
}

/// How a forward pass is meant.
#[derive(Clone, Copy, Debug)]
pub enum Mode<'a, T> {
    /// Statistics of the batch; whatever is drawn is drawn for this optimiser step.
    Train { step: u64 },
    /// The running values of the operator's statistics, in the order in which it gives them; nothing is drawn.
    Evaluate { running: &'a [T] },
}

/// What a forward pass leaves for the backward pass and for its caller.
#[derive(Clone, Debug, Default)]
pub struct Saved<T> {
    /// The operator's own business.
    pub arrays: Vec<Vec<T>>,
    pub indices: Vec<u32>,
    /// In training: statistics of the batch, as many as `Definition::statistics` says.
    pub statistics: Vec<T>,
    /// What the parts of an operator made of others left, in their order.
    pub nested: Vec<Saved<T>>,
}

impl<T: Real> Saved<T> {
    /// Gives the arrays back for the next pass.
    pub fn recycle(self) {
        self.arrays.into_iter().for_each(|array| T::pool().give(array));
        self.nested.into_iter().for_each(Saved::recycle);
    }
}

/// Which values a backward pass reads besides the gradient and what was saved; all others may be gone by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reads {
    /// By position of the input.
    pub inputs: &'static [bool],
    pub output: bool,
}

/// `Any`, so that tables beside an operator can find its type.
pub trait Definition: Any + Debug + Send + Sync {
    fn name(&self) -> &'static str;

    /// Dimensions of the output. The error says what was expected and what was found.
    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String>;

    /// How many batch statistics a forward pass in training gives.
    fn statistics(&self, _inputs: &[&[usize]]) -> usize {
        0
    }

    fn reads(&self) -> Reads;

    /// An error where dimensions that `output` takes cannot be trained on, such as one value for the statistics of a norm.
    fn trains(&self, _inputs: &[&[usize]]) -> Result<(), String> {
        Ok(())
    }
}

/// The arithmetic in one kind of number. Callers have checked the dimensions by `Definition::output`; a wrong length is a
/// broken invariant and may panic.
pub trait Kernel<T: Real>: Definition {
    /// Writes every value of `out`, which holds anything before.
    fn forward(&self, inputs: &[View<'_, T>], mode: Mode<'_, T>, out: &mut [T], saved: &mut Saved<T>);

    /// Adds to or replaces the gradients that are asked for: one sink per input, `None` where nobody asks.
    fn backward(
        &self,
        inputs: &[View<'_, T>],
        output: &[T],
        saved: &Saved<T>,
        gradient: &[T],
        sinks: &mut [Option<Sink<'_, T>>],
    );
}

/// An operator in both kinds of numbers.
pub trait Operator: Kernel<f32> + Kernel<f64> {}

impl<O: Kernel<f32> + Kernel<f64>> Operator for O {}
