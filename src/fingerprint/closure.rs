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

/// Turns the names in each scan into edges.
///
/// An edge goes to the file of the longest prefix of a path that is a module: the file that defines the item. The `mod.rs`
/// of the folders on the way is no edge, since it is only a table; an item defined in it is. An `impl` away from its type is an
/// edge from the type's file to its own.
pub fn link(scans: &BTreeMap<String, Scan>, packages: &Packages) -> BTreeMap<String, File> {
    let mut modules: BTreeMap<Path, &str> = BTreeMap::new();
    for path in scans.keys().filter(|path| *path != "main.rs") {
        if let Some(module) = module(path) {
            modules.insert(module, path);
        }
    }
    let home = |name: &[String]| (1..=name.len()).rev().find_map(|end| modules.get(&name[..end])).copied();
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
                "crate" => file.imports.extend(home(name).map(str::to_string)),
                "std" | "core" | "alloc" => {
                    file.std.insert(name.join("::"));
                }
                library => file.crates.extend(packages.externs.get(library).cloned()),
            }
        }
        file.imports.extend(scan.includes.iter().filter(|include| scans.contains_key(*include)).cloned());
        files.insert(path.clone(), file);
    }
    // Methods that stand away from their type run wherever the type is used.
    for (path, scan) in scans {
        for file in scan.extends.iter().filter_map(|name| home(name)) {
            files.get_mut(file).expect("every module is a file").imports.insert(path.clone());
        }
    }
    for (path, file) in &mut files {
        file.imports.remove(path);
    }
    files
}

/// A graph made ready for many questions: a planner asks for the code of every node.
#[derive(Debug)]
pub struct Index {
    /// In the order of their paths, and crates in the order of `name@version`.
    pub files: Vec<FileRow>,
    pub crates: Vec<CrateRow>,
}

#[derive(Debug)]
pub struct FileRow {
    pub path: String,
    pub code: Digest,
    imports: Vec<usize>,
    crates: Vec<usize>,
}

#[derive(Debug)]
pub struct CrateRow {
    pub name: String,
    /// What a key holds of it.
    pub ingredient: String,
    /// `None` where nobody has decided yet: it counts as numeric.
    pub class: Option<Class>,
    dependencies: Vec<usize>,
}

/// What a set of files reaches, as ascending positions in the index.
#[derive(Debug, PartialEq)]
pub struct Reach {
    /// The roots among them.
    pub files: Vec<usize>,
    /// Without inert ones and what only they bring.
    pub crates: Vec<usize>,
}

impl Index {
    pub fn new(graph: &Graph) -> Self {
        let files: Vec<&String> = graph.files.keys().collect();
        let crates: Vec<&String> = graph.packages.packages.keys().collect();
        let places = |all: &[&String], wanted: &BTreeSet<String>| {
            wanted.iter().filter_map(|name| all.binary_search(&name).ok()).collect::<Vec<usize>>()
        };
        Index {
            files: graph
                .files
                .iter()
                .map(|(path, file)| FileRow {
                    path: path.clone(),
                    code: file.code,
                    imports: places(&files, &file.imports),
                    crates: places(&crates, &file.crates),
                })
                .collect(),
            crates: graph
                .packages
                .packages
                .values()
                .map(|package| CrateRow {
                    name: package.name.clone(),
                    ingredient: package.ingredient(),
                    class: package.class(),
                    dependencies: places(&crates, &package.dependencies),
                })
                .collect(),
        }
    }

    /// What the files in `roots` reach; `Err` names the first that is not a file of the checkout.
    pub fn reach(&self, roots: &[String]) -> Result<Reach, String> {
        let place = |root: &String| self.files.binary_search_by(|row| row.path.cmp(root)).map_err(|_| root.clone());
        let open = roots.iter().map(place).collect::<Result<Vec<usize>, String>>()?;
        let files = spread(self.files.len(), open, |at| self.files[at].imports.as_slice());
        let named = files.iter().flat_map(|at| self.files[*at].crates.iter().copied()).collect();
        let inert = |at: &usize| self.crates[*at].class == Some(Class::Inert);
        let mut crates = spread(self.crates.len(), named, |at| match inert(&at) {
            true => &[],
            false => self.crates[at].dependencies.as_slice(),
        });
        crates.retain(|at| !inert(at));
        Ok(Reach { files, crates })
    }
}

/// All positions below `size` that are reached from `open`, ascending.
fn spread<'e>(size: usize, mut open: Vec<usize>, edges: impl Fn(usize) -> &'e [usize]) -> Vec<usize> {
    let mut seen = vec![false; size];
    while let Some(at) = open.pop() {
        if !seen[at] {
            seen[at] = true;
            open.extend(edges(at));
        }
    }
    (0..size).filter(|at| seen[*at]).collect()
}
