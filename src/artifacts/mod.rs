//! Typed results that travel between stages, one file per type, each with its format version.
pub mod dataset;
pub mod published;
pub mod score;
pub mod summary;
