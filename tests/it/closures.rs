//! What each stage can reach, over the real tree: import rules, layers, golden closures, and that nothing compiled is missed.

mod edits;
mod layers;

use nasperf_pipe::fingerprint::table::Table;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The checkout as it lies on disk.
fn tree() -> &'static Table {
    static TREE: OnceLock<Table> = OnceLock::new();
    TREE.get_or_init(|| Table::scan(root()).unwrap_or_else(|error| panic!("{error}")))
}

#[test]
fn no_file_breaks_an_import_rule() {
    let broken: Vec<String> = tree().violations().iter().map(|violation| format!("src/{violation}")).collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn the_binary_holds_the_table_of_this_tree() {
    assert_eq!(Table::embedded().drift(root()), Vec::<String>::new());
    assert!(Table::embedded().graph() == tree().graph(), "built from these files, but with another table: rebuild");
}

#[test]
fn somebody_decided_on_every_crate_that_a_stage_can_reach() {
    let roots: Vec<String> = tree().graph().files.keys().filter(|path| layers::is_compute(path)).cloned().collect();
    let undecided = tree().undecided(&roots).unwrap();
    assert!(
        undecided.is_empty(),
        "list each of these in src/fingerprint/crates.rs as numeric or inert (docs/cache-key.md says how): {undecided:?}"
    );
}

#[test]
fn closures_are_as_reviewed() {
    let folder = root().join("tests/golden/closures");
    let renew = std::env::var("NASPERF_GOLDEN").is_ok_and(|value| value == "renew");
    // A stage is a file in `stages/` that none beside it imports; the others are what stages share.
    let files = &tree().graph().files;
    let beside = |path: &str| path.starts_with("stages/") && path != "stages/mod.rs";
    let shared: BTreeSet<&String> =
        files.iter().filter(|(path, _)| beside(path)).flat_map(|(_, file)| &file.imports).collect();
    let stages: BTreeSet<&str> = files
        .keys()
        .filter(|path| beside(path) && !shared.contains(path))
        .filter_map(|path| path.strip_prefix("stages/")?.strip_suffix(".rs"))
        .filter(|stage| !stage.contains('/'))
        .collect();
    let mut wrong = Vec::new();
    for stage in &stages {
        let root = format!("stages/{stage}.rs");
        let code = tree().code(std::slice::from_ref(&root)).unwrap();
        // Without versions and digests: it changes only where an import does.
        let mut text = format!("# what {root} reaches\n");
        code.files.keys().for_each(|path| text += &format!("file {path}\n"));
        code.crates.keys().filter(|name| *name != "(edition)").for_each(|name| text += &format!("crate {name}\n"));
        let place = folder.join(format!("{stage}.txt"));
        if renew {
            fs::write(&place, &text).unwrap();
        } else if fs::read_to_string(&place).ok().as_ref() != Some(&text) {
            wrong.push(format!("tests/golden/closures/{stage}.txt should be:\n{text}"));
        }
    }
    for entry in fs::read_dir(&folder).unwrap() {
        let place = entry.unwrap().path();
        let stage = place.file_stem().unwrap().to_str().unwrap().to_string();
        if !stages.contains(stage.as_str()) {
            if renew {
                fs::remove_file(&place).unwrap();
            } else {
                wrong.push(format!("tests/golden/closures/{stage}.txt: there is no such stage"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\nIf these are meant, renew with NASPERF_GOLDEN=renew", wrong.join("\n"));
}

/// Sources under `src/` and `kernels/` that rustc read for the library, from the dep-info beside this test.
fn compiled() -> BTreeSet<String> {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
    let mut sources = BTreeSet::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap_or("").to_string();
        if !(name.starts_with("nasperf_pipe-") && name.ends_with(".d")) {
            continue;
        }
        for word in fs::read_to_string(&path).unwrap().split_whitespace() {
            let word = word.trim_end_matches(':');
            let relative = Path::new(word).strip_prefix(root()).unwrap_or(Path::new(word));
            let known = relative.starts_with("src") || relative.starts_with("kernels");
            // Dep-info of an earlier build may name files that are gone.
            if known && root().join(relative).is_file() {
                sources.insert(relative.to_str().unwrap().to_string());
            }
        }
    }
    sources
}

#[test]
fn every_file_that_rustc_read_is_in_the_table() {
    let compiled = compiled();
    assert!(compiled.contains("src/lib.rs"), "no dep-info of the library found: {compiled:?}");
    let missing: Vec<&String> = compiled
        .iter()
        .filter(|path| {
            let key = path.strip_prefix("src/").map_or_else(|| format!("../{path}"), str::to_string);
            // Definitions under manifests/ are read by the catalog; what they say reaches keys as parameters.
            !path.contains("/../manifests/") && !tree().graph().files.contains_key(&key)
        })
        .collect();
    assert!(missing.is_empty(), "compiled, but not fingerprinted: {missing:?}");
}

/// A copy of what the table is made from, in a folder with another name.
fn copy_of_the_tree() -> (tempfile::TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let copy = scratch.path().join("another name");
    let graph = tree().graph();
    let listed = graph.files.keys().map(|path| match path.strip_prefix("../") {
        Some(outside) => outside.to_string(),
        None => format!("src/{path}"),
    });
    for path in listed.chain(["Cargo.toml".to_string(), "Cargo.lock".to_string()]) {
        fs::create_dir_all(copy.join(&path).parent().unwrap()).unwrap();
        fs::copy(root().join(&path), copy.join(&path)).unwrap();
    }
    (scratch, copy)
}

fn scan_copy(copy: &Path) -> Table {
    let manifests = nasperf_pipe::fingerprint::survey::Manifests::read(copy).unwrap();
    Table::scan_with(copy, &manifests, tree().graph().packages.clone()).unwrap_or_else(|error| panic!("{error}"))
}

/// Files whose digest or edges differ.
fn differing(a: &Table, b: &Table) -> Vec<String> {
    let meaning = |table: &Table, path: &String| {
        let file = table.graph().files.get(path)?;
        Some((file.code, file.imports.clone(), file.crates.clone()))
    };
    let all: BTreeSet<&String> = a.graph().files.keys().chain(b.graph().files.keys()).collect();
    all.into_iter().filter(|path| meaning(a, path) != meaning(b, path)).cloned().collect()
}

#[test]
fn place_and_comments_of_the_tree_do_not_count() {
    let (_scratch, copy) = copy_of_the_tree();
    assert_eq!(differing(&scan_copy(&copy), tree()), Vec::<String>::new());
    for path in tree().graph().files.keys().filter(|path| path.ends_with(".rs")) {
        let place = copy.join("src").join(path);
        let text = fs::read_to_string(&place).unwrap();
        fs::write(
            &place,
            format!("{text}\n// more\n#[cfg(test)]\nmod more_tests {{\n    use crate::digest::Digest;\n}}\n"),
        )
        .unwrap();
    }
    assert_eq!(differing(&scan_copy(&copy), tree()), Vec::<String>::new());
    let drift = tree().drift(&copy);
    assert!(drift.contains(&"src/lib.rs (changed)".to_string()), "{drift:?}");
}

#[test]
fn another_layout_of_the_tree_does_not_count() {
    let (_scratch, copy) = copy_of_the_tree();
    let before = fs::read_to_string(copy.join("src/digest.rs")).unwrap();
    let narrow = ["--edition", "2024", "--config", "max_width=60,use_small_heuristics=Off,tab_spaces=3", "src/lib.rs"];
    match Command::new("rustfmt").args(narrow).current_dir(&copy).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!("rustfmt: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => return eprintln!("skipped: no rustfmt ({error})"),
    }
    assert_ne!(before, fs::read_to_string(copy.join("src/digest.rs")).unwrap(), "rustfmt changed nothing");
    assert_eq!(differing(&scan_copy(&copy), tree()), Vec::<String>::new());
}
