//! Runs resumable work inside a node: restores its state, saves it when due, stops when asked. Knows no task and no network.

use crate::stages::context::{Context, Progress, StageError};
use crate::training::error::TrainError;
use crate::training::resumable::Resumable;

/// Runs `work` to its end, or returns `Interrupted` with its state saved. Continued later it ends with the same bytes.
pub fn drive(work: &mut dyn Resumable, context: &mut dyn Context) -> Result<(), StageError> {
    if let Some(state) = context.restore()? {
        work.restore(&state).map_err(stage_error)?;
    }
    while !work.done() {
        if context.stop_asked() {
            context.save(&work.state().map_err(stage_error)?)?;
            return Err(StageError::Interrupted);
        }
        let report = work.step().map_err(stage_error)?;
        context.progress(Progress { unit: report.unit, done: report.done, total: report.total, note: &report.note });
        // the end needs no state: the outputs follow at once
        if !work.done() && context.save_due() && !context.stop_asked() {
            context.save(&work.state().map_err(stage_error)?)?;
        }
    }
    Ok(())
}

/// The class of a training error decides whether the node is tried again.
pub fn stage_error(error: TrainError) -> StageError {
    match error {
        TrainError::Diverged { .. } => StageError::Numeric(error.to_string()),
        TrainError::Data(_) => StageError::Data(error.to_string()),
        TrainError::State(_) | TrainError::Tensor(_) => StageError::Code(error.to_string()),
    }
}
