//! Layers, initialisation and the set of a network's parameters. Knows no space and no task.
pub mod batch_norm;
pub mod builder;
pub mod conv;
pub mod launches;
pub mod linear;
pub mod network;
pub mod parameters;
pub mod program;
pub mod separable;
pub mod supernet;
