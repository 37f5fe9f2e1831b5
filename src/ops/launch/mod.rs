//! Launch plans: what runs on a device, as a flat list of kernel launches over one arena, made by code that needs no device.
//! The CPU side never imports this folder or an operator's `cuda.rs`, so that an edit here leaves its results cached.
pub mod arena;
#[cfg(feature = "cuda")]
pub mod device;
#[cfg(feature = "cuda")]
pub mod images;
pub mod plan;
pub mod planner;
pub mod table;
pub mod tile;
pub mod twin;
