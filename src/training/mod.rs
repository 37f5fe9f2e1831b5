//! Optimisers, schedules and the loop of training steps. Knows no network, no task and no context.
pub mod error;
pub mod fit;
pub mod order;
pub mod resumable;
pub mod schedule;
pub mod sgd;
