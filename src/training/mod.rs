//! Optimisers, schedules and the loop of training steps. Knows no network, no task and no context.
pub mod adam;
pub mod clip;
pub mod error;
pub mod exponentiated_gradient;
pub mod fit;
pub mod launches;
pub mod order;
pub mod resumable;
pub mod schedule;
pub mod sgd;
pub mod state;
pub mod update;
