//! The pipeline on one page: fetch → preprocess → search → retrain → evaluate → aggregate.
pub mod aggregate;
pub mod amount;
pub mod context;
pub mod entry;
pub mod fetch;
pub mod preprocess;
