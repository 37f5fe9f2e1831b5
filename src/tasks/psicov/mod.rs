//! PSICOV: features of a protein's sequence to the distances between its residues, 2D dense.
pub mod annealing;
pub mod canvas;
pub mod chain;
pub mod crop_error;
pub mod drawn_files;
pub mod features;
pub mod gathering;
pub mod generator;
pub mod listing;
pub mod metric;
pub mod objective;
pub mod official_files;
pub mod preparation;
pub mod protein;
pub mod residues;
pub mod source;
