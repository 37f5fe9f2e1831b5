//! Files in the official formats through the product's own fetch → preprocess → … → report, by the shipped manifest.

use crate::support::lab::Lab;
use std::path::{Path, PathBuf};

/// The folder of small real data, or `None` (the test then says that it skipped).
fn data() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::var_os("NASPERF_TEST_DATA").map_or_else(|| root.join("../shared/data"), PathBuf::from);
    let there = folder.join("darcy/piececonst_r16_N200_smooth1.mat").exists();
    if !there {
        eprintln!("skipped: no test data in {}", folder.display());
    }
    there.then_some(folder)
}

#[test]
fn small_official_files_run_through_all_stages() {
    let Some(data) = data() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lab = Lab::new("");
    let manifest = root.join("manifests/small-official.toml");
    let dir = format!("data.dir={}", data.canonicalize().unwrap().display());
    let arguments =
        [manifest.to_str().unwrap(), "--set", &dir, "--set", "retrain.epochs=1", "--set", "network.width=1"];
    let said = lab.expect(0, &arguments);
    assert!(
        said.out.contains("files") && said.out.contains("89.66"),
        "the majority class of 58 pictures: {}",
        said.out
    );
    // five stages of each of four cells, and the table
    assert_eq!(lab.executed().len(), 5 * 4 + 1);
    for part in ["ecg", "ninapro", "85.71"] {
        assert!(said.out.contains(part), "{part}, the majority class of 560 windows of 7 gestures: {}", said.out);
    }
    // A file of the folder is an input like any other: unchanged, nothing runs.
    lab.expect(0, &arguments);
    assert!(lab.executed().is_empty());
}

#[test]
fn without_overrides_the_error_names_file_expected_and_found() {
    let Some(data) = data() else { return };
    let data = data.canonicalize().unwrap();
    let text = format!(
        "[[grid]]\ntask = [\"cifar100\", \"darcy\"]\nmethod = [\"wrn/default\"]\n[data]\nsource = \"files\"\n\
         [data.cifar100]\ndir = \"{0}/cifar100/cifar-100-python\"\n[data.darcy]\ndir = \"{0}/darcy\"\n\
         files = [{{ name = \"piececonst_r16_N200_smooth1.mat\" }}, {{ name = \"piececonst_r16_N50_smooth2.mat\" }}]\n",
        data.display()
    );
    let lab = Lab::new(&text);
    let said = lab.expect(1, &["m.toml"]);
    for part in [
        "train: expected 50000 pictures, found 174; set data.train",
        "piececonst_r16_N200_smooth1.mat: variable `coeff`: expected at least 1000 samples of 421×421, found 200 samples of 16×16",
    ] {
        assert!(said.err.contains(part), "{part}\n{}", said.err);
    }
    let missing = Lab::new(&text.replace("/darcy\"", "/nowhere\""));
    let said = missing.expect(2, &["m.toml"]);
    assert!(said.err.contains("nowhere"), "{}", said.err);
}

/// Files as the publishers of ECG and NinaPro's armband streams give them.
#[test]
fn the_publishers_recordings_run_through_all_stages() {
    let Some(data) = data() else { return };
    let data = data.canonicalize().unwrap();
    let list = |names: &[String]| names.iter().map(|name| format!("{{ name = \"{name}\" }},\n")).collect::<String>();
    let mut records: Vec<String> = std::fs::read_dir(data.join("ecg/records"))
        .unwrap()
        .map(|entry| format!("records/{}", entry.unwrap().file_name().into_string().unwrap()))
        .collect();
    records.sort();
    let streams: Vec<String> = (0..28).map(|number| format!("myo_raw/Female0/training0/classe_{number}.dat")).collect();
    let text = |ecg: &str, ninapro: &str| {
        format!(
            "[[grid]]\ntask = [\"ecg\", \"ninapro\"]\nmethod = [\"wrn/default\"]\n[data]\nsource = \"files\"\n\
             [data.ecg]\ndir = \"{0}/ecg\"\nfiles = [{1}]\n{ecg}\n[data.ninapro]\ndir = \"{0}/ninapro\"\n\
             files = [{2}]\n{ninapro}\n[network]\nwidth = 1\n[retrain]\nepochs = 1\n",
            data.display(),
            list(&records),
            list(&streams)
        )
    };
    let lab = Lab::new(&text("", ""));
    let said = lab.expect(1, &["m.toml"]);
    for part in [
        "ecg, 137 files: 8528 recordings were expected, found 68; set data.recordings",
        "an armband's stream of 8 electrodes does not fit data.channels 16; set data.channels",
    ] {
        assert!(said.err.contains(part), "{part}\n{}", said.err);
    }
    let ninapro = "channels = 8\nclasses = 7\ntrain = 266\nvalidation = 133\ntest = 133";
    let lab = Lab::new(&text("recordings = 68", ninapro));
    let said = lab.expect(0, &["m.toml"]);
    assert_eq!(lab.executed().len(), 5 * 2 + 1);
    assert!(said.out.contains("files") && said.out.contains("85.71"), "{}", said.out);
}
