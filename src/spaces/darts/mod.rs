//! The DARTS search space: preprocessing of a cell's inputs, the search network.
pub mod preprocess;
pub mod supernet;
