//! The lines of README.md that a reader would paste, run as they stand there.

use crate::support::lab::Lab;
use std::path::Path;
use std::process::Command;

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The first block in `language` of a section.
fn block(section: &str, language: &str) -> String {
    let text = readme();
    let found = text.split("\n## ").find(|part| part.starts_with(section)).expect("the section is there");
    let start = format!("```{language}\n");
    let (_, rest) = found.split_once(&start).expect("the section has such a block");
    rest.split_once("```").expect("it ends").0.to_string()
}

/// Own data, one-dimensional with several labels and two-dimensional dense, from the lines that make the arrays to a figure.
/// Only the trainings are made shorter.
#[test]
fn own_data_from_numpy_arrays_to_scores() {
    let lab = Lab::new("");
    let code = block("Your own data", "python");
    let numpy = Command::new("python3").args(["-c", "import numpy"]).output();
    if !numpy.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no python3 with numpy on this machine");
        return;
    }
    let made = Command::new("python3").args(["-c", &code]).current_dir(lab.path("")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let commands = block("Your own data", "sh");
    let commands = commands.lines().map(|line| line.split('#').next().unwrap_or("")).flat_map(|line| line.split("&&"));
    let mut trained = 0;
    for command in commands.map(str::trim).filter(|command| !command.is_empty()) {
        let mut words: Vec<&str> = command.split_whitespace().collect();
        assert_eq!(words.remove(0), "nasperf-pipe");
        if words[0].ends_with(".toml") {
            trained += 1;
            for change in ["run.seeds=[0]", "retrain.epochs=1", "network.width=1"] {
                words.extend(["--set", change]);
            }
        }
        let said = lab.expect(0, &words);
        assert!(!words[0].ends_with(".toml") || said.out.contains("report"), "{command}: {}", said.out);
    }
    assert_eq!(trained, 2, "series and fields");
    assert!(lab.path("bumps.svg").is_file(), "the preview");
}
