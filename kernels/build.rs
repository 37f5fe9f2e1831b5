//! Compiles the kernels of this folder, for the feature `cuda`: one fat binary per source, with code for compute capability 8.0 and
//! 9.0 and portable code for later ones. Part of the build script.

use crate::digest::Digest;
use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

const FLAGS: &[&str] = &[
    "-fatbin",
    "-O3",
    "-std=c++17",
    "-gencode=arch=compute_80,code=sm_80",
    "-gencode=arch=compute_90,code=sm_90",
    "-gencode=arch=compute_90,code=compute_90",
];

/// The compiler: `NVCC`, that of `CUDA_HOME`, that of `kernels/toolkit.sh`, that of the path.
fn compiler(root: &Path) -> Result<(PathBuf, String), String> {
    let named = |variable: &str| {
        println!("cargo:rerun-if-env-changed={variable}");
        env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
    };
    let places = [
        named("NVCC"),
        named("CUDA_HOME").map(|home| home.join("bin/nvcc")),
        Some(root.join("target/cuda/bin/nvcc")),
        Some("nvcc".into()),
    ];
    for place in places.into_iter().flatten() {
        if let Ok(output) = Command::new(&place).arg("--version").output()
            && output.status.success()
        {
            return Ok((place, String::from_utf8_lossy(&output.stdout).into_owned()));
        }
    }
    Err("feature cuda: no nvcc at NVCC, CUDA_HOME, target/cuda or on the path; `kernels/toolkit.sh` installs one into target/cuda".into())
}

/// Files of this folder with this ending, by name.
fn files(root: &Path, ending: &str) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let entries = fs::read_dir(root.join("kernels"))?.collect::<Result<Vec<_>, _>>()?;
    let mut all: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    all.retain(|path| path.extension().is_some_and(|e| e == ending));
    all.sort();
    Ok(all)
}

/// Writes `<source>.fatbin` of each source into `out`. What did not change is not compiled again.
///
/// Errors: no compiler, or what it says.
pub fn compile(root: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let (nvcc, version) = compiler(root)?;
    let mut shared = version + &FLAGS.join(" ");
    for header in files(root, "cuh")? {
        shared += &fs::read_to_string(header)?;
    }
    let mut missing = Vec::new();
    for source in files(root, "cu")? {
        let stem = source.file_stem().expect("a listed file").to_string_lossy().into_owned();
        let digest = Digest::of(format!("{shared}\0{}", fs::read_to_string(&source)?)).to_string();
        let binary = out.join(format!("{stem}.fatbin"));
        if !binary.exists() || fs::read_to_string(binary.with_extension("of")).ok() != Some(digest.clone()) {
            missing.push((source, binary, digest));
        }
    }
    let (queue, failures) = (Mutex::new(missing), Mutex::new(Vec::new()));
    let jobs = env::var("NUM_JOBS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some((source, binary, digest)) = { queue.lock().expect("no panic").pop() } {
                    if let Err(error) = one(&nvcc, &source, &binary, &digest) {
                        failures.lock().expect("no panic").push(format!("{}: {error}", source.display()));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic");
    if !failures.is_empty() {
        return Err(failures.join("\n").into());
    }
    Ok(())
}

fn one(nvcc: &Path, source: &Path, binary: &Path, digest: &str) -> Result<(), Box<dyn Error>> {
    let aside = binary.with_extension("part");
    let output = Command::new(nvcc).args(FLAGS).arg("-o").arg(&aside).arg(source).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    fs::rename(&aside, binary)?; // whole or not there
    fs::write(binary.with_extension("of"), digest)?;
    Ok(())
}
