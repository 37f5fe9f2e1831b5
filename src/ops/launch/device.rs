//! Executes launch plans on a GPU: one arena, one stream of its own, a plan captured as a graph on demand. The driver's library is
//! opened at first use, so that a binary with this feature starts where there is none. Knows no operator.

use crate::ops::launch::arena::Arena;
use crate::ops::launch::images::IMAGES;
use crate::ops::launch::plan::{Arg, Content, Launch, Plan, Span, WORD};
use cudarc::driver::{CudaContext, CudaGraph, CudaStream, DriverError, result, sys};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::sync::Arc;

/// Dynamic shared memory of a block that needs no leave (CUDA programming guide, compute capabilities).
const PLAIN_SHARED: u32 = 48 << 10;

/// What a person wants to know of a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub name: String,
    /// Compute capability.
    pub capability: (i32, i32),
    /// Bytes free and in all.
    pub free: u64,
    pub memory: u64,
}

/// A GPU with the kernels loaded.
pub struct Device {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    modules: Vec<sys::CUmodule>,
    functions: RefCell<HashMap<&'static str, sys::CUfunction>>,
}

fn failed(what: &str) -> impl Fn(DriverError) -> String {
    let what = what.to_string();
    move |error| format!("CUDA: {what}: {error:?}")
}

/// How many GPUs the driver sees.
///
/// Errors: there is no driver, or it does not start.
pub fn count() -> Result<usize, String> {
    // SAFETY: asks the loader whether the library is there.
    if !unsafe { sys::is_culib_present() } {
        return Err("no NVIDIA driver: libcuda is not on the path of the loader".into());
    }
    let count = CudaContext::device_count().map_err(failed("the driver does not start"))?;
    usize::try_from(count).map_err(|_| "CUDA: a number of devices was expected".into())
}

impl Device {
    /// GPU number `ordinal`.
    ///
    /// Errors: no driver, no such device, or one older than compute capability 8.0.
    pub fn open(ordinal: usize) -> Result<Device, String> {
        let devices = count()?;
        if ordinal >= devices {
            return Err(format!("CUDA: device {ordinal} was asked for, the driver sees {devices}"));
        }
        let context = CudaContext::new(ordinal).map_err(failed("no context"))?;
        let capability = context.compute_capability().map_err(failed("no compute capability"))?;
        if capability < (8, 0) {
            let (major, minor) = capability;
            return Err(format!(
                "CUDA: compute capability 8.0 or later was expected, device {ordinal} has {major}.{minor}"
            ));
        }
        let stream = context.new_stream().map_err(failed("no stream"))?;
        let load = |image: &&[u8]| {
            // SAFETY: a fat binary of nvcc, which the driver checks; the context is bound to this thread.
            unsafe { result::module::load_data(image.as_ptr().cast()) }.map_err(failed("the kernels do not load"))
        };
        let modules = IMAGES.iter().map(load).collect::<Result<_, _>>()?;
        Ok(Device { context, stream, modules, functions: RefCell::default() })
    }

    pub fn facts(&self) -> Result<Facts, String> {
        let failed = failed("no facts");
        let (free, memory) = self.context.mem_get_info().map_err(&failed)?;
        Ok(Facts {
            name: self.context.name().map_err(&failed)?,
            capability: self.context.compute_capability().map_err(&failed)?,
            free: free as u64,
            memory: memory as u64,
        })
    }

    fn function(&self, name: &'static str) -> Result<sys::CUfunction, String> {
        if let Some(function) = self.functions.borrow().get(name) {
            return Ok(*function);
        }
        let symbol = CString::new(name).map_err(|e| e.to_string())?;
        let find = |module: &sys::CUmodule| {
            // SAFETY: modules live as long as this device.
            unsafe { result::module::get_function(*module, symbol.clone()) }.ok()
        };
        let found = self.modules.iter().find_map(find).ok_or_else(|| format!("CUDA: there is no kernel `{name}`"))?;
        self.functions.borrow_mut().insert(name, found);
        Ok(found)
    }
}

/// One launch as the driver takes it.
struct Call {
    function: sys::CUfunction,
    grid: [u32; 3],
    threads: u32,
    shared: u32,
    /// The parameters' bytes, each in a word of its own.
    values: Vec<u64>,
}

/// A plan in a GPU's memory.
pub struct Execution<'d> {
    device: &'d Device,
    base: sys::CUdeviceptr,
    offsets: Vec<usize>,
    bytes: usize,
    calls: Vec<Call>,
    graph: Option<CudaGraph>,
}

impl<'d> Execution<'d> {
    /// Memory for a plan; tables are there, all else is NaN.
    ///
    /// Errors: not enough memory, a kernel that does not exist.
    pub fn new(device: &'d Device, plan: &Plan) -> Result<Execution<'d>, String> {
        device.context.bind_to_thread().map_err(failed("no context"))?;
        let Arena { offsets, bytes } = Arena::new(&plan.buffers);
        // SAFETY: freed by `drop`.
        let base = unsafe { result::malloc_sync(bytes.max(1)) }.map_err(failed(&format!("{bytes} bytes of memory")))?;
        let mut execution = Execution { device, base, offsets, bytes, calls: Vec::new(), graph: None };
        // SAFETY: as many bytes were allocated.
        unsafe { result::memset_d8_sync(base, 0xff, bytes) }.map_err(failed("filling the arena"))?;
        for (buffer, b) in plan.buffers.iter().enumerate() {
            if let Content::Constant(values) = &b.content {
                execution.write_words(Span { buffer, start: 0, length: values.len() }, values)?;
            }
        }
        execution.calls = plan.launches.iter().map(|l| execution.call(l)).collect::<Result<_, _>>()?;
        Ok(execution)
    }

    /// Bytes of the arena.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn at(&self, span: Span) -> sys::CUdeviceptr {
        self.base + self.offsets[span.buffer] as u64 + WORD * span.start as u64
    }

    fn call(&self, launch: &Launch) -> Result<Call, String> {
        let function = self.device.function(launch.kernel)?;
        if launch.shared > PLAIN_SHARED {
            let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: a function of a loaded module.
            let code = unsafe { sys::cuFuncSetAttribute(function, attribute, launch.shared as i32) };
            code.result().map_err(failed(&format!("{} bytes of shared memory", launch.shared)))?;
        }
        let value = |arg: &Arg| match *arg {
            Arg::In(span) | Arg::Out(span) | Arg::InOut(span) => self.at(span),
            Arg::Null => 0,
            // the driver reads as many low bytes as the parameter has
            Arg::Int(value) => u64::from(value as u32),
            Arg::Unsigned(value) => u64::from(value),
            Arg::Float(value) => u64::from(value.to_bits()),
        };
        let values = launch.args.iter().map(value).collect();
        Ok(Call { function, grid: launch.grid, threads: launch.threads, shared: launch.shared, values })
    }

    pub fn write_words(&mut self, span: Span, values: &[u32]) -> Result<(), String> {
        assert_eq!(span.length, values.len());
        // SAFETY: spans lie inside their buffers, which lie inside the arena.
        unsafe { result::memcpy_htod_sync(self.at(span), values) }.map_err(failed("copying to the device"))
    }

    pub fn write(&mut self, span: Span, values: &[f32]) -> Result<(), String> {
        assert_eq!(span.length, values.len());
        // SAFETY: as above.
        unsafe { result::memcpy_htod_sync(self.at(span), values) }.map_err(failed("copying to the device"))
    }

    pub fn read(&self, span: Span) -> Result<Vec<f32>, String> {
        let mut values = vec![0.0; span.length];
        // SAFETY: as above.
        unsafe { result::memcpy_dtoh_sync(&mut values, self.at(span)) }.map_err(failed("copying from the device"))?;
        Ok(values)
    }

    /// Puts all launches, or the graph that holds them, into the stream; `finish` waits for them.
    pub fn start(&mut self) -> Result<(), String> {
        match &self.graph {
            Some(graph) => graph.launch().map_err(failed("the graph does not start")),
            None => self.launch(),
        }
    }

    fn launch(&mut self) -> Result<(), String> {
        let stream = self.device.stream.cu_stream();
        for (number, call) in self.calls.iter_mut().enumerate() {
            let mut pointers: Vec<*mut c_void> = call.values.iter_mut().map(|v| std::ptr::from_mut(v).cast()).collect();
            let ([x, y, z], threads) = (call.grid, (call.threads, 1, 1));
            // SAFETY: the planner gives each kernel the parameters of its signature, in its order.
            unsafe { result::launch_kernel(call.function, (x, y, z), threads, call.shared, stream, &mut pointers) }
                .map_err(failed(&format!("launch {number}")))?;
        }
        Ok(())
    }

    pub fn finish(&self) -> Result<(), String> {
        self.device.stream.synchronize().map_err(failed("a kernel failed"))
    }

    pub fn run(&mut self) -> Result<(), String> {
        self.start()?;
        self.finish()
    }

    /// From now on all launches are one graph.
    pub fn capture(&mut self) -> Result<(), String> {
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        self.device.stream.begin_capture(mode).map_err(failed("no capture"))?;
        let launched = self.launch();
        // ended in any case: a stream under capture takes nothing else
        let flags = sys::CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
        let graph = self.device.stream.end_capture(flags).map_err(failed("the capture failed"));
        launched?;
        self.graph = graph?;
        Ok(())
    }
}

impl Drop for Execution<'_> {
    fn drop(&mut self) {
        // SAFETY: allocated by `new`, and nothing uses it any more: the stream is waited for.
        let _ = self.device.stream.synchronize();
        let _ = unsafe { result::free_sync(self.base) };
    }
}
