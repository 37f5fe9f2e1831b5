//! The DARTS search space: preprocessing of a cell's inputs, the search network, genotypes and their networks.
pub mod derived;
pub mod genotype;
pub mod preprocess;
pub mod supernet;
