//! Tasks whose samples are rows of one array, used as they are.
pub mod objective;
