//! From manifest texts to cells and settings.

mod many;
mod refusal;
mod schema;
pub mod vocabulary;

use nasperf_pipe::manifest::load::{load, parse};
use nasperf_pipe::manifest::request::Request;
use nasperf_pipe::manifest::resolve::{Cell, Manifest};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vocabulary::vocabulary;

const GOLDEN: &str = "tests/golden/manifest";

fn resolve_with(text: &str, profile: Option<&str>, set: &[&str]) -> Result<Manifest, String> {
    let request =
        Request { profile: profile.map(String::from), set: set.iter().map(|text| text.to_string()).collect() };
    parse("test.toml", text, Path::new(""), &vocabulary(), &request).map_err(|errors| errors.to_string())
}

fn resolve(text: &str) -> Manifest {
    resolve_with(text, None, &[]).unwrap_or_else(|errors| panic!("{errors}"))
}

fn refuse(text: &str) -> String {
    resolve_with(text, None, &[]).expect_err("a bad manifest")
}

fn names(manifest: &Manifest) -> Vec<String> {
    manifest.cells.iter().map(|c| format!("{} {}/{} {}", c.task, c.space, c.algorithm, c.seed)).collect()
}

fn cell<'a>(manifest: &'a Manifest, task: &str, space: &str, seed: u64) -> &'a Cell {
    let wanted = |c: &&Cell| c.task == task && c.space == space && c.seed == seed;
    manifest.cells.iter().find(wanted).expect("the cell")
}

fn setting<'a>(cell: &'a Cell, key: &str) -> Option<&'a Value> {
    cell.settings.get(key)
}

/// Compares with a golden file, or renews it where `NASPERF_GOLDEN=renew`.
fn golden(path: &Path, text: &str) {
    if std::env::var_os("NASPERF_GOLDEN").is_some_and(|value| value == "renew") {
        fs::write(path, text).expect("golden file");
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(expected, text, "{} differs; renew with NASPERF_GOLDEN=renew", path.display());
}

fn manifests(folder: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("folder entry").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "toml"))
        .collect();
    paths.sort();
    paths
}

/// A manifest of the golden folder may open with `#! --profile NAME` and `#! --set KEY=VALUE`.
fn request_of(path: &Path) -> Request {
    let mut request = Request::default();
    for line in String::from_utf8_lossy(&fs::read(path).expect("manifest")).lines() {
        if let Some(name) = line.strip_prefix("#! --profile ") {
            request.profile = Some(name.to_string());
        } else if let Some(text) = line.strip_prefix("#! --set ") {
            request.set.push(text.to_string());
        }
    }
    request
}

#[test]
fn every_good_manifest_gives_its_golden_cells() {
    let paths = manifests(&format!("{GOLDEN}/good"));
    assert!(paths.len() >= 3);
    for path in paths {
        let manifest = load(&path, &vocabulary(), &request_of(&path)).unwrap_or_else(|errors| panic!("{errors}"));
        let mut text =
            format!("name {}\nexecutor {}\nfidelity {}\n", manifest.name, manifest.executor, manifest.fidelity);
        for note in manifest.notes.iter().chain(&manifest.overrides) {
            text.push_str(&format!("note {note}\n"));
        }
        text.push_str(&format!("settings {}\n", json!(*manifest.settings)));
        for (name, cell) in names(&manifest).iter().zip(&manifest.cells) {
            // Beyond what holds for all: definitions, `[data.<task>]`, overrides.
            let own = |(key, value): &(&String, &Value)| manifest.settings.get(*key) != Some(*value);
            let own: Vec<String> =
                cell.settings.iter().filter(own).map(|(key, value)| format!("{key}={value}")).collect();
            text.push_str(&format!("{name} {}\n", own.join(" ")));
        }
        golden(&path.with_extension("txt"), &text);
    }
}

#[test]
fn a_grid_is_a_product_and_grids_are_a_union() {
    let manifest = resolve(
        "[[grid]]\ntask = ['ecg', 'darcy']\nmethod = 'wrn/default'\nseeds = [1, 0]\n\
         [[grid]]\ntask = 'ecg'\nspace = 'wrn'\nalgorithm = ['asha', 'default']\nseeds = 1\n",
    );
    let expected =
        ["darcy wrn/default 0", "darcy wrn/default 1", "ecg wrn/asha 1", "ecg wrn/default 0", "ecg wrn/default 1"];
    assert_eq!(names(&manifest), expected);
}

#[test]
fn zip_pairs_its_lists_and_multiplies_with_the_rest() {
    let manifest = resolve(
        "[run]\nseeds = [0, 1]\n[[grid]]\nzip = { task = ['ecg', 'darcy'], space = ['amber', 'autodeeplab'] }\n\
         algorithm = '*'\n",
    );
    let expected = ["darcy autodeeplab/darts 0", "darcy autodeeplab/darts 1", "ecg amber/enas 0", "ecg amber/enas 1"];
    assert_eq!(names(&manifest), expected);
    let seeds = resolve("[[grid]]\nzip = { task = ['ecg', 'ecg'], seed = [4, 9] }\nmethod = 'wrn/asha'\n");
    assert_eq!(names(&seeds), ["ecg wrn/asha 4", "ecg wrn/asha 9"]);
}

#[test]
fn aliases_name_the_same_method() {
    let one = resolve("[[grid]]\ntask = 'ecg'\nmethod = 'densenas/original'\n");
    let two = resolve("[[grid]]\ntask = 'ecg'\nspace = 'densenas'\nalgorithm = 'original'\n");
    assert_eq!(names(&one), ["ecg densenas/densenas 0"]);
    assert_eq!(names(&one), names(&two));
}

#[test]
fn globs_leave_out_what_is_not_applicable_and_say_so() {
    let manifest = resolve("[[grid]]\ntask = '*'\nmethod = '*'\n");
    // Ten tasks on five general methods, three on each of the two special ones: the published table.
    assert_eq!(manifest.cells.len(), 56);
    assert_eq!(manifest.notes.len(), 2);
    assert!(manifest.notes[0].contains("autodeeplab/darts on cifar100 (2D point)"), "{:?}", manifest.notes);
    let darts = resolve("[[grid]]\ntask = 'd*'\nmethod = 'darts/*'\n");
    assert_eq!(names(&darts), ["darcy darts/gaea 0", "deepsea darts/gaea 0"]);
    // Named beside a glob is named.
    let named = refuse("[[grid]]\ntask = ['ecg', '*']\nmethod = 'autodeeplab/darts'\n");
    assert!(named.contains("`autodeeplab/darts` does not run on ecg (1D point)\n"), "{named}");
}

#[test]
fn exclude_and_include_count_their_cells() {
    let manifest = resolve(
        "[run]\nseeds = [0, 1, 2]\n[[grid]]\ntask = ['ecg', 'deepsea']\nmethod = ['wrn/*', 'amber/enas']\n\
         exclude = [{ task = 'deepsea', seed = [1, 2] }, { method = 'wrn/a*' }]\n\
         include = { task = 'darcy', space = 'autodeeplab', algorithm = 'darts', seed = 7 }\n",
    );
    let expected = [
        "darcy autodeeplab/darts 7",
        "deepsea amber/enas 0",
        "deepsea wrn/default 0",
        "ecg amber/enas 0",
        "ecg amber/enas 1",
        "ecg amber/enas 2",
        "ecg wrn/default 0",
        "ecg wrn/default 1",
        "ecg wrn/default 2",
    ];
    assert_eq!(names(&manifest), expected);
    let notes = [
        "exclude at line 6: 6 cells left out",
        "exclude at line 6: 6 cells left out",
        "include at line 7: 1 cell added",
    ];
    assert_eq!(manifest.notes, notes);
}

#[test]
fn an_excluded_pair_may_be_impossible() {
    let manifest = resolve(
        "[[grid]]\ntask = ['ecg', 'darcy']\nmethod = ['wrn/default', 'amber/enas']\n\
         exclude = { task = 'darcy', method = 'amber/enas' }\n",
    );
    assert_eq!(names(&manifest), ["darcy wrn/default 0", "ecg amber/enas 0", "ecg wrn/default 0"]);
}

#[test]
fn layers_win_in_the_documented_order() {
    let text = "[[grid]]\ntask = ['darcy', 'ecg']\nmethod = ['wrn/default', 'wrn/asha']\n";
    let read = |text: &str, profile: Option<&str>, set: &[&str], task: &str, algorithm: &str, key: &str| {
        let manifest = resolve_with(text, profile, set).unwrap_or_else(|errors| panic!("{errors}"));
        let cell = manifest.cells.iter().find(|c| c.task == task && c.algorithm == algorithm).expect("cell");
        setting(cell, key).cloned()
    };
    // Task definition alone; method definition over it; an override of the method definition.
    assert_eq!(read(text, None, &[], "darcy", "asha", "retrain.epochs"), Some(json!(7)));
    assert_eq!(read(text, None, &[], "darcy", "default", "retrain.epochs"), Some(json!(200)));
    assert_eq!(read(text, None, &[], "darcy", "default", "retrain.batch"), Some(json!(10)));
    assert_eq!(read(text, None, &[], "ecg", "default", "retrain.lr"), Some(json!(0.01)));
    assert_eq!(read(text, None, &[], "ecg", "asha", "retrain.lr"), None);
    // The manifest's tables, the task's own table, overrides in order, profile, --set.
    let text = &format!("{text}[retrain]\nbatch = 11\n[data]\nsize = 'full'\n");
    assert_eq!(read(text, None, &[], "darcy", "default", "retrain.batch"), Some(json!(11)));
    let text = &format!("{text}[data.darcy]\nsize = 'small'\n");
    assert_eq!(read(text, None, &[], "darcy", "default", "data.size"), Some(json!("small")));
    assert_eq!(read(text, None, &[], "ecg", "default", "data.size"), Some(json!("full")));
    let text = &format!(
        "{text}[[override]]\nmatch = {{ task = 'd*' }}\nset = {{ 'retrain.batch' = 12, 'data.size' = 'tiny' }}\n\
         [[override]]\nmatch = {{ method = 'wrn/*' }}\nset.retrain.batch = 13\n"
    );
    assert_eq!(read(text, None, &[], "darcy", "default", "retrain.batch"), Some(json!(13)));
    assert_eq!(read(text, None, &[], "darcy", "default", "data.size"), Some(json!("tiny")));
    let text = &format!("{text}[profile.p]\nset = {{ 'retrain.batch' = 14 }}\n[profile.p.data.ecg]\nsize = 'tiny'\n");
    assert_eq!(read(text, Some("p"), &[], "darcy", "default", "retrain.batch"), Some(json!(14)));
    assert_eq!(read(text, Some("p"), &[], "ecg", "default", "data.size"), Some(json!("tiny")));
    assert_eq!(read(text, None, &[], "darcy", "default", "retrain.batch"), Some(json!(13)));
    let set = &["retrain.batch=15", "data.ecg.size=small"];
    assert_eq!(read(text, Some("p"), set, "darcy", "default", "retrain.batch"), Some(json!(15)));
    assert_eq!(read(text, Some("p"), set, "ecg", "default", "data.size"), Some(json!("small")));
}

#[test]
fn settings_of_no_cell_come_from_tables_profile_and_set_alone() {
    let text = "[[grid]]\ntask = 'darcy'\nmethod = 'wrn/default'\n[aggregate]\nimpute = 'none'\n[data.darcy]\nsize = 'tiny'\n\
                [[override]]\nmatch = { task = 'darcy' }\nset = { 'retrain.batch' = 1 }\n[profile.p.aggregate]\nexpect = 'x'\n";
    let manifest = resolve_with(text, Some("p"), &["retrain.lr=1"]).expect("good");
    let expected = json!({
        "aggregate.expect": "x", "aggregate.impute": "none", "fidelity.point-shuffle": false,
        "fidelity.step-order": "weights-first", "retrain.lr": 1, "run.fidelity": "as-run"
    });
    assert_eq!(json!(*manifest.settings), expected);
}

#[test]
fn fidelity_sets_the_defaults_of_its_switches() {
    let text = "[run]\nfidelity = 'as-described'\n[[grid]]\ntask = 'ecg'\nmethod = 'wrn/default'\n[fidelity]\nstep-order = 'weights-first'\n";
    let manifest = resolve(text);
    let settings = &manifest.cells[0].settings;
    assert_eq!(settings["fidelity.point-shuffle"], json!(true));
    assert_eq!(settings["fidelity.step-order"], json!("weights-first"));
    let back = resolve_with(text, None, &["run.fidelity=as-run"]).expect("good");
    assert_eq!(back.cells[0].settings["fidelity.point-shuffle"], json!(false));
    assert_eq!((manifest.fidelity.as_str(), back.fidelity.as_str()), ("as-described", "as-run"));
}

#[test]
fn a_profile_replaces_all_seeds_and_keeps_rules_on_others_valid() {
    let text = "[run]\nseeds = [0, 1, 2]\n[[grid]]\ntask = ['ecg', 'deepsea']\nmethod = 'wrn/asha'\nseeds = [1, 2]\n\
                exclude = [{ task = 'deepsea', seed = 2 }]\n\
                [[override]]\nmatch = { seed = 1 }\nset = { 'retrain.batch' = 1 }\n\
                [profile.smoke]\nseeds = [0]\n[profile.slurm]\nexecutor = 'slurm'\npartition = 'gpu'\n";
    assert_eq!(resolve(text).cells.len(), 3);
    let smoke = resolve_with(text, Some("smoke"), &[]).expect("good");
    assert_eq!(names(&smoke), ["deepsea wrn/asha 0", "ecg wrn/asha 0"]);
    assert_eq!(smoke.notes, ["exclude at line 7: 0 cells left out"]);
    assert_eq!(smoke.overrides, ["override at line 9: 0 cells"]);
    let set = resolve_with(text, Some("smoke"), &["seeds=[5, 6]"]).expect("good");
    assert_eq!(set.cells.len(), 4);
    let slurm = resolve_with(text, Some("slurm"), &[]).expect("good");
    assert_eq!((slurm.executor.as_str(), &slurm.settings["slurm.partition"]), ("slurm", &json!("gpu")));
    assert!(resolve_with(text, None, &["seeds=[2]"]).is_ok());
    let none = "[[grid]]\ntask = 'ecg'\nmethod = 'wrn/asha'\nseeds = [0, 1]\nexclude = { seed = 1 }\n";
    let error = resolve_with(none, None, &["seeds=1"]).expect_err("nothing left");
    assert!(error.contains("no cell is left under the seeds"), "{error}");
}

#[test]
fn overrides_on_seeds_share_settings_between_equal_cells() {
    let manifest = resolve(
        "[run]\nseeds = [0, 1, 2, 10, 11]\n[[grid]]\ntask = 'ecg'\nmethod = 'wrn/default'\n\
         [[override]]\nmatch = { seed = '1*' }\nset = { 'retrain.batch' = 1 }\n\
         [[override]]\nmatch = { seed = [11] }\nset = { 'retrain.batch' = 2 }\n",
    );
    let batch = |seed| setting(cell(&manifest, "ecg", "wrn", seed), "retrain.batch").cloned().expect("set");
    assert_eq!([0, 1, 2, 10, 11].map(batch), [json!(128), json!(1), json!(128), json!(1), json!(2)]);
    let shared =
        |a, b| Arc::ptr_eq(&cell(&manifest, "ecg", "wrn", a).settings, &cell(&manifest, "ecg", "wrn", b).settings);
    assert!(shared(0, 2) && shared(1, 10) && !shared(0, 1) && !shared(10, 11));
}

#[test]
fn own_tasks_run_on_methods_that_support_their_shape() {
    let manifest = resolve(
        "[task.mine]\ndimension = 1\nkind = 'point'\nsource = 'files'\ndir = 'here'\nshape = [1, 500]\nmetric = 'accuracy'\n\
         [[grid]]\ntask = ['mine', 'ecg']\nmethod = '*'\n",
    );
    let mine = cell(&manifest, "mine", "amber", 0);
    assert_eq!(setting(mine, "task.metric"), Some(&json!("accuracy")));
    assert_eq!(setting(mine, "data.dir"), Some(&json!("here")));
    assert_eq!(setting(mine, "data.source"), Some(&json!("files")));
    assert_eq!(setting(cell(&manifest, "ecg", "amber", 0), "data.dir"), None);
    assert_eq!(manifest.own_tasks.len(), 1);
    assert!(!manifest.cells.iter().any(|c| c.space == "autodeeplab"));
    // A method's definition reaches it by its shape.
    let default = manifest.cells.iter().find(|c| c.task == "mine" && c.algorithm == "default").expect("the cell");
    assert_eq!(setting(default, "retrain.lr"), Some(&json!(0.01)));
}

#[test]
fn published_tables_need_no_grid() {
    let manifest = resolve("[aggregate]\nscores = 'expected/x.toml'\n");
    assert!(manifest.cells.is_empty());
    assert_eq!(manifest.settings["aggregate.scores"], json!("expected/x.toml"));
    assert_eq!(manifest.name, "test");
    assert!(refuse("[aggregate]\nimpute = 'none'\n").contains("no `[[grid]]`"));
}

#[test]
fn the_digest_is_of_the_text_and_cells_do_not_depend_on_its_layout() {
    let one = resolve("[[grid]]\ntask = ['ecg', 'darcy']\nmethod = 'wrn/default'\n[retrain]\nbatch = 1\n");
    let two = resolve("# note\nretrain.batch = 1\n[[grid]]\nmethod = ['wrn/default']\ntask = ['darcy', 'ecg']\n");
    assert_ne!(one.digest, two.digest);
    assert_eq!(one.cells, two.cells);
}

#[test]
fn byte_order_marks_and_line_ends_of_other_systems_do_no_harm() {
    let text = "[[grid]]\r\ntask = 'ecg'\r\nmethod = 'wrn/default'\r\n";
    assert_eq!(names(&resolve(&format!("\u{feff}{text}"))), ["ecg wrn/default 0"]);
    let errors = refuse(&format!("\u{feff}{text}seeds = -1\r\n"));
    assert!(errors.contains("test.toml:4:9\n") && errors.contains("4 | seeds = -1\n"), "{errors:?}");
}
