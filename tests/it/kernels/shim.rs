//! Compiles the kernels with the system's C++ compiler and executes launch plans with them (tests/shim). Without a compiler, or on
//! another architecture, there is nothing to execute with: tests then say that they were skipped.

use nasperf_pipe::ops::launch::arena::Arena;
use nasperf_pipe::ops::launch::plan::{Arg, Content, Launch, Plan, Span};
use std::ffi::{CStr, CString, c_char, c_int, c_long, c_uint, c_void};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock};

type Allocate = unsafe extern "C" fn(*const c_char, usize) -> *mut c_void;
type Mark = unsafe extern "C" fn(*mut c_void, usize);
type HandOver = unsafe extern "C" fn(*mut c_void, usize, c_int);
type TakeBack = unsafe extern "C" fn(*mut c_void, usize) -> c_long;
type Free = unsafe extern "C" fn(*mut c_void);
type Run = unsafe extern "C" fn(
    *const c_char,
    *const c_uint,
    *const c_uint,
    usize,
    *mut *mut c_void,
    *const c_char,
    c_uint,
    c_uint,
    *mut c_char,
    usize,
) -> c_int;

/// The order of threads in a block, and of blocks in a grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Forward,
    Backward,
    Random(u32),
}

/// The loaded library; one launch at a time.
pub struct Shim {
    allocate: Allocate,
    written: Mark,
    hand_over: HandOver,
    take_back: TakeBack,
    free: Free,
    run: Run,
}

/// Buffers of one plan, each between pages that nothing may touch, or all in one arena as on a device.
pub struct Memory<'s> {
    shim: MutexGuard<'s, Shim>,
    plan: &'s Plan,
    /// What was allocated, and where each buffer lies.
    allocated: Vec<*mut c_void>,
    at: Vec<*mut c_void>,
}

/// The shim, or `None` after saying why there is none.
pub fn shim() -> Option<&'static Mutex<Shim>> {
    static SHIM: OnceLock<Option<Mutex<Shim>>> = OnceLock::new();
    SHIM.get_or_init(|| match library() {
        Ok(path) => Some(Mutex::new(load(&path))),
        Err(why) => {
            eprintln!("skipped: {why}");
            None
        }
    })
    .as_ref()
}

fn compiler() -> Result<String, String> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return Err("the shim switches stacks on x86-64 Linux only".into());
    }
    let name = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
    match Command::new(&name).arg("--version").output() {
        Ok(output) if output.status.success() => Ok(name),
        _ => Err(format!("no C++ compiler `{name}`")),
    }
}

/// All kernels and the runtime as one shared library, made once for these sources.
fn library() -> Result<PathBuf, String> {
    let compiler = compiler()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = |folder: &str, endings: &[&str]| -> Vec<PathBuf> {
        let entries = fs::read_dir(root.join(folder)).unwrap();
        let mut all: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
        all.retain(|p| p.extension().is_some_and(|e| endings.iter().any(|known| e == *known)));
        all.sort();
        all
    };
    let headers = [files("tests/shim", &["h"]), files("kernels", &["cuh"])].concat();
    let shared: Vec<u8> = headers.iter().flat_map(|p| fs::read(p).unwrap()).collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shim");
    fs::create_dir_all(&folder).unwrap();
    let include =
        |flag: &str| [format!("{flag}{}/tests/shim", root.display()), format!("{flag}{}/kernels", root.display())];
    let base = [
        "-std=c++20",
        "-O1",
        "-fPIC",
        "-fno-strict-aliasing",
        "-ffp-contract=off",
        "-Wall",
        "-Werror",
        "-Wno-unknown-pragmas",
        "-c",
    ];
    let watched = ["-fsanitize=thread", "-fsanitize=alignment,bounds", "-fno-exceptions"];
    let mut objects = Vec::new();
    for source in [files("tests/shim", &["cpp", "cu"]), files("kernels", &["cu"])].concat() {
        let text = fs::read_to_string(&source).unwrap();
        let kernel = source.extension().is_some_and(|e| e == "cu");
        let flags: Vec<&str> = base.iter().chain(watched.iter().filter(|_| kernel)).copied().collect();
        let stem = source.file_stem().unwrap().to_str().unwrap();
        let name = format!("{stem}-{:016x}", hash(&[text.as_bytes(), &shared, flags.join(" ").as_bytes()]));
        let object = folder.join(format!("{name}.o"));
        if !object.exists() {
            let wrapper = folder.join(format!("{name}.{}.cpp", std::process::id()));
            let include_line = format!("#include \"{}\"\n", source.display());
            let code = if kernel {
                format!("#include \"cuda_host.h\"\n{include_line}{}", registrations(&text))
            } else {
                include_line
            };
            fs::write(&wrapper, code).unwrap();
            let aside = folder.join(format!("{name}.{}.o", std::process::id()));
            let mut command = Command::new(&compiler);
            command.args(&flags).args(include("-I")).arg(&wrapper).arg("-o").arg(&aside);
            finish(&mut command);
            fs::rename(&aside, &object).unwrap();
            fs::remove_file(&wrapper).unwrap();
        }
        objects.push(object);
    }
    let all: Vec<&[u8]> = objects.iter().map(|o| o.to_str().unwrap().as_bytes()).collect();
    let library = folder.join(format!("kernels-{:016x}.so", hash(&all)));
    if !library.exists() {
        let aside = folder.join(format!("kernels.{}.so", std::process::id()));
        finish(Command::new(&compiler).args(["-shared", "-Wl,-Bsymbolic", "-o"]).arg(&aside).args(&objects));
        fs::rename(&aside, &library).unwrap();
    }
    Ok(library)
}

fn finish(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
}

/// FNV-1a, 64 bits: names of files in a scratch folder.
fn hash(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.iter().chain(&[0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |h, byte| (h ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// Names and most threads of the kernels that a source declares: `KERNEL(threads) name(…)`.
fn declared(source: &str) -> Vec<(&str, &str)> {
    let parse = |head: &'_ str| -> Option<(usize, usize, usize)> {
        let threads = head.find(')')?;
        let name = threads + 1 + head[threads + 1..].find(|c: char| !c.is_whitespace())?;
        Some((threads, name, name + head[name..].find('(')?))
    };
    let heads = source.split("\nKERNEL(").skip(1);
    heads
        .map(|head| {
            let (threads, name, end) = parse(head).expect("a declaration of a kernel");
            (&head[name..end], &head[..threads])
        })
        .collect()
}

fn registrations(source: &str) -> String {
    declared(source).iter().map(|(name, threads)| format!("SHIM_KERNEL({name}, {threads});\n")).collect()
}

fn load(path: &Path) -> Shim {
    let name = CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: the library was made from tests/shim, whose functions have the types above.
    unsafe {
        let library = libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
        assert!(!library.is_null(), "{}: {:?}", path.display(), CStr::from_ptr(libc::dlerror()));
        let find = |name: &CStr| {
            let at = libc::dlsym(library, name.as_ptr());
            assert!(!at.is_null(), "{name:?} is missing");
            at
        };
        Shim {
            allocate: std::mem::transmute::<*mut c_void, Allocate>(find(c"shim_allocate")),
            written: std::mem::transmute::<*mut c_void, Mark>(find(c"shim_written")),
            hand_over: std::mem::transmute::<*mut c_void, HandOver>(find(c"shim_hand_over")),
            take_back: std::mem::transmute::<*mut c_void, TakeBack>(find(c"shim_take_back")),
            free: std::mem::transmute::<*mut c_void, Free>(find(c"shim_free")),
            run: std::mem::transmute::<*mut c_void, Run>(find(c"shim_launch")),
        }
    }
}

impl<'s> Memory<'s> {
    /// Memory for a plan; tables are there, all else is NaN.
    pub fn new(shim: &'s Mutex<Shim>, plan: &'s Plan) -> Memory<'s> {
        let mut memory = Memory::empty(shim, plan);
        for (i, b) in plan.buffers.iter().enumerate() {
            let at = memory.allocate(b.words, &format!("{} (buffer {i})", b.name));
            memory.at.push(at);
        }
        memory.tables();
        memory
    }

    /// The same in one arena, where buffers that do not live at the same time overlap.
    pub fn packed(shim: &'s Mutex<Shim>, plan: &'s Plan) -> Memory<'s> {
        let (mut memory, arena) = (Memory::empty(shim, plan), Arena::new(&plan.buffers));
        let start = memory.allocate(arena.bytes / 4, "arena");
        // SAFETY: offsets lie inside the arena.
        memory.at = arena.offsets.iter().map(|offset| unsafe { start.byte_add(*offset) }).collect();
        memory.tables();
        memory
    }

    fn empty(shim: &'s Mutex<Shim>, plan: &'s Plan) -> Memory<'s> {
        let shim = shim.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Memory { shim, plan, allocated: Vec::new(), at: Vec::new() }
    }

    fn allocate(&mut self, words: usize, name: &str) -> *mut c_void {
        let name = CString::new(name).unwrap();
        // SAFETY: a plain call; null is checked.
        let at = unsafe { (self.shim.allocate)(name.as_ptr(), 4 * words) };
        assert!(!at.is_null(), "no memory for {words} words");
        self.allocated.push(at);
        at
    }

    fn tables(&mut self) {
        for (buffer, b) in self.plan.buffers.iter().enumerate() {
            if let Content::Constant(values) = &b.content {
                self.write_words(Span { buffer, start: 0, length: values.len() }, values);
            }
        }
    }

    fn pointer(&self, span: Span) -> *mut c_void {
        // SAFETY: spans lie inside their buffers.
        unsafe { self.at[span.buffer].cast::<u32>().add(span.start).cast() }
    }

    pub fn write_words(&mut self, span: Span, values: &[u32]) {
        assert_eq!(span.length, values.len());
        let to = self.pointer(span);
        // SAFETY: `to` has room for as many words.
        unsafe {
            std::ptr::copy_nonoverlapping(values.as_ptr(), to.cast(), values.len());
            (self.shim.written)(to, 4 * span.length);
        }
    }

    pub fn write(&mut self, span: Span, values: &[f32]) {
        self.write_words(span, &values.iter().map(|v| v.to_bits()).collect::<Vec<u32>>());
    }

    pub fn read(&self, span: Span) -> Vec<f32> {
        // SAFETY: so many words are there; bits of any kind are an f32.
        unsafe { std::slice::from_raw_parts(self.pointer(span).cast::<f32>(), span.length).to_vec() }
    }

    /// Executes all launches.
    ///
    /// Errors: what the shim found, with the launch's place in the plan.
    pub fn run(&mut self, order: Order) -> Result<(), String> {
        for (at, launch) in self.plan.launches.iter().enumerate() {
            self.launch(launch, order).map_err(|error| format!("launch {at}: {error}"))?;
        }
        Ok(())
    }

    fn launch(&mut self, launch: &Launch, order: Order) -> Result<(), String> {
        let mut spans: Vec<(Span, c_int)> = Vec::new();
        let mut values: Vec<u64> = Vec::new(); // the parameters' bytes
        let mut kinds = String::new();
        for arg in &launch.args {
            let (kind, value) = match *arg {
                Arg::In(span) => ('p', (span, 1)),
                Arg::Out(span) => ('p', (span, 2)),
                Arg::InOut(span) => ('p', (span, 3)),
                Arg::Null => ('p', (Span { buffer: 0, start: 0, length: 0 }, 0)),
                Arg::Int(value) => {
                    kinds.push('i');
                    values.push(u64::from(value as u32));
                    continue;
                }
                Arg::Unsigned(value) => {
                    kinds.push('u');
                    values.push(u64::from(value));
                    continue;
                }
                Arg::Float(value) => {
                    kinds.push('f');
                    values.push(u64::from(value.to_bits()));
                    continue;
                }
            };
            kinds.push(kind);
            let (span, mode) = value;
            values.push(if mode == 0 { 0 } else { self.pointer(span) as u64 });
            if mode != 0 {
                spans.push((span, mode));
            }
        }
        let mut pointers: Vec<*mut c_void> = values.iter_mut().map(|v| std::ptr::from_mut(v).cast()).collect();
        let (name, kinds) = (CString::new(launch.kernel).unwrap(), CString::new(kinds).unwrap());
        let (order, seed) = match order {
            Order::Forward => (0, 0),
            Order::Backward => (1, 0),
            Order::Random(seed) => (2, seed),
        };
        let mut message = vec![0u8; 1024];
        // SAFETY: spans lie in their buffers; `pointers` has one entry per letter of `kinds`, which the shim compares with the
        // kernel's own signature; kernels touch only what was handed over.
        let failed = unsafe {
            spans.iter().for_each(|(span, mode)| (self.shim.hand_over)(self.pointer(*span), 4 * span.length, *mode));
            (self.shim.run)(
                name.as_ptr(),
                launch.grid.as_ptr(),
                [launch.threads, 1, 1].as_ptr(),
                launch.shared as usize,
                pointers.as_mut_ptr(),
                kinds.as_ptr(),
                order,
                seed,
                message.as_mut_ptr().cast(),
                message.len(),
            )
        };
        let mut missing = Ok(());
        for (span, mode) in spans {
            // SAFETY: as above.
            let word = unsafe { (self.shim.take_back)(self.pointer(span), 4 * span.length) };
            if word >= 0 && mode == 2 {
                let buffer = self.plan.buffers[span.buffer].name;
                missing = Err(format!("{}: word {word} of {} of {buffer} was not written", launch.kernel, span.length));
            }
        }
        if failed != 0 {
            return Err(CStr::from_bytes_until_nul(&message).unwrap().to_string_lossy().into_owned());
        }
        missing
    }
}

impl Drop for Memory<'_> {
    fn drop(&mut self) {
        // SAFETY: each pointer came from `allocate` and is used no more.
        self.allocated.iter().for_each(|at| unsafe { (self.shim.free)(*at) });
    }
}
