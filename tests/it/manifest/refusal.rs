//! Every kind of bad manifest, with the text that people see.

use crate::manifest::vocabulary::vocabulary;
use crate::manifest::{GOLDEN, golden, manifests, names, refuse, request_of};
use nasperf_pipe::manifest::load::{load, parse};
use nasperf_pipe::manifest::request::Request;
use nasperf_pipe::manifest::vocabulary::{Definition, Vocabulary};
use std::fmt::Write;
use std::fs;
use std::path::Path;

#[test]
fn every_bad_manifest_is_refused_with_its_golden_text() {
    let paths = manifests(&format!("{GOLDEN}/bad"));
    assert!(paths.len() >= 20, "only {} bad manifests", paths.len());
    for path in paths {
        let errors = match load(&path, &vocabulary(), &request_of(&path)) {
            Ok(manifest) => panic!("{} was taken: {:?}", path.display(), names(&manifest)),
            Err(errors) => errors,
        };
        for one in &errors.0 {
            assert!(!one.help.is_empty(), "{}: `{}` has no remedy", path.display(), one.message);
        }
        golden(&path.with_extension("txt"), &format!("{errors}\n"));
    }
}

#[test]
fn files_that_are_no_manifest_are_refused_with_a_remedy() {
    let bad =
        |path: &str| load(Path::new(path), &vocabulary(), &Request::default()).expect_err("no manifest").to_string();
    let missing = bad(&format!("{GOLDEN}/good/publishd.toml"));
    let folder = bad(&format!("{GOLDEN}/good"));
    let nowhere = bad("no/such/folder/full.toml");
    golden(&Path::new(GOLDEN).join("files.txt"), &format!("{missing}\n\n{folder}\n\n{nowhere}\n"));
}

#[test]
fn all_errors_are_shown_at_once_in_the_order_of_the_text() {
    let errors = refuse(
        "[run]\nseeds = []\nfidelity = 'as-ran'\n[[grid]]\ntask = ['egc', 'darcy']\nmethod = 'wrn/defalt'\n\
         [retrain]\nepochs = -1\nbach = 2\n[[override]]\nset = { 'data.size' = 'huge' }\n[nonsense]\n",
    );
    let at: Vec<usize> = [
        "seeds is empty",
        "as-ran",
        "unknown task `egc`",
        "unknown method `wrn/defalt`",
        "`retrain.epochs` does not fit",
        "unknown setting `retrain.bach`",
        "no `match`",
        "`data.size` does not fit",
        "unknown table `nonsense`",
    ]
    .iter()
    .map(|text| errors.find(text).unwrap_or_else(|| panic!("{text} not in\n{errors}")))
    .collect();
    assert!(at.is_sorted(), "{errors}");
    assert_eq!(errors.matches("error: ").count(), 9, "{errors}");
}

#[test]
fn errors_of_definitions_name_their_origin() {
    let with = |text: &str| {
        let definitions = vec![Definition { origin: "manifests/methods/x.toml".to_string(), text: text.to_string() }];
        let vocabulary = Vocabulary { definitions, ..vocabulary() };
        let text = "[[grid]]\ntask = 'ecg'\nmethod = 'wrn/default'\n";
        match parse("test.toml", text, Path::new(""), &vocabulary, &Request::default()) {
            Ok(_) => String::new(),
            Err(errors) => errors.to_string(),
        }
    };
    assert_eq!(with("method = 'wrn/default'\n[about]\nanything = [1, { x = 2 }]\n"), "");
    // A rule of a definition need not match anything.
    assert_eq!(with("method = 'wrn/default'\n[[override]]\nmatch = { task = 'darcy' }\nset.retrain.batch = 1\n"), "");
    for bad in [
        "method = 'wrn/defaul'\n",
        "set = { 'retrain.epochs' = 3 }\n",
        "task = 'ecg'\nmethod = 'wrn/default'\n",
        "task = 3\n",
        "task = 'ecg'\n[set]\n'retrain.epochs' = 'x'\n",
        "task = 'ecg'\n[set]\n'run.seeds' = [0]\n",
        "task = 'ecg'\n[nonsense]\n",
        "task = \n",
    ] {
        let errors = with(bad);
        assert!(errors.contains("--> manifests/methods/x.toml"), "{bad}: {errors}");
    }
}

#[test]
fn more_cells_than_memory_are_refused() {
    let mut seeds = String::new();
    for seed in 0..200_000 {
        write!(seeds, "{seed},").expect("texts grow");
    }
    let errors = refuse(&format!("[[grid]]\ntask = '*'\nmethod = '*'\nseeds = [{seeds}]\n"));
    assert!(errors.contains("70 pairs of task and method with 200000 seeds are too many cells"), "{errors}");
    let errors = refuse(&format!("[[grid]]\ntask = '*'\nmethod = '*'\nzip.seed = [{seeds}]\n"));
    assert!(errors.contains("200000 rows of `zip` are too many"), "{}", &errors[..1000]);
}

/// Random edits of good and bad manifests: whatever comes out, it is a manifest or errors that render.
#[test]
fn no_text_makes_it_panic() {
    let texts = ["good", "bad"].map(|folder| -> Vec<Vec<u8>> {
        let paths = manifests(&format!("{GOLDEN}/{folder}"));
        paths.iter().map(|path| fs::read(path).expect("manifest")).collect()
    });
    let snippets: [&[u8]; 12] =
        [b"\n", b"[", b"]", b"{", b"=", b"'", b"\"", b"*", b"-1", b"\xc3\xa9", b"task", b"1e999"];
    let vocabulary = vocabulary();
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = move |below: usize| {
        // Knuth's MMIX generator: enough to pick places.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    };
    let (mut good, mut bad) = (0, 0);
    for round in 0..4000 {
        let texts = &texts[round % 2];
        let mut bytes = texts[round / 2 % texts.len()].clone();
        for _ in 0..1 + next(6) / 4 {
            let at = next(bytes.len());
            match next(4) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << next(8),
                1 => bytes.truncate(at),
                2 => {
                    let snippet = snippets[next(snippets.len())];
                    bytes.splice(at..at, snippet.iter().copied());
                }
                _ => {
                    let end = (at + next(20)).min(bytes.len());
                    let moved: Vec<u8> = bytes.drain(at..end).collect();
                    let to = next(bytes.len());
                    bytes.splice(to..to, moved);
                }
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().nth(next(12)).unwrap_or_default().to_string();
        let request = Request { profile: (round % 3 == 0).then(|| "smoke".to_string()), set: vec![line] };
        for request in [Request::default(), request] {
            match parse("x.toml", &text, Path::new(""), &vocabulary, &request) {
                Ok(_) => good += 1,
                Err(errors) => {
                    assert!(!errors.0.is_empty() && errors.to_string().contains("error: "));
                    bad += 1;
                }
            }
        }
    }
    assert!(good > 100 && bad > 1000, "{good} good, {bad} bad: the edits are too weak or too strong");
}
