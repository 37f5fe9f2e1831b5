//! Runs the nodes of a plan that are not in the store. Knows no mathematics and draws nothing.
pub mod canary;
pub mod child;
pub mod context;
pub mod event;
pub mod exec_node;
pub mod failure;
pub mod outcome;
pub mod pool;
pub mod run_log;
pub mod scheduler;
pub mod spec;
pub mod state;
