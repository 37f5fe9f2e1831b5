//! Damaged objects, a full disk, failing cells, wrong manifests: said clearly, nothing lost.

use crate::support::lab::{Lab, SMALL, files};
use std::process::Command;

#[test]
fn a_flipped_bit_is_found_set_aside_made_again_and_reported() {
    let lab = Lab::new(SMALL);
    lab.expect(0, &["m.toml"]);
    let digests = lab.digests();
    let cell = "task=darcy,method=wrn/default,seed=0";
    for (output, reader) in [
        (format!("retrain[{cell}] weights.safetensors"), Some(format!("evaluate[{cell}]"))),
        ("aggregate summary.json".to_string(), None),
    ] {
        let path = lab.object(&output);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let mut arguments = vec!["m.toml"];
        if let Some(reader) = &reader {
            arguments.extend(["--rerun", reader]);
        }
        let said = lab.expect(0, &arguments);
        assert!(said.err.contains("set aside"), "{output}\n{}", said.err);
        let maker = output.split(' ').next().unwrap().to_string();
        assert!(lab.executed().contains(&maker), "{output}: {:?}", lab.executed());
        assert_eq!(lab.digests(), digests);
        assert!(!files(&lab.path("cache/quarantine")).is_empty());
    }
    lab.expect(0, &["m.toml", "--require-cached"]);
}

#[test]
fn a_full_disk_is_a_clear_error_and_a_rerun_succeeds() {
    let lab = Lab::new(SMALL);
    let small = lab.path("cache");
    std::fs::create_dir(&small).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=300k", "tmpfs"]).arg(&small).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: mounting a small tmpfs needs root");
        return;
    }
    let said = lab.say(&["m.toml", "--set", "data.darcy.grid=60", "--max-fail", "1"]);
    let remount = Command::new("mount").args(["-o", "remount,size=64m"]).arg(&small).status().unwrap();
    let rerun = lab.say(&["m.toml", "--set", "data.darcy.grid=60"]);
    let half = files(&lab.path("cache/tmp"));
    Command::new("umount").arg("-l").arg(&small).status().unwrap();
    assert!(remount.success());
    assert_ne!(said.code, Some(0));
    assert!(said.code.is_some(), "no crash");
    assert!(said.err.contains("full") || said.err.contains("No space left"), "{}", said.err);
    assert_eq!(rerun.code, Some(0), "{}", rerun.err);
    assert!(half.is_empty(), "half-written files stay behind: {half:?}");
}

/// One seed of one task fails; everything else runs, and the report shows the hole.
#[test]
fn a_failing_cell_blocks_only_its_descendants() {
    let failing = format!(
        "{SMALL}\n[[override]]\nmatch = {{ task = \"darcy\", seed = 1 }}\nset = {{ \"retrain.learning_rate\" = 1e6 }}\n"
    );
    let lab = Lab::new(&failing);
    let said = lab.expect(1, &["m.toml"]);
    let cell = "task=darcy,method=wrn/default,seed=1";
    let events = lab.events();
    let of = |event: &str| events.iter().filter(|(e, _)| e == event).map(|(_, node)| node.as_str()).collect::<Vec<_>>();
    assert_eq!(of("node-failed"), [format!("retrain[{cell}]")]);
    assert_eq!(of("node-blocked"), [format!("evaluate[{cell}]")]);
    assert_eq!(of("node-retried"), [""; 0], "divergence is not tried again");
    assert_eq!(of("node-done").len(), 17 - 2);
    assert!(said.err.contains("numeric"), "{}", said.err);
    let report = std::fs::read_to_string(lab.path("report/small/report.md")).unwrap();
    assert!(report.contains("1/2"), "the hole is shown: {report}");
    let log = lab.expect(0, &["logs", &format!("retrain[{cell}]")]);
    assert!(log.out.contains("numeric"), "{}", log.out);
    let status = lab.expect(0, &["status"]);
    assert!(status.out.contains("1 failed") && status.out.contains("1 blocked"), "{}", status.out);
}

#[test]
fn wrong_manifests_end_with_code_2_a_place_and_a_remedy() {
    let grid = "[[grid]]\ntask = [\"darcy\"]\nmethod = [\"wrn/default\"]\n";
    let wrong = [
        (
            "unknown task",
            "[[grid]]\ntask = [\"darcyy\"]\nmethod = [\"wrn/default\"]\n".to_string(),
            "did you mean `darcy`",
        ),
        ("unknown key", format!("{grid}[retrain]\nepoch = 3\n"), "did you mean `retrain.epochs`"),
        ("wrong type", format!("{grid}[retrain]\nepochs = \"three\"\n"), "integer"),
        ("negative", format!("{grid}[retrain]\nepochs = -1\n"), "integer of at least"),
        ("no grid", "[run]\nname = \"x\"\n".to_string(), "add `[[grid]]`"),
        (
            "rule without a match",
            format!("{grid}[[override]]\nmatch = {{ seed = 7 }}\nset = {{ \"retrain.epochs\" = 1 }}\n"),
            "match",
        ),
        ("syntax", "[[grid]\n".to_string(), "m.toml:1"),
        (
            "impossible cell",
            "[[grid]]\ntask = [\"darcy\"]\nspace = [\"wrn\"]\nalgorithm = [\"enas\"]\n".to_string(),
            "enas",
        ),
        ("unknown table", format!("{grid}[retrian]\nepochs = 1\n"), "did you mean `retrain`"),
    ];
    for (what, text, remedy) in wrong {
        let lab = Lab::new(&text);
        let said = lab.expect(2, &["m.toml"]);
        assert!(said.err.contains("m.toml"), "{what}: {}", said.err);
        assert!(said.err.contains(remedy), "{what}: {}", said.err);
        assert!(!lab.path("cache").exists(), "{what}: nothing was touched");
    }
}
