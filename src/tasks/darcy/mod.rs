//! Darcy flow: a field of coefficients to the field of pressures.
pub mod metric;
pub mod normaliser;
pub mod objective;
