//! Why training stopped. Knows no stage.

use crate::nn::parameters::LoadError;

#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Never retried: the same step gives the same loss again.
    #[error("training diverged: the loss is {loss} at step {step} (epoch {epoch}); a lower learning rate may help")]
    Diverged { step: u64, epoch: u64, loss: f32 },
    /// Samples that the task's objective cannot use.
    #[error("{0}")]
    Data(String),
    #[error("the saved training state does not fit: {0}")]
    State(String),
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl From<LoadError> for TrainError {
    fn from(error: LoadError) -> Self {
        TrainError::State(error.to_string())
    }
}
