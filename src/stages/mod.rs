//! The pipeline on one page: fetch → preprocess → search → retrain → evaluate → aggregate.
pub mod canonical;
pub mod context;
pub mod drive;
pub mod entry;
pub mod evaluate;
pub mod inputs;
pub mod retrain;
pub mod search;
