//! The code fingerprint of this binary, and of checkouts: which code stands behind a set of source files.
//! Knows no stage and no cache; memory between calls is the caller's.

use crate::digest::Digest;
use crate::fingerprint::closure::{Graph, Index, Reach};
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
    index: Index,
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

    /// Reads what `text` wrote; `None` for anything else.
    pub fn parse(text: &str) -> Option<Code> {
        let mut code = Code::default();
        for line in text.strip_prefix("code 1\n")?.lines() {
            match line.split_once(' ')? {
                ("file", rest) => {
                    let (path, digest) = rest.rsplit_once(' ')?;
                    code.files.insert(path.to_string(), digest.parse().ok()?);
                }
                ("crate", rest) => {
                    let (name, ingredient) = rest.split_once(' ')?;
                    code.crates.insert(name.to_string(), ingredient.to_string());
                }
                _ => return None,
            }
        }
        Some(code)
    }
}

/// A code root that is no source file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "code root `{0}` is not a source file of this build: roots are paths relative to src/, such as `stages/retrain.rs`"
)]
pub struct UnknownRoot(pub String);

impl Table {
    fn new(graph: Graph, violations: Vec<Violation>) -> Self {
        let index = Index::new(&graph);
        Table { graph, index, violations }
    }

    /// What this binary was built from.
    pub fn embedded() -> &'static Table {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(|| {
            let text = include_str!(concat!(env!("OUT_DIR"), "/fingerprint.json"));
            let graph = serde_json::from_str(text).expect("build.rs wrote this table with the same types");
            Table::new(graph, Vec::new())
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
        Ok(Table::new(survey.graph, survey.violations))
    }

    /// The code that files in `roots` (relative to `src/`) reach, themselves included.
    pub fn code(&self, roots: &[String]) -> Result<Code, UnknownRoot> {
        let reach = self.reach(roots)?;
        let files = reach.files.iter().map(|at| &self.index.files[*at]);
        let mut crates = BTreeMap::from([("(edition)".to_string(), self.graph.edition.clone())]);
        for row in reach.crates.iter().map(|at| &self.index.crates[*at]) {
            crates
                .entry(row.name.clone())
                .and_modify(|text: &mut String| *text = format!("{text} + {}", row.ingredient))
                .or_insert_with(|| row.ingredient.clone());
        }
        Ok(Code { files: files.map(|row| (row.path.clone(), row.code)).collect(), crates })
    }

    fn reach(&self, roots: &[String]) -> Result<Reach, UnknownRoot> {
        self.index.reach(roots).map_err(UnknownRoot)
    }

    /// Crates that `roots` reach and nobody has listed as numeric or inert.
    pub fn undecided(&self, roots: &[String]) -> Result<BTreeSet<&str>, UnknownRoot> {
        let rows = self.reach(roots)?.crates.into_iter().map(|at| &self.index.crates[at]);
        Ok(rows.filter(|row| row.class.is_none()).map(|row| row.name.as_str()).collect())
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
