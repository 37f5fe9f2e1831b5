//! Writes the code fingerprint table that `src/fingerprint/table.rs` embeds, by the crate's own scanner; with the feature `cuda`
//! compiles the kernels too.

use digest::Digest;
use fingerprint::packages::Packages;
use fingerprint::scan::{Scan, TABLE_FILE};
use fingerprint::survey::{Manifests, survey};
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::PathBuf;

#[allow(dead_code)]
#[path = "src/digest.rs"]
mod digest;

#[allow(dead_code)]
#[path = "src/fingerprint"]
mod fingerprint {
    pub mod closure;
    pub mod crates;
    pub mod cuts;
    pub mod names;
    pub mod packages;
    pub mod rules;
    pub mod scan;
    pub mod survey;
    pub mod tokens;
}

#[cfg(feature = "cuda")]
#[path = "kernels/build.rs"]
mod kernels;

/// What makes a scan of one file, so that scans are kept between builds until this changes.
const SCANNER: &[&str] = &[
    include_str!("src/fingerprint/cuts.rs"),
    include_str!("src/fingerprint/names.rs"),
    include_str!("src/fingerprint/rules.rs"),
    include_str!("src/fingerprint/scan.rs"),
    include_str!("src/fingerprint/tokens.rs"),
];

/// Scans of an earlier build; the parser's version stands in `Cargo.lock`.
#[derive(serde::Serialize, serde::Deserialize)]
struct Memo {
    scanner: Digest,
    lock: Digest,
    scans: BTreeMap<String, Scan>,
}

fn main() {
    if let Err(error) = write_table() {
        // Cargo shows what a build script prints only when it fails.
        eprintln!("error: cannot prepare the build: {error}");
        std::process::exit(1);
    }
}

fn write_table() -> Result<(), Box<dyn std::error::Error>> {
    let variable = |name: &str| env::var_os(name).ok_or_else(|| format!("cargo did not set {name}"));
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let target = variable("TARGET")?.into_string().map_err(|_| "TARGET is not UTF-8")?;
    let manifests = Manifests::read(&root)?;
    let cargo = PathBuf::from(variable("CARGO")?);
    // Without the cargo features of this build: nodes on the CPU keep their keys in a build with `cuda`.
    let packages = Packages::resolve(&cargo, &root, &target, &manifests.lock, &manifests.manifest)?;
    let out = PathBuf::from(variable("OUT_DIR")?);
    #[cfg(feature = "cuda")]
    kernels::compile(&root, &out)?;
    let place = out.join("scans.json");
    let (scanner, lock) = (Digest::of(SCANNER.join("\0")), Digest::of(&manifests.lock));
    let memo = fs::read(&place).ok().and_then(|bytes| serde_json::from_slice::<Memo>(&bytes).ok());
    let scans =
        memo.filter(|memo| memo.scanner == scanner && memo.lock == lock).map(|memo| memo.scans).unwrap_or_default();
    let known = |path: &str, raw: Digest| scans.get(path).filter(|scan| scan.raw == raw).cloned();
    let (survey, scans) = survey(&root, &manifests, &target, packages, &known)?;
    fs::write(place, serde_json::to_vec(&Memo { scanner, lock, scans })?)?;

    for path in ["build.rs", "Cargo.toml", "Cargo.lock", "src", "kernels"] {
        // A path that is not there would run this script at each build.
        if root.join(path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    for outside in survey.graph.files.keys().filter_map(|path| path.strip_prefix("../")) {
        println!("cargo:rerun-if-changed={outside}");
    }
    for violation in &survey.violations {
        println!("cargo:warning=cache keys may miss code: src/{violation}");
    }
    let table = serde_json::to_string(&survey.graph)?;
    let place = out.join(TABLE_FILE);
    // An unchanged table keeps its time stamp, so that nothing is compiled again.
    if fs::read_to_string(&place).ok().as_ref() != Some(&table) {
        fs::write(&place, table)?;
    }
    Ok(())
}
