//! tasks
pub mod cifar100;
pub mod contract;
pub mod darcy;
