//! What every algorithm gives.
pub mod entry;
pub mod search;
