//! nasperf-pipe: one manifest to a content-hashed DAG of stages, executed with caching.
//!
//! Two towers meet in `stages/context.rs`, the row types and `cli/catalog.rs`: the engine (manifest, plan, execute, store,
//! report, progress, fingerprint, cli) knows no mathematics, the compute side (ops up to stages) knows no engine.

pub mod algorithms;
pub mod artifacts;
pub mod cli;
pub mod data;
pub mod digest;
pub mod execute;
pub mod fidelity;
pub mod fingerprint;
pub mod manifest;
pub mod metrics;
pub mod nn;
pub mod ops;
pub mod plan;
pub mod progress;
pub mod report;
pub mod seed;
pub mod spaces;
pub mod stages;
pub mod stats;
pub mod store;
pub mod tasks;
pub mod training;
