//! What a search space may give, one file per capability: a default network, a child built from an architecture, a
//! relaxation to search in, a draw at random.
pub mod child;
pub mod default;
pub mod entry;
pub mod relaxed;
pub mod sampled;
