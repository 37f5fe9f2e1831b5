//! What stories share: a node's world in memory, small synthetic datasets.
pub mod formula;
pub mod golden_training;
pub mod lab;
pub mod memory_context;
pub mod operator_check;
pub mod tiny_dataset;
pub mod web_server;
