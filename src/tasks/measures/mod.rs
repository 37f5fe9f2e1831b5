//! Scores that several tasks share.
pub mod top1;
