//! Fetching official files from servers that behave and servers that do not, from folders, and offline.

use crate::data_context::{DataContext, definition};
use crate::support::web_server::{Server, content, other};
use nasperf_pipe::data::download::{DownloadError, Downloader};
use nasperf_pipe::digest::Digest;
use nasperf_pipe::stages::context::StageError;
use nasperf_pipe::stages::fetch::{EXTERNAL, FetchParams, fetch, settings};
use nasperf_pipe::tasks::TASKS;
use nasperf_pipe::tasks::cifar100::generator::Cifar100Generator;
use nasperf_pipe::tasks::cifar100::source::Cifar100Source;
use nasperf_pipe::tasks::darcy::generator::DarcyGenerator;
use nasperf_pipe::tasks::darcy::source::DarcySource;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

fn params(changes: &[(&str, Value)]) -> FetchParams {
    FetchParams::from_settings(&definition("darcy", changes), &DarcySource).unwrap()
}

/// Settings for one file `a.bin` with these addresses.
fn one_file(urls: &[String], more: &[(&str, Value)]) -> FetchParams {
    let mut changes = vec![("data.files", json!([{"name": "a.bin"}])), ("data.urls", json!({"a.bin": urls}))];
    changes.extend(more.iter().cloned());
    params(&changes)
}

fn run(params: &FetchParams) -> Result<Vec<u8>, StageError> {
    let mut context = DataContext::new();
    fetch(&DarcySource, &DarcyGenerator, params, &mut context)?;
    assert_eq!(context.outputs(), vec!["a.bin"]);
    Ok(context.output("a.bin"))
}

fn failure(params: &FetchParams) -> (bool, String) {
    let mut context = DataContext::new();
    let error = fetch(&DarcySource, &DarcyGenerator, params, &mut context).unwrap_err();
    assert!(context.outputs().is_empty(), "a failed fetch leaves nothing behind");
    (matches!(error, StageError::Infrastructure(_)), error.to_string())
}

#[test]
fn the_first_address_that_works_is_used() {
    let server = Server::start();
    let urls = [server.url("missing/a.bin"), server.url("redirect/a.bin"), server.url("never/a.bin")];
    let mut context = DataContext::new();
    fetch(&DarcySource, &DarcyGenerator, &one_file(&urls, &[]), &mut context).unwrap();
    assert_eq!(context.output("a.bin"), content());
    assert_eq!((server.count("missing/a.bin"), server.count("good/a.bin"), server.count("never/a.bin")), (1, 1, 0));
    let notes = context.notes.borrow().join("\n");
    assert!(notes.contains(&urls[1]), "the address is shown: {notes}");
}

#[test]
fn a_cut_transfer_is_resumed_where_the_server_can() {
    let server = Server::start();
    for (kind, range) in [("cut", "bytes=150000-"), ("norange", "bytes=150000-"), ("changed", "bytes=150000-")] {
        let path = format!("{kind}/a.bin");
        assert_eq!(run(&one_file(&[server.url(&path)], &[])).unwrap(), content(), "{kind}");
        assert_eq!((server.count(&path), server.range(&path)), (2, range.to_string()), "{kind}");
    }
    // No version tag and no checksum: nobody could tell whether the rest belongs to the same version, so start again.
    assert_eq!(run(&one_file(&[server.url("mixed/a.bin")], &[])).unwrap(), content());
    assert_eq!(server.range("mixed/a.bin"), "");
}

#[test]
fn two_versions_put_together_are_noticed_by_the_checksum() {
    let server = Server::start();
    let files = json!([{"name": "a.bin", "sha256": Digest::of(content())}]);
    let params = one_file(&[server.url("mixed/a.bin")], &[("data.files", files)]);
    assert_eq!(run(&params).unwrap(), content());
    assert_eq!(server.count("mixed/a.bin"), 3);
}

#[test]
fn a_server_that_fails_for_a_while_is_waited_for() {
    let server = Server::start();
    assert_eq!(run(&one_file(&[server.url("shaky/a.bin")], &[])).unwrap(), content());
    assert_eq!(server.count("shaky/a.bin"), 3);
    assert_eq!(run(&one_file(&[server.url("silent/a.bin")], &[])).unwrap(), content());
}

#[test]
fn a_server_that_never_recovers_is_given_up() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let downloader = Downloader::new(3, Duration::from_millis(1));
    for kind in ["broken", "always-cut", "boasts"] {
        let path = format!("{kind}/a.bin");
        let error = downloader.get(&server.url(&path), None, false, folder.path(), &mut |_, _| true).unwrap_err();
        assert!(matches!(error, DownloadError::Unavailable { .. }), "{kind}: {error}");
        assert!(error.to_string().contains("tried 3 times"), "{error}");
        assert_eq!(server.count(&path), 3, "{kind}");
    }
    // An unreachable port, and a name that does not exist.
    for url in ["http://127.0.0.1:9/a.bin", "http://nothing.invalid/a.bin"] {
        let error = downloader.get(url, None, false, folder.path(), &mut |_, _| true).unwrap_err();
        assert!(matches!(error, DownloadError::Unreachable { .. }), "{error}");
    }
    for path in ["missing/a.bin", "private/a.bin"] {
        let error = downloader.get(&server.url(path), None, false, folder.path(), &mut |_, _| true).unwrap_err();
        assert!(matches!(error, DownloadError::Gone { .. }), "{path}: {error}");
        assert_eq!(server.count(path), 1, "what is gone is not asked for again");
    }
    let error = downloader.get("ftp://x/a.bin", None, false, folder.path(), &mut |_, _| true).unwrap_err();
    assert!(error.to_string().contains("file are"), "{error}");
}

#[test]
fn a_stop_is_seen_and_the_next_run_goes_on() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let downloader = Downloader::new(3, Duration::from_millis(1));
    let url = server.url("good/a.bin");
    let stopped = downloader.get(&url, None, false, folder.path(), &mut |done, _| done < 100_000);
    assert!(matches!(stopped, Err(DownloadError::Stopped)));
    let done = downloader.get(&url, None, false, folder.path(), &mut |_, _| true).unwrap();
    assert!(done.resumed);
    assert_eq!(std::fs::read(done.path).unwrap(), content());
    assert_ne!(server.range("good/a.bin"), "");
}

#[test]
fn wrong_sizes_and_checksums_are_named() {
    let server = Server::start();
    let sum = Digest::of(content());
    let size = json!([{"name": "a.bin", "bytes": 300_000}]);
    let (retried, message) = failure(&one_file(&[server.url("boasts/a.bin")], &[("data.files", size.clone())]));
    assert!(!retried && message.contains("expected 300000 bytes, the server announces 301000"), "{message}");
    let (_, message) = failure(&one_file(&[server.url("understates/a.bin")], &[("data.files", size)]));
    assert!(message.contains("announces 299000"), "{message}");
    // Without a known size only the digest notices.
    let files = json!([{"name": "a.bin", "sha256": sum}]);
    let (_, message) = failure(&one_file(&[server.url("understates/a.bin")], &[("data.files", files.clone())]));
    assert!(message.contains("a.bin") && message.contains(&sum.to_string()), "{message}");
    let (retried, message) = failure(&one_file(&[server.url("wrong/a.bin")], &[("data.files", files)]));
    assert!(!retried && message.contains(&Digest::of(other()).to_string()), "{message}");
    assert!(message.contains("data.mirrors"), "a remedy: {message}");
    let files = json!([{"name": "a.bin", "md5": "0".repeat(32)}]);
    let (_, message) = failure(&one_file(&[server.url("good/a.bin")], &[("data.files", files)]));
    assert!(message.contains("expected MD5 000"), "{message}");
    let (_, message) = failure(&one_file(&[server.url("packed/a.bin")], &[]));
    assert!(message.contains("compresses"), "{message}");
    // A good address after a bad one makes good.
    let files = json!([{"name": "a.bin", "sha256": sum}]);
    let urls = [server.url("wrong/a.bin"), server.url("good/a.bin")];
    assert_eq!(run(&one_file(&urls, &[("data.files", files)])).unwrap(), content());
}

#[test]
fn the_lock_is_written_once_and_verified_ever_after() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join("data.lock");
    let with_lock = |path: &str| one_file(&[server.url(path)], &[("data.lock", json!(lock))]);
    run(&with_lock("good/a.bin")).unwrap();
    let text = std::fs::read_to_string(&lock).unwrap();
    assert!(text.contains(&Digest::of(content()).to_string()) && text.contains("origin = \"/good/a.bin\""), "{text}");
    assert!(!text.contains("127.0.0.1"), "no host: {text}");
    run(&with_lock("cut/a.bin")).unwrap();
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), text);
    let (retried, message) = failure(&with_lock("wrong/a.bin"));
    assert!(!retried && message.contains("expected SHA-256") && message.contains("found"), "{message}");
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), text);
    std::fs::write(&lock, "not a lock").unwrap();
    let (_, message) = failure(&with_lock("good/a.bin"));
    assert!(message.contains("data lock of version 1"), "{message}");
}

#[test]
fn mirrors_and_folders_come_first_and_work_offline() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("darcy")).unwrap();
    std::fs::write(folder.path().join("darcy/a.bin"), content()).unwrap();
    let mirror = json!([format!("file://{}", folder.path().display())]);
    let online = one_file(&[server.url("good/a.bin")], &[("data.mirrors", mirror.clone())]);
    assert_eq!(run(&online).unwrap(), content());
    assert_eq!(server.count("good/a.bin"), 0);
    let offline = [("data.offline", json!(true)), ("data.mirrors", mirror)];
    assert_eq!(run(&one_file(&[server.url("good/a.bin")], &offline)).unwrap(), content());
    assert!(folder.path().join("darcy/a.bin").is_file(), "a mirror's file is left alone");
    let (retried, message) = failure(&one_file(&[server.url("good/a.bin")], &[("data.offline", json!(true))]));
    assert!(!retried && message.contains("offline") && message.contains("data.mirrors"), "{message}");
    assert_eq!(server.count("good/a.bin"), 0);
    let prefix = json!([server.url("missing"), server.url("good")]);
    assert_eq!(run(&one_file(&[], &[("data.mirrors", prefix)])).unwrap(), content());
}

#[test]
fn files_of_a_user_are_taken_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str| std::fs::write(folder.path().join(name), content()).unwrap();
    let dir = [("data.source", json!("files")), ("data.dir", json!(folder.path()))];
    let params = |changes: &[(&str, Value)]| {
        let all: Vec<_> = dir.iter().chain(changes).cloned().collect();
        FetchParams::from_settings(&definition("cifar100", &all), &Cifar100Source).unwrap()
    };
    let names = |params: &FetchParams| -> Vec<String> {
        params.external(&Cifar100Source).into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(&params(&[])), vec!["cifar-100-python.tar.gz"], "the official name, for the message");
    ["train.bin", "test.bin"].iter().for_each(|name| put(name));
    assert_eq!(names(&params(&[])), vec!["train.bin", "test.bin"]);
    ["train", "test", "meta"].iter().for_each(|name| put(name));
    assert_eq!(names(&params(&[])), vec!["train", "test", "meta"]);
    put("cifar-100-python.tar.gz");
    assert_eq!(names(&params(&[])), vec!["cifar-100-python.tar.gz"]);
    put("mine");
    let moved = params(&[("data.files", json!([{"name": "test"}])), ("data.paths", json!({"test": "mine"}))]);
    assert_eq!(moved.external(&Cifar100Source), vec![("test".to_string(), folder.path().join("mine"))]);

    let mut context = DataContext::new().input(EXTERNAL, "test", &folder.path().join("mine"));
    fetch(&Cifar100Source, &Cifar100Generator, &moved, &mut context).unwrap();
    assert_eq!(context.output("test"), content());
    let archive = folder.path().join("cifar-100-python.tar.gz");
    let mut context = DataContext::new().input(EXTERNAL, "cifar-100-python.tar.gz", &archive);
    let message = fetch(&Cifar100Source, &Cifar100Generator, &params(&[]), &mut context).unwrap_err().to_string();
    assert!(message.contains("expected 169001437 bytes, found 300000") && message.contains("data.files"), "{message}");
    assert!(context.outputs().is_empty());
}

fn canonical(changes: &[(&str, Value)]) -> Map<String, Value> {
    let params = params(changes);
    let settings = params.to_settings();
    assert_eq!(FetchParams::from_settings(&settings, &DarcySource).unwrap(), params, "the canonical form is stable");
    settings
}

#[test]
fn what_does_not_matter_leaves_the_canonical_form() {
    let official = canonical(&[]);
    let changed =
        [("data.size", json!("full")), ("data.seed", json!(3)), ("data.train", json!(5)), ("data.dir", json!("/x"))];
    assert_eq!(canonical(&changed), official);
    assert!(!official.contains_key("data.official") && !official.contains_key("data.train"));
    let embedded = [("data.source", json!("embedded")), ("data.size", json!("tiny"))];
    let keys: Vec<String> = canonical(&embedded).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["data.grid", "data.source", "data.test", "data.train", "data.validation"]);
    let declared: Vec<&str> = settings().iter().map(|setting| setting.key).collect();
    for key in official.keys().chain(&keys) {
        assert!(declared.contains(&key.as_str()), "{key} is declared");
    }
    for (changes, word) in [
        (vec![("data.files", json!([{"name": "../a"}]))], "no plain file name"),
        (vec![("data.files", json!([{"name": "a"}, {"name": "a"}]))], "twice"),
        (vec![("data.files", json!([{"nam": "a"}]))], "data.files"),
        (vec![("data.files", json!([{"name": "a", "md5": "xyz"}]))], "MD5"),
        (vec![("data.files", json!([]))], "empty"),
        (vec![("data.source", json!("files"))], "data.dir"),
        (vec![("data.urls", json!({"a": 3}))], "data"),
        (vec![("data.source", json!("elsewhere"))], "data.source"),
    ] {
        let error = FetchParams::from_settings(&definition("darcy", &changes), &DarcySource).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn definitions_name_what_their_sources_and_preparations_need() {
    for source in TASKS.iter().map(|task| task.source) {
        let path = format!("manifests/tasks/{}.toml", source.task());
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path)).unwrap();
        let table: toml::Table = text.parse().unwrap();
        assert!(table.contains_key("task") && table.contains_key("about"), "{path}");
        let set = table["set"].as_table().unwrap();
        let declared = settings();
        for key in set.keys() {
            assert!(declared.iter().any(|setting| setting.key == key), "{path}: {key}");
        }
        let urls = set["data.urls"].as_table().unwrap();
        let sets = set.get("data.publisher").and_then(toml::Value::as_array).into_iter().flatten();
        let files = sets.chain([&set["data.files"]]).flat_map(|set| set.as_array().unwrap());
        for name in files.map(|file| file["name"].as_str().unwrap()) {
            assert!(urls.contains_key(name), "{path}: {name}");
        }
        let files = set["data.files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap());
        assert_eq!(files.collect::<BTreeSet<_>>(), source.hosted().iter().copied().collect(), "{path}");
    }
}
