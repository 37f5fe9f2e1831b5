//! A checkout on disk to its graph. Knows where sources lie, not what they mean.

use crate::digest::Digest;
use crate::fingerprint::closure::{Graph, link};
use crate::fingerprint::packages::{Packages, PackagesError};
use crate::fingerprint::rules::{Rule, Violation};
use crate::fingerprint::scan::{Scan, scan};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Why a checkout could not be scanned.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    #[error("cannot read {}: {error}", path.display())]
    Read { path: PathBuf, error: std::io::Error },
    #[error("{} is not a source checkout of nasperf-pipe: expected `Cargo.toml`, `Cargo.lock` and `src/lib.rs` in it", root.display())]
    NotACheckout { root: PathBuf },
    #[error(transparent)]
    Packages(#[from] PackagesError),
}

/// A scanned checkout.
pub struct Survey {
    pub graph: Graph,
    pub violations: Vec<Violation>,
}

/// The texts beside `src/` that describe the package.
pub struct Manifests {
    pub manifest: String,
    pub lock: String,
}

impl Manifests {
    pub fn read(root: &Path) -> Result<Self, ScanError> {
        let text = |name: &str| match fs::read_to_string(root.join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Err(ScanError::NotACheckout { root: root.into() }),
            other => other.map_err(|error| ScanError::Read { path: root.join(name), error }),
        };
        Ok(Manifests { manifest: text("Cargo.toml")?, lock: text("Cargo.lock")? })
    }

    /// The first `edition = "…"`.
    fn edition(&self) -> String {
        let line = self.manifest.lines().find_map(|line| line.trim().strip_prefix("edition"));
        line.and_then(|rest| rest.split('"').nth(1)).unwrap_or("2015").to_string() // cargo's default
    }
}

/// Scans `src/`, `kernels/` and whatever these include. `known` gives a scan made earlier of the same path and bytes.
pub fn survey(
    root: &Path,
    manifests: &Manifests,
    target: &str,
    packages: Packages,
    known: &dyn Fn(&str, Digest) -> Option<Scan>,
) -> Result<(Survey, BTreeMap<String, Scan>), ScanError> {
    if !root.join("src/lib.rs").is_file() {
        return Err(ScanError::NotACheckout { root: root.into() });
    }
    let mut open = Vec::new();
    walk(&root.join("src"), "", &mut |path| {
        if path.ends_with(".rs") {
            open.push(path);
        }
    })?;
    walk(&root.join("kernels"), "../kernels/", &mut |path| {
        if path.ends_with(".cu") || path.ends_with(".cuh") {
            open.push(path);
        }
    })?;
    let mut scans: BTreeMap<String, Scan> = BTreeMap::new();
    let mut violations = Vec::new();
    while let Some(path) = open.pop() {
        if scans.contains_key(&path) {
            continue;
        }
        let place = root.join("src").join(&path);
        let bytes = match fs::read(&place) {
            // Reported below, at the file that includes it.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            other => other.map_err(|error| ScanError::Read { path: place, error })?,
        };
        let made = known(&path, Digest::of(&bytes)).unwrap_or_else(|| scan(&path, &bytes));
        open.extend(made.includes.iter().cloned());
        scans.insert(path, made);
    }
    for (path, scan) in &scans {
        violations.extend(scan.violations.iter().cloned());
        for include in scan.includes.iter().filter(|include| !scans.contains_key(*include)) {
            let (file, what) = (path.clone(), include.clone());
            violations.push(Violation { file, line: 1, rule: Rule::MissingInclude, what });
        }
    }
    let graph = Graph {
        target: target.to_string(),
        edition: manifests.edition(),
        lock: Digest::of(&manifests.lock),
        files: link(&scans, &packages),
        packages,
    };
    Ok((Survey { graph, violations }, scans))
}

/// Files below a folder, sorted, named with `/`. A folder that is not there is empty.
fn walk(folder: &Path, prefix: &str, found: &mut impl FnMut(String)) -> Result<(), ScanError> {
    let failed = |error| ScanError::Read { path: folder.into(), error };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.map_err(failed)?,
    };
    let mut sorted = BTreeMap::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if let Ok(name) = entry.file_name().into_string() {
            sorted.insert(name, entry.path());
        }
    }
    for (name, path) in sorted {
        if path.is_dir() {
            walk(&path, &format!("{prefix}{name}/"), found)?;
        } else {
            found(format!("{prefix}{name}"));
        }
    }
    Ok(())
}
