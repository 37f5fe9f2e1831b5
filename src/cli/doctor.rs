//! `doctor`: facts about this machine, this binary and the cache; with `--data`, the data of a manifest against its lock.

use crate::cli::catalog::Catalog;
use crate::cli::exit::{DONE, Exit, FAILED, Outcome};
use crate::cli::gc::bytes;
use crate::cli::options::{DoctorOptions, Format, LayerOptions};
use crate::cli::session::{Session, open_store, snapshot_hits};
use crate::plan::stale::Status;
use crate::store::store::Store;
use serde_json::{Map, Value, json};
use std::path::Path;

pub fn doctor(options: &DoctorOptions) -> Outcome {
    let mut facts: Vec<(&str, String)> = Vec::new();
    let mut good = true;
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    facts.push(("version", env!("CARGO_PKG_VERSION").to_string()));
    facts.push(("cpu", format!("{cores} threads, {}", instruction_sets())));
    facts.push(("memory", memory()));
    facts.push(("devices", "cpu".to_string()));
    facts.push(("cuda", cuda()));
    match open_store(&options.cache.cache) {
        Ok(store) => facts.push(("cache", format!("{}, {} free", store.root().display(), free(store.root())))),
        Err(exit) => {
            good = false;
            facts.push(("cache", exit.message));
        }
    }
    let drift = Catalog::collect().table.drift(Path::new("."));
    if Path::new("src/stages/mod.rs").exists() {
        facts.push(("sources", drifted(&drift)));
    }
    if options.format == Format::Json {
        let map: Map<String, Value> = facts.into_iter().map(|(name, fact)| (name.to_string(), json!(fact))).collect();
        println!("{:#}", Value::Object(map));
    } else {
        for (name, fact) in facts {
            println!("{name:<10} {fact}");
        }
    }
    if let Some(manifest) = &options.data {
        good &= data(manifest, &open_store(&options.cache.cache)?)?;
    }
    Ok(if good { DONE } else { FAILED })
}

/// What there is of CUDA: in this binary, on this machine.
#[cfg(feature = "cuda")]
fn cuda() -> String {
    use crate::cli::catalog::devices;
    match devices() {
        Ok(all) if all.is_empty() => "the driver sees no device; everything runs on the CPU".to_string(),
        Ok(all) => {
            let texts = all.into_iter().map(|device| match device {
                Ok(found) => {
                    let (major, minor) = found.capability;
                    let (free, memory) = (bytes(found.free), bytes(found.memory));
                    format!("{}, compute capability {major}.{minor}, {free} of {memory} free", found.name)
                }
                Err(error) => error,
            });
            texts.collect::<Vec<_>>().join("; ")
        }
        Err(error) => format!("{error}; everything runs on the CPU"),
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> String {
    "not in this binary (build with --features cuda)".to_string()
}

fn drifted(files: &[String]) -> String {
    match files {
        [] => "this binary was built from the sources in this folder".to_string(),
        some => format!("built from other sources than this folder's: {}; build again", some.join(", ")),
    }
}

fn instruction_sets() -> String {
    #[cfg(target_arch = "x86_64")]
    {
        let sets = [
            ("AVX2", is_x86_feature_detected!("avx2")),
            ("FMA", is_x86_feature_detected!("fma")),
            ("AVX-512F", is_x86_feature_detected!("avx512f")),
        ];
        let names: Vec<&str> = sets.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
        if names.is_empty() { "no AVX2".to_string() } else { names.join(" ") }
    }
    #[cfg(not(target_arch = "x86_64"))]
    std::env::consts::ARCH.to_string()
}

fn memory() -> String {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse::<u64>().ok()
    };
    match (kib("MemTotal"), kib("MemAvailable")) {
        (Some(total), Some(free)) => format!("{}, {} available", bytes(total * 1024), bytes(free * 1024)),
        _ => "unknown".to_string(),
    }
}

/// Free space of the file system that holds `path`.
fn free(path: &Path) -> String {
    let Ok(name) = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()) else { return "unknown".into() };
    // SAFETY: statvfs fills the zeroed struct it is given; `name` is a C string that outlives the call.
    let (code, stat) = unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(name.as_ptr(), &mut stat), stat)
    };
    if code == 0 { bytes(stat.f_bavail * stat.f_frsize) } else { "unknown".to_string() }
}

/// Compares the fetched files of a manifest with its lock, and says which are not there.
fn data(manifest: &Path, store: &Store) -> Result<bool, Exit> {
    let session = Session::open(Catalog::collect(), manifest, &LayerOptions::default())?;
    let status = session.assessor(store).assess(snapshot_hits(store)?, &[]).map_err(Exit::usage)?;
    let mut good = true;
    for (id, status) in status.iter().enumerate().filter(|(id, _)| session.stage(*id) == "fetch") {
        let label = session.label(id);
        let node = &session.plan.nodes[id];
        let Status::Hit { outputs, .. } = status else {
            println!("{label}: not fetched; `nasperf-pipe fetch {}` does", manifest.display());
            continue;
        };
        let lock = node.params.all.get("data.lock").and_then(Value::as_str).map(Path::new);
        for (name, blob) in outputs.iter() {
            let task = node.names.task.as_deref().unwrap_or_default();
            let locked = lock
                .map(|lock| (session.catalog.locked)(lock, task, name))
                .transpose()
                .map_err(Exit::failed)?
                .flatten();
            let sound = store.verify(&blob.digest).is_ok();
            let word = match locked {
                _ if !sound => "damaged: it is fetched again at the next run".to_string(),
                Some(entry) if entry != blob.digest => {
                    format!("differs from the lock ({})", entry.short())
                }
                Some(_) => "as locked".to_string(),
                None => "no lock entry".to_string(),
            };
            good &= sound && !word.starts_with("differs");
            println!("{label} {name}: {}, {word}", bytes(blob.size));
        }
    }
    Ok(good)
}
