//! What every task gives, one file per role, so that a change of one role leaves the results of the others valid.
pub mod entry;
pub mod generator;
pub mod metric;
pub mod objective;
pub mod preparation;
pub mod source;
