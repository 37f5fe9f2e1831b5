//! Typed results that travel between stages, one file per type, each with its format version.
pub mod architecture;
pub mod array_bytes;
pub mod dataset;
pub mod drawing;
pub mod published;
pub mod sample_view;
pub mod samples;
pub mod score;
pub mod search_log;
pub mod summary;
pub mod training_log;
pub mod verdict;
pub mod weights;
