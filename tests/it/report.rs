//! What a summary looks like in each format, and that nothing odd in it can break one.

use nasperf_pipe::artifacts::published::Published;
use nasperf_pipe::artifacts::score::{Direction, SCORE_FORMAT, Score, Trivial};
use nasperf_pipe::artifacts::summary::Summary;
use nasperf_pipe::report::TABLE;
use nasperf_pipe::report::terminal::{Look, render as terminal};
use nasperf_pipe::report::write::{render, write};
use nasperf_pipe::stages::aggregate::{AggregateParams, ExpectedCell, summarise};
use nasperf_pipe::stats::panel::PanelSpec;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn score(task: &str, method: &str, seed: u64, value: f64) -> Score {
    let (space, algorithm) = method.split_once('/').unwrap();
    let (metric, unit, direction) = match task {
        "ecg" => ("macro F1", "", Direction::Higher),
        "darcy" => ("relative L2", "", Direction::Lower),
        _ => ("top-1 error", "%", Direction::Lower),
    };
    let trivial = match task {
        "ecg" => Trivial { name: "majority class".to_string(), value: 0.1875 },
        "darcy" => Trivial { name: "mean field".to_string(), value: 0.25 },
        _ => Trivial { name: "majority class".to_string(), value: 99.0 },
    };
    Score {
        format: SCORE_FORMAT,
        task: task.to_string(),
        space: space.to_string(),
        algorithm: algorithm.to_string(),
        seed,
        metric: metric.to_string(),
        unit: unit.to_string(),
        direction,
        value,
        trivial,
        details: BTreeMap::new(),
        parameters: 1000,
        test_samples: 50,
        data: if task == "darcy" { "embedded:tiny" } else { "official" }.to_string(),
    }
}

/// Three tasks, four methods, two seeds; one partial cell, one missing, one that was not asked for; names that need escaping.
fn small() -> (AggregateParams, Vec<Score>) {
    let scores = vec![
        score("cifar100", "wrn/default", 0, 24.0),
        score("cifar100", "wrn/default", 1, 25.0),
        score("cifar100", "darts/gaea", 0, 22.5),
        score("darcy", "wrn/default", 0, 0.0625),
        score("darcy", "wrn/default", 1, 0.078125),
        score("darcy", "darts/gaea", 0, 0.03125),
        score("darcy", "darts/gaea", 1, 0.046875),
        score("darcy", "my_space/50%|<b>", 0, 0.5),
        score("darcy", "my_space/50%|<b>", 1, 0.5),
        score("ecg", "wrn/default", 0, 0.5),
        score("ecg", "wrn/default", 1, 0.625),
        score("ecg", "wrn/asha", 0, 0.75),
        score("ecg", "wrn/asha", 1, 0.75),
    ];
    let mut cells = BTreeSet::new();
    for (task, method) in scores.iter().map(|s| (&s.task, (&s.space, &s.algorithm))) {
        cells.extend((0..2).map(|seed| (task.clone(), method.0.clone(), method.1.clone(), seed)));
    }
    cells.extend((0..2).map(|seed| ("ecg".to_string(), "darts".to_string(), "gaea".to_string(), seed)));
    let cell = |(task, space, algorithm, seed)| ExpectedCell { task, space, algorithm, seed };
    let params = AggregateParams {
        impute: "worst".to_string(),
        expected_cells: cells.into_iter().map(cell).collect(),
        fidelity: "as-run".to_string(),
        numerics: "cpu, f32, the same bytes for any number of threads".to_string(),
        panels: Some(vec![
            PanelSpec {
                name: "All & sundry".to_string(),
                methods: Vec::new(),
                tasks: Vec::new(),
                tau_max: None,
                scale: None,
            },
            PanelSpec {
                name: "all (sundry)".to_string(),
                methods: vec!["wrn/default".to_string(), "darts/gaea".to_string()],
                tasks: vec!["cifar100".to_string(), "darcy".to_string()],
                tau_max: None,
                scale: None,
            },
        ]),
        ..AggregateParams::default()
    };
    (params, scores)
}

const EXPECT: &str = "format = 1\ntitle = \"t\"\nsource = \"s\"\nseeds = 3\n\
    [task.cifar100]\nmetric = \"top-1 error\"\nunit = \"%\"\ndirection = \"lower\"\n\
    [value.cifar100]\n\"wrn/default\" = { mean = 23.0, std = 0.5, band = 1.0 }\n\"darts/gaea\" = { mean = 24.0 }\n";

fn small_summary() -> Summary {
    let (params, scores) = small();
    let expect = Published::parse(EXPECT.as_bytes()).unwrap();
    summarise(&params, &scores, None, Some(&expect)).unwrap()
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report")
}

/// Every file of the small report, byte for byte. `NASPERF_GOLDEN=renew` writes them anew.
#[test]
fn every_format_of_a_small_report() {
    let files = render(&small_summary());
    let folder = golden();
    if std::env::var("NASPERF_GOLDEN").is_ok_and(|v| v == "renew") {
        std::fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in &files {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
    }
    let mut names: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let mut made: Vec<_> = files.iter().map(|(name, _)| name.clone()).collect();
    made.sort();
    assert_eq!(names, made, "the files in {}", folder.display());
    for (name, bytes) in &files {
        let expected = std::fs::read(folder.join(name)).unwrap();
        let (found, expected) = (String::from_utf8_lossy(bytes), String::from_utf8_lossy(&expected));
        for (line, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
            assert_eq!(found, expected, "{name}, line {}; NASPERF_GOLDEN=renew accepts it", line + 1);
        }
        assert_eq!(found.len(), expected.len(), "{name}");
    }
}

#[test]
fn the_order_of_the_scores_does_not_matter() {
    let (params, mut scores) = small();
    let expected = render(&summarise(&params, &scores, None, None).unwrap());
    // Every rotation of every stride that visits all of them, backwards too.
    for stride in [1, 2, 3, 4, 5, 6] {
        let n = scores.len();
        for start in 0..n {
            let mixed: Vec<Score> = (0..n).map(|i| scores[(start + i * stride) % n].clone()).collect();
            assert_eq!(render(&summarise(&params, &mixed, None, None).unwrap()), expected);
        }
        scores.reverse();
    }
}

#[test]
fn a_summary_survives_its_own_json() {
    let summary = small_summary();
    let again = Summary::from_bytes(&summary.to_bytes()).unwrap();
    assert_eq!(again.to_bytes(), summary.to_bytes());
    assert_eq!(render(&again), render(&summary));
}

#[test]
fn every_table_says_what_it_rests_on() {
    let files: BTreeMap<String, String> =
        render(&small_summary()).into_iter().map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())).collect();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let svgs = files.keys().filter(|name| name.ends_with(".svg"));
    for name in ["report.txt", "report.md", "table2.tex", "table3.tex"].into_iter().chain(svgs.map(String::as_str)) {
        let mut text = files[name].replace("**", "").replace("{[}", "[").replace("{]}", "]");
        if name.ends_with(".svg") {
            // A caption is broken into text elements.
            let lines: Vec<_> = text.lines().map(|l| l.split(['>', '<']).nth(2).unwrap_or_default()).collect();
            text = lines.join(" ");
        }
        let text = words(&text);
        for told in [
            "Coverage: 6 of 8 cells with every seed, 1 with fewer seeds, 1 failed or missing, 4 n/a.",
            "Imputation: worst, 1 cell: darts/gaea on ecg.",
            "Fidelity: as-run.",
            "embedded:tiny (darcy)",
            "Numerics: cpu, f32, the same bytes for any number of threads.",
        ] {
            assert!(text.contains(told), "{name} lacks `{told}`:\n{text}");
        }
    }
    assert!(files["scores.csv"].contains(",worst,as-run,\"cpu, f32, the same bytes for any number of threads\""));
}

#[test]
fn a_terminal_of_any_width() {
    let summary = small_summary();
    for width in [0, 1, 40, 60, 80, 100, 200] {
        let text = terminal(&summary, Look { width, colour: false });
        assert!(!text.contains('\u{1b}'));
        for value in ["24.50 ± 0.71", "22.50 (1/2)*", "[0.562]", "0.250", "embedded:tiny"] {
            assert!(text.contains(value), "{value} at {width}:\n{text}");
        }
        // Four fixed columns and one more need some 75 characters; above that no line is longer than asked for.
        if width >= 80 {
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}:\n{text}");
        }
    }
    assert!(terminal(&summary, Look { width: 100, colour: true }).contains("\u{1b}[1m22.50 (1/2)*\u{1b}[0m"));
}

#[test]
fn files_are_replaced_and_only_own_old_ones_removed() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("a/report");
    let mut summary = small_summary();
    let paths = write(&summary, &[], &dir).unwrap();
    assert!(paths.iter().all(|path| path.is_file()));
    let listed = |dir: &Path| -> BTreeSet<String> {
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert_eq!(listed(&dir).len(), paths.len() + 1); // and the listing; nothing is left aside
    std::fs::write(dir.join("profile-mine.svg"), "kept").unwrap();
    std::fs::write(dir.join("report.md"), "old").unwrap();
    // A damaged listing cannot reach out of the folder.
    std::fs::write(folder.path().join("outside"), "kept").unwrap();
    let list = std::fs::read_to_string(dir.join(".nasperf-report")).unwrap();
    std::fs::write(dir.join(".nasperf-report"), format!("{list}../../outside\n..\n\n")).unwrap();
    summary.panels.pop();
    let fewer = write(&summary, &[], &dir).unwrap();
    assert_eq!(fewer.len() + 3, paths.len());
    assert!(!dir.join("profile-all-sundry-2.svg").exists());
    assert!(dir.join("profile-mine.svg").exists() && folder.path().join("outside").exists());
    assert_ne!(std::fs::read_to_string(dir.join("report.md")).unwrap(), "old");

    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let message = write(&summary, &[], &file).unwrap_err().to_string();
    assert!(message.contains("file: ") && message.contains("can be written"), "{message}");
}

/// A fixed walk over odd values, names and holes: no panic, valid outputs, the same for any order.
#[test]
fn odd_values_and_names_break_nothing() {
    let values =
        [0.0, -0.0, 1.0, -1.0, 0.5, 1e-320, 1e308, -1e308, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX];
    let names = ["a", "wrn", "<&>\"'", "x,y\n", "\\input{x}", "..", "\u{202e}é☃", "|*_`[", "\u{0}\u{1b}[31m", "%s$#~^"];
    let mut state = 360_u32;
    let mut next = |n: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223); // Numerical Recipes' generator
        (state >> 8) as usize % n
    };
    for round in 0..300 {
        let mut scores = BTreeMap::new();
        for _ in 0..next(14) {
            let (task, space, seed) = (names[next(names.len())], names[next(names.len())], next(3) as u64);
            let mut one = score("ecg", "s/default", seed, values[next(values.len())]);
            one.task = task.to_string();
            one.space = space.to_string();
            one.direction = if task.len() % 2 == 0 { Direction::Lower } else { Direction::Higher };
            one.trivial.value = values[next(values.len())];
            one.data = ["official", "embedded:tiny", "files"][next(3)].to_string();
            scores.insert((task, space, seed), one);
        }
        let scores: Vec<Score> = scores.into_values().collect();
        let asked = |_| ExpectedCell {
            task: names[next(names.len())].to_string(),
            space: names[next(names.len())].to_string(),
            algorithm: "default".to_string(),
            seed: next(3) as u64,
        };
        let params = AggregateParams {
            expected_cells: (0..round % 5).map(asked).collect(),
            impute: ["none", "worst", "baseline:wrn/default"][round % 3].to_string(),
            ..AggregateParams::default()
        };
        let Ok(summary) = summarise(&params, &scores, None, None) else {
            assert!(scores.is_empty() && params.expected_cells.is_empty());
            continue;
        };
        let files = render(&summary);
        let reversed: Vec<Score> = scores.iter().rev().cloned().collect();
        assert_eq!(render(&summarise(&params, &reversed, None, None).unwrap()), files);
        // JSON has no NaN: a value that is none would read back as null, where a number must be.
        Summary::from_bytes(&summary.to_bytes()).unwrap();
        for (name, bytes) in files {
            let text = String::from_utf8(bytes).unwrap();
            assert!(!name.contains(['/', '\\']) && name.len() < 120, "{name}");
            match name.rsplit_once('.').unwrap().1 {
                "json" => drop(serde_json::from_str::<serde_json::Value>(&text).unwrap()),
                "svg" => {
                    assert!(!text.contains("NaN") && !text.contains("inf,"), "{text}");
                    assert_eq!(text.matches("<text").count(), text.matches("</text>").count());
                    assert!(!text.contains(['\u{0}', '\u{1b}']) && !text.contains("<&"));
                }
                "tex" => {
                    let braces = |c| text.replace("\\{", "").replace("\\}", "").matches(c).count();
                    assert_eq!(braces('{'), braces('}'), "{text}");
                    assert!(!text.contains("\\input{x}"));
                }
                "md" => {
                    // Every line of a table has as many columns as its header.
                    let mut width = None;
                    for line in text.lines() {
                        let bars = line.replace("\\\\", "").replace("\\|", "").matches('|').count();
                        if !line.starts_with('|') {
                            width = None;
                        } else {
                            assert_eq!(*width.get_or_insert(bars), bars, "{line}");
                        }
                    }
                }
                "txt" => assert!(!text.contains(['\u{0}', '\u{1b}'])),
                "csv" => {}
                other => panic!("{name}: nobody looked at .{other}"),
            }
        }
    }
}

#[test]
fn formats_have_names_of_their_own() {
    let names: BTreeSet<_> = TABLE.iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), TABLE.len());
    let files = render(&small_summary());
    let unique: BTreeSet<_> = files.iter().map(|(name, _)| name).collect();
    assert_eq!(unique.len(), files.len());
}
