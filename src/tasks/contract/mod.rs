//! What a task must give, one file per role.
pub mod preparation;
pub mod source;
//! What every task gives, one file per role, so that a change of one role leaves the results of the others valid.
pub mod entry;
pub mod metric;
pub mod objective;
