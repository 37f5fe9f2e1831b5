//! Which edits change the code of which stage, on a small tree with an edge of every kind.

use nasperf_pipe::fingerprint::packages::Packages;
use nasperf_pipe::fingerprint::rules::Rule;
use nasperf_pipe::fingerprint::survey::Manifests;
use nasperf_pipe::fingerprint::table::{Code, Table, UnknownRoot};
use std::fs;
use std::path::{Path, PathBuf};

/// A checkout in a scratch folder. Training reaches the op and its kernels; evaluation reaches the metric only.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", "[package]\nname = \"toy\"\nversion = \"0.1.0\"\nedition = \"2024\"\n"),
    ("src/lib.rs", "pub mod metrics; pub mod ops; pub mod stages; pub mod report; pub mod seed;"),
    ("src/seed.rs", "pub fn stream() -> u64 { 7 }"),
    (
        "src/stages/mod.rs",
        "pub mod evaluate; pub mod retrain; pub const ROWS: [&str; 2] = [\"retrain\", \"evaluate\"];",
    ),
    (
        "src/stages/retrain.rs",
        "use crate::ops::conv::forward;\nuse serde::Serialize;\n\n#[derive(Serialize)]\npub struct Weights(Vec<f32>);\n\n\
         pub fn retrain() -> Weights {\n    Weights(vec![forward(0.1), crate::seed::stream() as f32])\n}\n",
    ),
    (
        "src/stages/evaluate.rs",
        "use crate::metrics::accuracy::accuracy;\n\npub fn evaluate() -> f64 {\n    accuracy(3, 4)\n}\n",
    ),
    ("src/metrics/mod.rs", "pub mod accuracy;"),
    (
        "src/metrics/accuracy.rs",
        "pub fn accuracy(right: u32, all: u32) -> f64 {\n    f64::from(right) / f64::from(all)\n}\n\n\
         #[cfg(test)]\nmod tests {\n    #[test]\n    fn half() {\n        assert_eq!(super::accuracy(1, 2), 0.5);\n    }\n}\n",
    ),
    ("src/ops/mod.rs", "pub mod conv;"),
    (
        "src/ops/conv/mod.rs",
        "mod cpu;\nmod cuda;\n\n/// Forward.\npub fn forward(x: f32) -> f32 {\n    assert!(x > cpu::LEAST);\n    cuda::run(cpu::run(x))\n}\n",
    ),
    (
        "src/ops/conv/cpu.rs",
        "pub const LEAST: f32 = -1.0;\n\npub fn run(x: f32) -> f32 {\n    candle_core::scale(x, 2.0)\n}\n",
    ),
    (
        "src/ops/conv/cuda.rs",
        "const SOURCE: &str = include_str!(\"../../../kernels/conv.cu\");\n\npub fn run(x: f32) -> f32 {\n    x + SOURCE.len() as f32\n}\n",
    ),
    ("kernels/conv.cu", "#include \"warp.cuh\"\n__global__ void conv() {}\n"),
    ("kernels/warp.cuh", "// sums over a warp\n"),
    ("kernels/unused.cu", "__global__ void unused() {}\n"),
    ("src/report/mod.rs", "pub mod table;"),
    ("src/report/table.rs", "pub fn table() -> &'static str { \"| task |\" }"),
];

const TREE: &str = "0toy v0.1.0 (/toy)|toy|\n1candle-core v0.11.1|candle_core|default\n2gemm v0.19.0|gemm|rayon,std\n\
                    3rayon v1.12.0|rayon|\n2half v2.7.1|half|std\n1serde v1.0.229|serde|derive,std\n";

fn lock(tree: &str) -> String {
    let packages = tree.lines().map(|line| {
        let (name, version) =
            line.trim_start_matches(char::is_numeric).split('|').next().unwrap().split_once(" v").unwrap();
        let version = version.split(' ').next().unwrap();
        format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nchecksum = \"{name}{version}\"\n")
    });
    packages.collect()
}

struct Toy {
    _scratch: tempfile::TempDir,
    root: PathBuf,
    tree: String,
}

impl Toy {
    fn new(folder: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let toy = Toy { root: scratch.path().join(folder), _scratch: scratch, tree: TREE.to_string() };
        for (path, text) in FILES {
            toy.write(path, text);
        }
        toy
    }

    fn write(&self, path: &str, text: &str) {
        let place = self.root.join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }

    #[track_caller]
    fn replace(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.root.join(path)).unwrap();
        assert!(text.contains(from), "{path} has no {from:?}");
        self.write(path, &text.replace(from, to));
    }

    fn table(&self) -> Table {
        self.write("Cargo.lock", &lock(&self.tree));
        let manifests = Manifests::read(&self.root).unwrap();
        let packages = Packages::parse(&self.tree, &manifests.lock, &manifests.manifest).unwrap();
        Table::scan_with(&self.root, &manifests, packages).unwrap()
    }

    fn code(&self) -> Stages {
        let table = self.table();
        let code = |stage: &str| table.code(&[format!("stages/{stage}.rs")]).unwrap();
        Stages { retrain: code("retrain"), evaluate: code("evaluate") }
    }
}

#[derive(Clone, PartialEq, Debug)]
struct Stages {
    retrain: Code,
    evaluate: Code,
}

/// Applies an edit to a fresh checkout and gives the files and crates of each stage that came out different.
#[track_caller]
fn changed(edit: impl FnOnce(&mut Toy)) -> (Vec<String>, Vec<String>) {
    let mut toy = Toy::new("toy");
    let before = toy.code();
    edit(&mut toy);
    let after = toy.code();
    let names = |a: &Code, b: &Code| -> Vec<String> {
        let files = a.files.iter().filter(|(path, digest)| b.files.get(*path) != Some(digest)).map(|(path, _)| path);
        let crates = a.crates.iter().filter(|(name, text)| b.crates.get(*name) != Some(text)).map(|(name, _)| name);
        files.chain(crates).cloned().collect()
    };
    for (a, b) in [(&before.retrain, &after.retrain), (&before.evaluate, &after.evaluate)] {
        assert_eq!(a == b, a.digest() == b.digest(), "the digest must tell what the parts tell");
    }
    (names(&before.retrain, &after.retrain), names(&before.evaluate, &after.evaluate))
}

fn none() -> (Vec<String>, Vec<String>) {
    (Vec::new(), Vec::new())
}

#[test]
fn closures_hold_what_is_reached_and_no_more() {
    let code = Toy::new("toy").code();
    let files: Vec<&str> = code.retrain.files.keys().map(String::as_str).collect();
    let expected = [
        "../kernels/conv.cu",
        "../kernels/warp.cuh",
        "ops/conv/cpu.rs",
        "ops/conv/cuda.rs",
        "ops/conv/mod.rs",
        "seed.rs",
        "stages/retrain.rs",
    ];
    assert_eq!(files, expected);
    // serde and rayon are inert.
    assert_eq!(code.retrain.crates.keys().collect::<Vec<_>>(), ["(edition)", "candle-core", "gemm", "half"]);
    assert_eq!(code.retrain.crates["gemm"], "0.19.0 [rayon,std] sha256:gemm0.19.0");
    assert_eq!(code.evaluate.files.keys().collect::<Vec<_>>(), ["metrics/accuracy.rs", "stages/evaluate.rs"]);
    assert_eq!(code.evaluate.crates.keys().collect::<Vec<_>>(), ["(edition)"]);
    let text = code.evaluate.text();
    assert!(text.starts_with("code 1\nfile metrics/accuracy.rs "), "{text}");
    assert_eq!(serde_json::from_str::<Code>(&serde_json::to_string(&code.retrain).unwrap()).unwrap(), code.retrain);
}

#[test]
fn edits_that_change_no_result_change_no_code() {
    let file = "src/metrics/accuracy.rs";
    assert_eq!(changed(|toy| toy.replace(file, "pub fn", "/// The share.\npub fn")), none());
    assert_eq!(changed(|toy| toy.replace(file, "    f64", "    // exact\n    f64")), none());
    assert_eq!(changed(|toy| toy.replace(file, "(1, 2), 0.5", "(2, 4), 0.5")), none());
    assert_eq!(changed(|toy| toy.replace(file, "right: u32, all: u32", "\n    right: u32,\n    all: u32,\n")), none());
    assert_eq!(changed(|toy| toy.replace("src/report/table.rs", "task", "cell")), none());
    assert_eq!(changed(|toy| toy.replace("src/stages/mod.rs", "ROWS", "TABLE")), none());
    assert_eq!(changed(|toy| toy.replace("kernels/unused.cu", "unused", "used")), none());
    assert_eq!(changed(|toy| toy.write("src/metrics/mod.rs", "pub mod accuracy; pub mod auroc;")), none());
    assert_eq!(changed(|toy| toy.replace("Cargo.toml", "0.1.0", "0.2.0")), none());
    assert_eq!(Toy::new("toy").code(), Toy::new("renamed checkout").code());
}

#[test]
fn edits_change_what_reaches_them() {
    let only = |retrain: &[&str], evaluate: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        (owned(retrain), owned(evaluate))
    };
    let constant = changed(|toy| toy.replace("src/ops/conv/cpu.rs", "2.0", "3.0"));
    assert_eq!(constant, only(&["ops/conv/cpu.rs"], &[]));
    let in_macro = changed(|toy| toy.replace("src/ops/conv/mod.rs", "x > cpu", "x >= cpu"));
    assert_eq!(in_macro, only(&["ops/conv/mod.rs"], &[]));
    let inline = changed(|toy| toy.replace("src/seed.rs", "7", "8"));
    assert_eq!(inline, only(&["seed.rs"], &[]));
    let metric = changed(|toy| toy.replace("src/metrics/accuracy.rs", " / ", " * "));
    assert_eq!(metric, only(&[], &["metrics/accuracy.rs"]));
    let kernel = changed(|toy| toy.replace("kernels/conv.cu", "void conv", "void convolve"));
    assert_eq!(kernel, only(&["../kernels/conv.cu"], &[]));
    let header = changed(|toy| toy.replace("kernels/warp.cuh", "a warp", "two warps"));
    assert_eq!(header, only(&["../kernels/warp.cuh"], &[]));
    let edition = changed(|toy| toy.replace("Cargo.toml", "2024", "2021"));
    assert_eq!(edition, only(&["(edition)"], &["(edition)"]));
    let import_gone = changed(|toy| toy.replace("src/stages/retrain.rs", ", crate::seed::stream() as f32", ""));
    assert_eq!(import_gone, only(&["seed.rs", "stages/retrain.rs"], &[]));
}

#[test]
fn crates_count_when_they_are_numeric() {
    let bump = |from: &'static str, to: &'static str| {
        changed(move |toy| {
            assert!(toy.tree.contains(from));
            toy.tree = toy.tree.replace(from, to);
        })
    };
    assert_eq!(bump("serde v1.0.229", "serde v1.0.230"), none());
    assert_eq!(bump("rayon v1.12.0", "rayon v1.13.0"), none());
    assert_eq!(bump("gemm v0.19.0", "gemm v0.19.1"), (vec!["gemm".to_string()], Vec::new()));
    assert_eq!(bump("half|std", "half|std,use-intrinsics"), (vec!["half".to_string()], Vec::new()));
}

#[test]
fn an_undecided_crate_counts_and_is_told() {
    let mut toy = Toy::new("toy");
    toy.tree += "1brand-new v0.1.0|brand_new|\n";
    toy.replace("src/seed.rs", "7", "brand_new::seven()");
    let table = toy.table();
    let reach = table.reach(&["stages/retrain.rs".to_string()]).unwrap();
    assert_eq!(reach.undecided.into_iter().collect::<Vec<_>>(), ["brand-new@0.1.0"]);
    assert!(toy.code().retrain.crates.contains_key("brand-new"));
}

#[test]
fn two_versions_of_one_crate_are_both_told() {
    let mut toy = Toy::new("toy");
    toy.tree += "1rand v0.9.5|rand|\n2half v1.0.0|half|\n";
    toy.replace("src/seed.rs", "7", "rand::seven()");
    assert_eq!(toy.code().retrain.crates["half"], "1.0.0 [] sha256:half1.0.0 + 2.7.1 [std] sha256:half2.7.1");
}

#[test]
fn unknown_roots_and_folders_are_refused() {
    let toy = Toy::new("toy");
    let error = toy.table().code(&["stages/retrain.rs".to_string(), "stages/serch.rs".to_string()]).unwrap_err();
    assert_eq!(error, UnknownRoot("stages/serch.rs".to_string()));
    let nowhere = Table::scan(&toy.root.join("src")).err().expect("no checkout").to_string();
    assert!(nowhere.contains("not a source checkout"), "{nowhere}");
    assert_eq!(toy.table().drift(Path::new("/nonexistent")), Vec::<String>::new());
}

#[test]
fn what_cannot_be_followed_is_reported_and_counts() {
    let toy = Toy::new("toy");
    toy.write("src/ops/conv/cuda.rs", "const SOURCE: &str = include_str!(\"../../../kernels/gone.cu\");");
    toy.write("src/seed.rs", "fn broken( {");
    let table = toy.table();
    let rules: Vec<(&str, Rule)> = table.violations().iter().map(|v| (v.file.as_str(), v.rule)).collect();
    assert_eq!(rules, [("ops/conv/cuda.rs", Rule::MissingInclude), ("seed.rs", Rule::Unparsed)]);
    // A file that cannot be read may use anything.
    let code = table.code(&["stages/retrain.rs".to_string()]).unwrap();
    assert!(code.files.contains_key("report/table.rs"));
}

#[test]
fn drift_tells_what_differs_from_the_binary() {
    let toy = Toy::new("toy");
    let table = toy.table();
    assert_eq!(table.drift(&toy.root), Vec::<String>::new());
    toy.replace("src/seed.rs", "7", "8");
    toy.replace("kernels/conv.cu", "conv()", "conv(int n)");
    fs::remove_file(toy.root.join("src/report/table.rs")).unwrap();
    toy.write("src/report/csv.rs", "");
    toy.write("Cargo.lock", "");
    assert_eq!(
        table.drift(&toy.root),
        [
            "Cargo.lock (changed)",
            "kernels/conv.cu (changed)",
            "src/report/csv.rs (new)",
            "src/report/table.rs (missing)",
            "src/seed.rs (changed)"
        ]
    );
}
