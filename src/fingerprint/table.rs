//! The code fingerprint of this binary, and of checkouts: which code stands behind a set of source files.
//! Knows no stage and no cache; memory between calls is the caller's.

use crate::digest::Digest;
use crate::fingerprint::closure::{Graph, Reach};
use crate::fingerprint::packages::Packages;
use crate::fingerprint::rules::Violation;
use crate::fingerprint::survey::{Manifests, ScanError, survey};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// All source files with their digests and imports, and the crates they use.
pub struct Table {
    graph: Graph,
    violations: Vec<Violation>,
}

/// The code of a node: all of it that can change a result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// Source files relative to `src/` (`stages/retrain.rs`, `../kernels/conv.cu`), to the digest of their meaning.
    pub files: BTreeMap<String, Digest>,
    /// Crate name to version, features and checksum; two versions of one crate are joined by ` + `. The pseudo-crate
    /// `(edition)` holds the Rust edition.
    pub crates: BTreeMap<String, String>,
}

impl Code {
    /// The canonical text: one line per file and crate, sorted. `digest` is of these very bytes.
    pub fn text(&self) -> String {
        let mut text = String::from("code 1\n");
        for (path, digest) in &self.files {
            writeln!(text, "file {path} {digest}").expect("a string never fails");
        }
        for (name, ingredient) in &self.crates {
            writeln!(text, "crate {name} {ingredient}").expect("a string never fails");
        }
        text
    }

    pub fn digest(&self) -> Digest {
        Digest::of(self.text())
    }
}

/// A code root that is no source file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "code root `{0}` is not a source file of this build: roots are paths relative to src/, such as `stages/retrain.rs`"
)]
pub struct UnknownRoot(pub String);

impl Table {
    /// What this binary was built from.
    pub fn embedded() -> &'static Table {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(|| {
            let text = include_str!(concat!(env!("OUT_DIR"), "/fingerprint.json"));
            let graph = serde_json::from_str(text).expect("build.rs wrote this table with the same types");
            Table { graph, violations: Vec::new() }
        })
    }

    /// Scans a checkout, asking cargo (offline) for its crates.
    pub fn scan(root: &Path) -> Result<Table, ScanError> {
        let manifests = Manifests::read(root)?;
        let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        let target = &Table::embedded().graph.target;
        let packages = Packages::resolve(&cargo, root, target, &manifests.lock, &manifests.manifest)?;
        Self::scan_with(root, &manifests, packages)
    }

    /// Scans a checkout whose crates are known.
    pub fn scan_with(root: &Path, manifests: &Manifests, packages: Packages) -> Result<Table, ScanError> {
        let target = Table::embedded().graph.target.clone();
        let (survey, _) = survey(root, manifests, &target, packages, &|_, _| None)?;
        Ok(Table { graph: survey.graph, violations: survey.violations })
    }

    /// The code that files in `roots` (relative to `src/`) reach, themselves included.
    pub fn code(&self, roots: &[String]) -> Result<Code, UnknownRoot> {
        let reach = self.reach(roots)?;
        let files = reach.files.iter().map(|path| (path.to_string(), self.graph.files[*path].code)).collect();
        let mut crates = BTreeMap::from([("(edition)".to_string(), self.graph.edition.clone())]);
        for id in reach.crates {
            let package = &self.graph.packages.packages[id];
            let ingredient = package.ingredient();
            crates
                .entry(package.name.clone())
                .and_modify(|text: &mut String| *text = format!("{text} + {ingredient}"))
                .or_insert(ingredient);
        }
        Ok(Code { files, crates })
    }

    /// Files and crates reached, by name only.
    pub fn reach(&self, roots: &[String]) -> Result<Reach<'_>, UnknownRoot> {
        self.graph.reach(roots).map_err(UnknownRoot)
    }

    /// The files and crates with their edges.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Breaches of the import rules, from `scan` only: the embedded table has none to tell.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Files of the checkout in `root` that differ from what this table was made from, each with how; empty where `root` is
    /// no checkout. Paths are relative to `root`.
    pub fn drift(&self, root: &Path) -> Vec<String> {
        let Ok(manifests) = Manifests::read(root) else { return Vec::new() };
        let mut drift = BTreeSet::new();
        if Digest::of(&manifests.lock) != self.graph.lock {
            drift.insert("Cargo.lock (changed)".to_string());
        }
        let shown = |path: &str| match path.strip_prefix("../") {
            Some(outside) => outside.to_string(),
            None => format!("src/{path}"),
        };
        for (path, file) in &self.graph.files {
            match fs::read(root.join(shown(path))) {
                Ok(bytes) if Digest::of(&bytes) == file.raw => {}
                Ok(_) => drop(drift.insert(format!("{} (changed)", shown(path)))),
                Err(_) => drop(drift.insert(format!("{} (missing)", shown(path)))),
            }
        }
        // Parsing tells what is new; crates do not matter here.
        if let Ok(now) = Self::scan_with(root, &manifests, Packages::default()) {
            let new = now.graph.files.keys().filter(|path| !self.graph.files.contains_key(*path));
            drift.extend(new.map(|path| format!("{} (new)", shown(path))));
        }
        drift.into_iter().collect()
    }
}
