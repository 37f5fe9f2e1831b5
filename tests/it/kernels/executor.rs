//! What executes the plans of these tests: the shim on the CPU, or, in a build with the feature `cuda` and with
//! `NASPERF_KERNELS=gpu`, the first GPU of the machine. `make gpu-check` packs such a build.

use super::shim::{self, Order, Shim, shim};
use nasperf_pipe::ops::launch::plan::{Plan, Span};
use std::sync::Mutex;

#[cfg(feature = "cuda")]
use nasperf_pipe::ops::launch::device::{Device, Execution};

/// Where plans run.
#[derive(Clone, Copy)]
pub enum Executor {
    Shim(&'static Mutex<Shim>),
    #[cfg(feature = "cuda")]
    Gpu(&'static Device),
}

/// Buffers of one plan.
pub enum Memory<'p> {
    Shim(shim::Memory<'p>),
    #[cfg(feature = "cuda")]
    Gpu(Execution<'static>),
}

/// The executor, or `None` after saying why there is none. Panics where a GPU is asked for and cannot be had.
pub fn executor() -> Option<Executor> {
    if std::env::var_os("NASPERF_KERNELS").is_some_and(|value| value == "gpu") {
        return Some(gpu());
    }
    shim().map(Executor::Shim)
}

#[cfg(feature = "cuda")]
fn gpu() -> Executor {
    // a device belongs to the thread of its test, and stays until the process ends
    Executor::Gpu(Box::leak(Box::new(Device::open(0).unwrap_or_else(|error| panic!("{error}")))))
}

#[cfg(not(feature = "cuda"))]
fn gpu() -> Executor {
    panic!("NASPERF_KERNELS=gpu needs a build with --features cuda")
}

#[cfg(feature = "cuda")]
fn sound<T>(result: Result<T, String>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

impl<'p> Memory<'p> {
    /// Memory for a plan; tables are there, all else is NaN.
    pub fn new(executor: Executor, plan: &'p Plan) -> Memory<'p> {
        match executor {
            Executor::Shim(shim) => Memory::Shim(shim::Memory::new(shim, plan)),
            #[cfg(feature = "cuda")]
            Executor::Gpu(device) => Memory::Gpu(sound(Execution::new(device, plan))),
        }
    }

    /// The same in one arena, where buffers that do not live at the same time overlap; a GPU has no other memory.
    pub fn packed(executor: Executor, plan: &'p Plan) -> Memory<'p> {
        match executor {
            Executor::Shim(shim) => Memory::Shim(shim::Memory::packed(shim, plan)),
            #[cfg(feature = "cuda")]
            Executor::Gpu(_) => Memory::new(executor, plan),
        }
    }

    pub fn write_words(&mut self, span: Span, values: &[u32]) {
        match self {
            Memory::Shim(memory) => memory.write_words(span, values),
            #[cfg(feature = "cuda")]
            Memory::Gpu(memory) => sound(memory.write_words(span, values)),
        }
    }

    pub fn write(&mut self, span: Span, values: &[f32]) {
        match self {
            Memory::Shim(memory) => memory.write(span, values),
            #[cfg(feature = "cuda")]
            Memory::Gpu(memory) => sound(memory.write(span, values)),
        }
    }

    pub fn read(&self, span: Span) -> Vec<f32> {
        match self {
            Memory::Shim(memory) => memory.read(span),
            #[cfg(feature = "cuda")]
            Memory::Gpu(memory) => sound(memory.read(span)),
        }
    }

    /// Executes all launches; a GPU has an order of its own, and runs them as a graph from the second time on.
    pub fn run(&mut self, order: Order) -> Result<(), String> {
        match self {
            Memory::Shim(memory) => memory.run(order),
            #[cfg(feature = "cuda")]
            Memory::Gpu(memory) => {
                memory.run()?;
                memory.capture()
            }
        }
    }
}

/// What `kernels/gpu-run.sh` asks first. Without a GPU in play it is about the shim.
#[test]
fn a_device_is_there() {
    match executor() {
        #[cfg(feature = "cuda")]
        Some(Executor::Gpu(device)) => println!("device: {}", sound(device.facts()).name),
        Some(Executor::Shim(_)) => println!("device: the shim"),
        None => {} // said why
    }
}
