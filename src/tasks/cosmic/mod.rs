//! Cosmic: an astronomical image to the map of pixels hit by cosmic rays, 2D dense.
pub mod fields;
pub mod fits_images;
pub mod generator;
pub mod metric;
pub mod objective;
pub mod preparation;
pub mod rays;
pub mod saturation;
pub mod scene;
pub mod source;
pub mod stamps;
