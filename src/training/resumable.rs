//! Work in short steps whose state can be taken out and put back, bit for bit. Knows neither who saves the state nor when.

use crate::training::error::TrainError;

/// How far the work is; shown, never part of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// What is counted, such as `step`.
    pub unit: &'static str,
    pub done: u64,
    pub total: u64,
    /// Such as `epoch 3/200, loss 2.31`.
    pub note: String,
}

/// One piece of work. Stopped after any step and restored elsewhere, it ends with the same bytes as undisturbed.
pub trait Resumable {
    fn done(&self) -> bool;
    /// One short step, such as one optimiser step. Not called once `done`.
    fn step(&mut self) -> Result<StepReport, TrainError>;
    /// Everything that later steps depend on.
    fn state(&self) -> Result<Vec<u8>, TrainError>;
    fn restore(&mut self, state: &[u8]) -> Result<(), TrainError>;
}
