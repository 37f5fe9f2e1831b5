//! The edit cases of the key: an edit of the real source tree, its fingerprint scanned anew, the same manifest planned against a
//! cache that was filled before. Which nodes run again, and does `why` name the cause?

use crate::support::lab::{Lab, SMALL};
use nasperf_pipe::cli::catalog::Catalog;
use nasperf_pipe::cli::explain::Explainer;
use nasperf_pipe::cli::options::LayerOptions;
use nasperf_pipe::cli::session::{Session, snapshot_hits};
use nasperf_pipe::fingerprint::packages::Packages;
use nasperf_pipe::fingerprint::survey::Manifests;
use nasperf_pipe::fingerprint::table::Table;
use nasperf_pipe::plan::stale::Status;
use nasperf_pipe::stages::entry::Names;
use nasperf_pipe::store::store::Store;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A copy of what keys are made from, to edit.
struct Tree {
    folder: tempfile::TempDir,
}

impl Tree {
    fn new() -> Tree {
        let tree = Tree { folder: tempfile::tempdir().unwrap() };
        for name in ["src", "kernels"] {
            copy(&root().join(name), &tree.path(name));
        }
        for name in ["Cargo.toml", "Cargo.lock"] {
            std::fs::copy(root().join(name), tree.path(name)).unwrap();
        }
        tree
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn edit(&self, name: &str, change: impl Fn(&str) -> String) {
        let before = std::fs::read_to_string(self.path(name)).unwrap();
        let after = change(&before);
        assert_ne!(before, after, "the edit of {name} changed nothing");
        std::fs::write(self.path(name), after).unwrap();
    }

    /// Scanned anew, with the crates of the real checkout.
    fn table(&self) -> Table {
        let manifests = Manifests::read(root()).unwrap();
        self.table_with(manifests.lock.clone(), manifests)
    }

    /// The same, with another text of `Cargo.lock`.
    fn table_with(&self, lock: String, manifests: Manifests) -> Table {
        let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        let target = Table::embedded().graph().target.clone();
        let packages = Packages::resolve(&cargo, root(), &target, &lock, &manifests.manifest).unwrap();
        Table::scan_with(self.folder.path(), &Manifests { lock, ..manifests }, packages).unwrap()
    }
}

struct Fixture {
    lab: Lab,
}

/// What an edit led to.
struct After {
    /// Nodes that run for sure, by stage and method.
    run: BTreeSet<String>,
    waits: BTreeSet<String>,
    why: String,
}

impl Fixture {
    /// A cache in which everything is done by the binary under test.
    fn new() -> Fixture {
        let lab = Lab::new(SMALL);
        lab.expect(0, &["m.toml"]);
        Fixture { lab }
    }

    fn after(&self, table: Table, set: &[&str]) -> After {
        let table: &'static Table = Box::leak(Box::new(table));
        let mut catalog = Catalog::collect();
        catalog.table = table;
        let layers = LayerOptions { set: set.iter().map(|s| s.to_string()).collect(), profile: None };
        let session =
            Session::open(catalog, &self.lab.path("m.toml"), &layers).unwrap_or_else(|e| panic!("{}", e.message));
        let store = Store::open(&self.lab.path("cache")).unwrap();
        let hits = snapshot_hits(&store).unwrap_or_else(|e| panic!("{}", e.message));
        let mut assessor = session.assessor(&store);
        let status = assessor.assess(hits, &[]).unwrap();
        let mut explainer = Explainer::new(&session, &store);
        let (mut run, mut waits, mut why) = (BTreeSet::new(), BTreeSet::new(), String::new());
        for (id, status_of) in status.iter().enumerate() {
            if matches!(status_of, Status::Hit { .. }) {
                continue;
            }
            let explanation =
                explainer.explain(&mut assessor, &status, id, false).unwrap_or_else(|e| panic!("{}", e.message));
            // Who waits and has a cause of its own runs in any case.
            let only_waits = matches!(status_of, Status::Waits { .. }) && explanation.causes.is_empty();
            let into = if only_waits { &mut waits } else { &mut run };
            into.insert(session.label(id).to_string());
            for cause in explanation.causes {
                why.push_str(&format!("{}: {cause}\n", session.label(id)));
            }
        }
        After { run, waits, why }
    }
}

fn stages(labels: &BTreeSet<String>) -> BTreeSet<&str> {
    labels.iter().map(|label| label.split('[').next().unwrap_or_default()).collect()
}

#[test]
fn edits_run_what_they_can_change_and_nothing_else() {
    let fixture = Fixture::new();
    let nothing = |what: &str, after: After| {
        assert!(
            after.run.is_empty() && after.waits.is_empty(),
            "{what}: {:?} {:?}\n{}",
            after.run,
            after.waits,
            after.why
        );
    };

    // The scanner sees at run time what build.rs saw: nothing to do. Another folder, too.
    nothing("another checkout folder", fixture.after(Tree::new().table(), &[]));

    let tree = Tree::new();
    tree.edit("src/stages/retrain.rs", |s| format!("{s}\n// a remark\n"));
    tree.edit("src/tasks/darcy/objective.rs", |s| s.replacen("//!", "//! Reworded.\n//!", 1));
    tree.edit("src/training/sgd.rs", |s| {
        format!("{s}\n#[cfg(test)]\nmod more {{\n    #[test]\n    fn holds() {{}}\n}}\n")
    });
    tree.edit("src/nn/conv.rs", |s| s.replace("    ", "        "));
    nothing("comments, docs, tests, layout", fixture.after(tree.table(), &[]));

    let tree = Tree::new();
    for engine in ["src/execute/scheduler.rs", "src/cli/run.rs", "src/report/markdown.rs", "src/progress/plain.rs"] {
        tree.edit(engine, |s| format!("{s}\n/// New.\npub const NEW: u32 = 1;\n"));
    }
    nothing("scheduler, command line, report, display", fixture.after(tree.table(), &[]));

    let cases: [(&str, &[&str], bool); 6] = [
        // Retraining reads the optimiser; evaluation, search and data do not.
        ("src/training/sgd.rs", &["retrain"], true),
        ("src/stages/evaluate.rs", &["evaluate"], true),
        ("src/stages/aggregate.rs", &["aggregate"], false),
        ("src/stages/preprocess.rs", &["preprocess"], true),
        ("src/algorithms/default.rs", &["search"], true),
        ("src/spaces/wrn/default.rs", &["search"], true),
    ];
    for (file, expected, more_wait) in cases {
        let tree = Tree::new();
        tree.edit(file, |s| format!("{s}\n/// New.\npub const NEW: u32 = 1;\n"));
        let after = fixture.after(tree.table(), &[]);
        assert_eq!(stages(&after.run), expected.iter().copied().collect(), "{file}\n{}", after.why);
        assert_eq!(!after.waits.is_empty(), more_wait, "{file}");
        let named = format!("code {file}: ");
        assert!(after.why.contains(&named) && after.why.contains(" → "), "{file}\n{}", after.why);
        // Whoever waits has no cause of its own: it is a hit if the bytes are the same.
        assert!(after.waits.iter().all(|label| !after.why.contains(&format!("{label}: "))), "{file}\n{}", after.why);
    }

    // One task's metric: evaluation of that task only.
    let tree = Tree::new();
    tree.edit("src/tasks/darcy/metric.rs", |s| format!("{s}\n/// New.\npub const NEW: u32 = 1;\n"));
    let after = fixture.after(tree.table(), &[]);
    assert_eq!(stages(&after.run), BTreeSet::from(["evaluate"]));
    assert!(after.run.iter().all(|label| label.contains("darcy")), "{:?}", after.run);

    // The solver makes embedded data only: official data are not downloaded again for it.
    let tree = Tree::new();
    tree.edit("src/tasks/darcy/solver.rs", |s| format!("{s}\n/// New.\npub const NEW: u32 = 1;\n"));
    let after = fixture.after(tree.table(), &[]);
    assert_eq!(after.run, BTreeSet::from(["fetch[task=darcy]".to_string()]), "{}", after.why);
    let catalog = Catalog::collect();
    let reached = |source: &str| {
        let names = Names { task: Some("darcy".to_string()), ..Names::default() };
        let params = serde_json::Map::from_iter([("data.source".to_string(), source.into())]);
        let code = catalog.table.code(&(catalog.stages[0].roots)(&names, &params)).unwrap();
        code.files.contains_key("tasks/darcy/solver.rs")
    };
    assert!(reached("embedded") && !reached("official") && !reached("files"));

    // A setting that one stage reads.
    let after = fixture.after(Tree::new().table(), &["retrain.momentum=0.8"]);
    assert_eq!(stages(&after.run), BTreeSet::from(["retrain"]));
    assert!(after.why.contains("parameter retrain.momentum: 0.9 → 0.8"), "{}", after.why);
    nothing(
        "threads and paths",
        fixture.after(Tree::new().table(), &["resources.threads=7", "data.mirrors=[\"file:///x\"]"]),
    );
}

#[test]
fn a_numeric_crate_reruns_what_reaches_it_and_an_inert_one_nothing() {
    let fixture = Fixture::new();
    let tree = Tree::new();
    let bumped = |name: &str| {
        let manifests = Manifests::read(root()).unwrap();
        // A bump as it shows in the lock: another checksum of the same crate.
        let mut lines: Vec<String> = manifests.lock.lines().map(str::to_string).collect();
        let at = lines.iter().position(|line| *line == format!("name = \"{name}\"")).expect("the crate is locked");
        let sum = (at..at + 5).find(|&i| lines[i].starts_with("checksum")).expect("a checksum");
        lines[sum] = format!("checksum = \"{}\"", "0".repeat(64));
        let lock = lines.join("\n") + "\n";
        tree.table_with(lock, manifests)
    };
    let after = fixture.after(bumped("indicatif"), &[]);
    assert!(after.run.is_empty() && after.waits.is_empty(), "{:?}", after.run);
    let after = fixture.after(bumped("rustfft"), &[]);
    assert_eq!(stages(&after.run), BTreeSet::from(["fetch"]), "{}", after.why);
    assert!(after.why.contains("crate rustfft: "), "{}", after.why);
    let after = fixture.after(bumped("gemm"), &[]);
    // Searching reaches candle, and candle this crate.
    assert_eq!(stages(&after.run), BTreeSet::from(["search", "retrain", "evaluate"]), "{}", after.why);
}

#[test]
fn equal_bytes_stop_the_wave() {
    let lab = Lab::new(SMALL);
    lab.expect(0, &["m.toml"]);
    // The generator of one task runs again (asked for) and gives the same bytes: nothing after it runs.
    lab.expect(0, &["m.toml", "--rerun", "preprocess[task=darcy]"]);
    assert_eq!(lab.executed(), ["preprocess[task=darcy]"]);
    // Two seeds of the same default search give the same architecture.
    let why = lab.expect(0, &["why", "retrain[task=darcy,seed=0]"]);
    assert!(why.out.contains("nothing reruns"), "{}", why.out);
}
