//! Typed results that travel between stages, one file per type, each with its format version.
pub mod dataset;
pub mod score;
