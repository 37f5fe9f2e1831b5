//! What a task must give, one file per role.
pub mod preparation;
pub mod source;
