//! Files and crates that a set of files can reach. Knows only names and digests; reads nothing.

use crate::digest::Digest;
use crate::fingerprint::crates::Class;
use crate::fingerprint::names::Path;
use crate::fingerprint::packages::Packages;
use crate::fingerprint::scan::{Scan, module};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Every file of a checkout with its edges, and the crates. Paths are relative to `src/`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    /// The target triple that crates and features were resolved for.
    pub target: String,
    pub edition: String,
    /// Digest of `Cargo.lock`.
    pub lock: Digest,
    pub files: BTreeMap<String, File>,
    pub packages: Packages,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct File {
    pub code: Digest,
    pub raw: Digest,
    /// Files that this one imports an item of, or includes.
    pub imports: BTreeSet<String>,
    /// Crates that this one names, by `name@version`.
    pub crates: BTreeSet<String>,
    /// Paths into the standard library, such as `std::env::var`: what rules about clocks and environments look at.
    pub std: BTreeSet<String>,
}

/// What a set of files reaches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reach<'g> {
    /// The roots among them.
    pub files: BTreeSet<&'g str>,
    /// By `name@version`, without inert ones and what only they bring.
    pub crates: BTreeSet<&'g str>,
    /// Crates that are neither numeric nor inert yet; they count as numeric.
    pub undecided: BTreeSet<&'g str>,
}

/// Turns the names in each scan into edges.
///
/// An edge goes to the file of the longest prefix of a path that is a module: the file that defines the item. The `mod.rs`
/// of the folders on the way is no edge, since it is only a table; an item defined in it is.
pub fn link(scans: &BTreeMap<String, Scan>, packages: &Packages) -> BTreeMap<String, File> {
    let mut modules: BTreeMap<Path, &str> = BTreeMap::new();
    for path in scans.keys().filter(|path| *path != "main.rs") {
        if let Some(module) = module(path) {
            modules.insert(module, path);
        }
    }
    let mut files = BTreeMap::new();
    for (path, scan) in scans {
        let mut file = File {
            code: scan.code,
            raw: scan.raw,
            imports: BTreeSet::new(),
            crates: BTreeSet::new(),
            std: BTreeSet::new(),
        };
        if !scan.parsed {
            // Its names are unknown, so it may reach all there is.
            file.imports.extend(scans.keys().cloned());
            file.crates.extend(packages.externs.values().cloned());
        }
        for name in &scan.names {
            match name[0].as_str() {
                "crate" => {
                    let target = (1..=name.len()).rev().find_map(|end| modules.get(&name[..end]));
                    file.imports.extend(target.map(|target| target.to_string()));
                }
                "std" | "core" | "alloc" => {
                    file.std.insert(name.join("::"));
                }
                library => file.crates.extend(packages.externs.get(library).cloned()),
            }
        }
        file.imports.extend(scan.includes.iter().filter(|include| scans.contains_key(*include)).cloned());
        file.imports.remove(path);
        files.insert(path.clone(), file);
    }
    files
}

impl Graph {
    /// What the files in `roots` reach; `Err` names the first that is not a file of the checkout.
    pub fn reach<'g>(&'g self, roots: &[String]) -> Result<Reach<'g>, String> {
        let mut reach = Reach::default();
        let mut open: Vec<&'g str> = Vec::new();
        for root in roots {
            let (path, _) = self.files.get_key_value(root).ok_or_else(|| root.clone())?;
            open.push(path);
        }
        let mut crates: Vec<&'g str> = Vec::new();
        while let Some(path) = open.pop() {
            if reach.files.insert(path) {
                let file = &self.files[path];
                open.extend(file.imports.iter().map(String::as_str));
                crates.extend(file.crates.iter().map(String::as_str));
            }
        }
        let mut seen = BTreeSet::new();
        while let Some(id) = crates.pop() {
            let Some(package) = self.packages.packages.get(id).filter(|_| seen.insert(id)) else { continue };
            match package.class() {
                Some(Class::Inert) => continue,
                Some(Class::Numeric) => {}
                None => drop(reach.undecided.insert(id)),
            }
            reach.crates.insert(id);
            crates.extend(package.dependencies.iter().map(String::as_str));
        }
        Ok(reach)
    }
}
