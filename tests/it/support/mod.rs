//! What stories share: a node's world in memory, small synthetic datasets.
pub mod memory_context;
pub mod tiny_dataset;
