//! The store: a folder of content-addressed blobs, and the records that say which blobs a node's key stands for.

pub mod aside;
pub mod bundle;
pub mod checkpoint;
pub mod clock;
pub mod codec;
pub mod error;
pub mod index;
pub mod lease;
pub mod object;
pub mod process;
pub mod quarantine;
pub mod record;
pub mod sealed;
#[allow(clippy::module_inception)] // the folder's own type has no better name
pub mod store;
pub mod sweep;
