//! The kernels of `kernels/`, compiled as C++ and run on the CPU: what the shim finds, and every kernel against its CPU twin.

mod faults;
mod shim;
