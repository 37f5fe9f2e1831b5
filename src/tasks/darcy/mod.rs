//! Darcy flow: a field of coefficients to the field of pressures, 2D dense.
pub mod field;
pub mod generator;
pub mod metric;
pub mod normaliser;
pub mod objective;
pub mod poisson;
pub mod preparation;
pub mod sine;
pub mod solver;
pub mod source;
