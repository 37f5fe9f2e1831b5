//! Containers of raw data, their transport and the generators' random numbers.
pub mod archive;
pub mod checksum;
pub mod cifar_binary;
pub mod counts;
pub mod download;
pub mod lock;
pub mod mat5;
pub mod mat5_writer;
pub mod numpy_random;
pub mod part;
pub mod pickle;
pub mod pickle_machine;
pub mod pickle_object;
pub mod signal;
pub mod spill;
pub mod synthetic;
pub mod zip_writer;
