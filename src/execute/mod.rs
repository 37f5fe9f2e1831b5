//! Runs the nodes of a plan that are not in the store.
pub mod event;
