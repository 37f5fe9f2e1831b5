//! The pipeline on one page: fetch → preprocess → search → retrain → evaluate → aggregate.
pub mod aggregate;
pub mod context;
pub mod entry;
