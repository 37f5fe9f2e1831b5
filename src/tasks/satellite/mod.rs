//! Satellite: 46 values of a pixel's vegetation index through a year, 24 land covers, 1D point.
pub mod generator;
pub mod metric;
pub mod objective;
pub mod phenology;
pub mod preparation;
pub mod source;
