//! The resolved third-party crates of a checkout: versions, checksums, features and who depends on whom.
//! Knows no source file.
//!
//! Read from `cargo tree`, not `cargo metadata`: the latter mixes the features that test dependencies ask for into those of
//! the binary (with `jsonschema` as a test dependency it reports `float_roundtrip` for `serde_json`, which the binary is
//! built without), and fails offline where test dependencies were never downloaded.

use crate::fingerprint::crates::{Class, class};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// All packages that the library is built from, for one target, without cargo features of this package.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Packages {
    /// By `name@version`.
    pub packages: BTreeMap<String, Package>,
    /// Names of this package's own dependencies as written in `use` (`md5`), to `name@version` (`md-5@0.11.0`).
    pub externs: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// From `Cargo.lock`: SHA-256 of the package, or the place it comes from where that names a commit.
    pub checksum: String,
    pub features: BTreeSet<String>,
    /// Normal and build dependencies, by `name@version`.
    pub dependencies: BTreeSet<String>,
}

impl Package {
    /// What a key holds of a package, such as `0.11.1 [default] sha256:0f3c…`.
    pub fn ingredient(&self) -> String {
        let features: Vec<&str> = self.features.iter().map(String::as_str).collect();
        format!("{} [{}] {}", self.version, features.join(","), self.checksum)
    }

    /// `None` where nobody has decided yet.
    pub fn class(&self) -> Option<Class> {
        class(&self.name, self.features.iter().map(String::as_str))
    }
}

/// The dependency graph could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    #[error("cannot start `{command}`: {error}")]
    Start { command: String, error: std::io::Error },
    #[error(
        "`{command}` failed in {folder}:\n{stderr}\nThe code fingerprint needs the locked dependency graph: keep the \
         Cargo.lock that belongs to this Cargo.toml, and build with `--locked`"
    )]
    Failed { command: String, folder: String, stderr: String },
    #[error("line {line} of `cargo tree`: expected `<depth><name> v<version>|<library>|<features>`, found `{text}`")]
    Tree { line: usize, text: String },
    #[error(
        "{package} has no checksum and no commit in Cargo.lock, so its code cannot be told from other code of the same \
         version: depend on a published or a git version"
    )]
    NoChecksum { package: String },
    #[error(
        "Cargo.toml, line {line}: a dependency under another name (`package = …`) cannot be found by the scanner: use \
         the crate's own name"
    )]
    Renamed { line: usize },
}

impl Packages {
    /// Asks `cargo`, offline, for the graph of the package in `root`.
    pub fn resolve(cargo: &Path, root: &Path, target: &str, lock: &str, manifest: &str) -> Result<Self, PackagesError> {
        let args = ["tree", "--offline", "--locked", "--edges", "normal,build", "--prefix", "depth"];
        let mut command = Command::new(cargo);
        command.args(args).args(["--format", "{p}|{lib}|{f}", "--target", target, "--color", "never"]);
        // A linter's compiler wrapper has no part in resolving.
        command.current_dir(root).env_remove("RUSTC_WORKSPACE_WRAPPER").env_remove("RUSTC_WRAPPER");
        let shown = format!("cargo {} --target {target}", args.join(" "));
        let output = command.output().map_err(|error| PackagesError::Start { command: shown.clone(), error })?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr).trim_end().to_string();
            return Err(PackagesError::Failed { command: shown, folder: root.display().to_string(), stderr });
        }
        Self::parse(&String::from_utf8_lossy(&output.stdout), lock, manifest)
    }

    /// From the text of `cargo tree --prefix depth --format '{p}|{lib}|{f}'`, of `Cargo.lock` and of `Cargo.toml`.
    pub fn parse(tree: &str, lock: &str, manifest: &str) -> Result<Self, PackagesError> {
        if let Some((at, _)) = manifest.lines().enumerate().find(|(_, line)| {
            let line = line.split('#').next().unwrap_or("").trim();
            line.starts_with("package =") || line.contains(", package =") || line.contains("{ package =")
        }) {
            return Err(PackagesError::Renamed { line: at + 1 });
        }
        let checksums = checksums(lock);
        let mut all = Packages::default();
        // The package at each depth of the branch that is being read; the first is our own.
        let mut branch: Vec<String> = Vec::new();
        for (at, text) in tree.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
            let bad = || PackagesError::Tree { line: at + 1, text: text.to_string() };
            let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let depth: usize = text[..digits].parse().map_err(|_| bad())?;
            let [package, library, features] = text[digits..].splitn(3, '|').collect::<Vec<_>>()[..] else {
                return Err(bad());
            };
            let mut words = package.split(' ');
            let (Some(name), Some(version)) = (words.next(), words.next().and_then(|word| word.strip_prefix('v')))
            else {
                return Err(bad());
            };
            let id = format!("{name}@{version}");
            if depth > branch.len() {
                return Err(bad());
            }
            branch.truncate(depth);
            if depth == 1 {
                all.externs.insert(library.to_string(), id.clone());
            }
            if depth > 1 {
                let parent = &branch[depth - 1];
                let parent = all.packages.get_mut(parent).expect("a parent's line comes first");
                parent.dependencies.insert(id.clone());
            }
            if depth > 0 {
                let entry = all.packages.entry(id.clone()).or_default();
                entry.name = name.to_string();
                entry.version = version.to_string();
                // A package that is built twice, for the host too, counts with the features of both.
                let features = features.trim_end_matches(" (*)").split(',').filter(|feature| !feature.is_empty());
                entry.features.extend(features.map(str::to_string));
                let found = checksums.get(&(name, version)).filter(|checksum| !checksum.is_empty());
                entry.checksum = found.cloned().ok_or_else(|| PackagesError::NoChecksum { package: id.clone() })?;
            }
            branch.push(id);
        }
        Ok(all)
    }
}

/// `Cargo.lock` as (name, version) to checksum, or to the source where it names a commit.
fn checksums(lock: &str) -> BTreeMap<(&str, &str), String> {
    let mut all = BTreeMap::new();
    for block in lock.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""));
            line.and_then(|line| line.strip_suffix('"')).unwrap_or("")
        };
        let source = field("source");
        let identity = match field("checksum") {
            "" if source.starts_with("git+") && source.contains('#') => source.to_string(),
            "" => String::new(),
            checksum => format!("sha256:{checksum}"),
        };
        all.insert((field("name"), field("version")), identity);
    }
    all
}

#[cfg(test)]
mod tests {
    use crate::fingerprint::packages::{Packages, PackagesError};

    const LOCK: &str = r#"
version = 4

[[package]]
name = "own"
version = "0.1.0"
dependencies = ["md-5"]

[[package]]
name = "md-5"
version = "0.11.0"
source = "registry+https://example.org/index"
checksum = "aa"

[[package]]
name = "digest"
version = "0.11.3"
source = "git+https://example.org/digest#0123abcd"
"#;

    #[test]
    fn a_tree_becomes_packages() {
        let tree = "0own v0.1.0 (/somewhere)|own|default\n1md-5 v0.11.0|md5|default,std\n2digest v0.11.3 (https://example.org/digest#0123abcd)|digest|\n1digest v0.11.3 (proc-macro)|digest|alloc (*)\n";
        let all = Packages::parse(tree, LOCK, "").unwrap();
        assert_eq!(all.externs["md5"], "md-5@0.11.0");
        assert_eq!(all.packages.len(), 2);
        let md5 = &all.packages["md-5@0.11.0"];
        assert_eq!(md5.ingredient(), "0.11.0 [default,std] sha256:aa");
        assert!(md5.dependencies.contains("digest@0.11.3"));
        let digest = &all.packages["digest@0.11.3"];
        assert_eq!(digest.ingredient(), "0.11.3 [alloc] git+https://example.org/digest#0123abcd");
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused() {
        let parse = |tree: &str, manifest: &str| Packages::parse(tree, LOCK, manifest).unwrap_err();
        let path = parse("0own v0.1.0|own|\n1local v0.1.0 (/x)|local|\n", "");
        assert!(matches!(path, PackagesError::NoChecksum { package } if package == "local@0.1.0"));
        let renamed =
            parse("", "[package]\nname = \"own\"\n[dependencies]\nx = { version = \"1\", package = \"y\" }\n");
        assert!(matches!(renamed, PackagesError::Renamed { line: 4 }));
        assert!(matches!(parse("own v1|own|", ""), PackagesError::Tree { line: 1, .. }));
        assert!(matches!(parse("3own v1|own|", ""), PackagesError::Tree { line: 1, .. }));
        assert!(matches!(parse("0own|own|", ""), PackagesError::Tree { line: 1, .. }));
    }
}
