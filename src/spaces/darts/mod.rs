//! The DARTS search space: the search network and what its parameters stand for, genotypes found or published, and their
//! networks.
pub mod architecture;
pub mod child;
pub mod choices;
pub mod default;
pub mod derived;
pub mod drawing;
pub mod genotype;
pub mod mixed;
pub mod preprocess;
pub mod primitive;
pub mod published;
pub mod relaxed;
pub mod sampled;
pub mod supernet;
