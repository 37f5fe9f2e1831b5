//! DeepSEA: 1,000 bases of genome to 36 tracks of chromatin, 1D multi-label.
pub mod generator;
pub mod genome;
pub mod metric;
pub mod motif;
pub mod objective;
pub mod preparation;
pub mod rebuild;
pub mod source;
pub mod tables;
pub mod windows;
