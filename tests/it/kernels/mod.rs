//! The kernels of `kernels/`, compiled as C++ and run on the CPU: what the shim finds, and every kernel against its CPU twin.

mod check;
mod executor;
mod faults;
mod losses;
mod mixed_cell;
mod networks;
mod ops;
mod plans;
mod shim;
