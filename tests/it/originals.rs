//! Where the benchmark's files are gone, their publishers' originals are fetched; nothing else makes up for anything.

use crate::data_context::{DataContext, definition};
use crate::support::web_server::{Server, content};
use nasperf_pipe::data::counts::Counts;
use nasperf_pipe::digest::Digest;
use nasperf_pipe::stages::context::StageError;
use nasperf_pipe::stages::fetch::{FetchParams, fetch};
use nasperf_pipe::stages::preprocess::PreprocessParams;
use nasperf_pipe::tasks::satellite::generator::SatelliteGenerator;
use nasperf_pipe::tasks::satellite::preparation::SatellitePreparation;
use nasperf_pipe::tasks::satellite::source::SatelliteSource;
use serde_json::{Map, Value, json};

const HOSTED: [&str; 2] = ["satellite_train.npy", "satellite_test.npy"];
const ORIGINALS: [&str; 2] = ["one.csv", "two.csv"];

/// Settings of a task with two hosted files and two sets of originals, each file at one address.
fn params(addresses: &[(&str, String)], more: &[(&str, Value)]) -> FetchParams {
    let urls: Map<String, Value> = addresses.iter().map(|(name, url)| (name.to_string(), json!([url]))).collect();
    let publisher = json!([[{"name": "one.csv"}, {"name": "two.csv"}], [{"name": "one.csv"}]]);
    let mut changes = vec![("data.urls", Value::Object(urls)), ("data.publisher", publisher)];
    changes.extend(more.iter().cloned());
    FetchParams::from_settings(&definition("satellite", &changes), &SatelliteSource).unwrap()
}

/// `good`, `missing`, … for the hosted files and the originals.
fn addresses(server: &Server, kinds: [&str; 4]) -> Vec<(&'static str, String)> {
    let names = HOSTED.into_iter().chain(ORIGINALS);
    names.zip(kinds).map(|(name, kind)| (name, server.url(&format!("{kind}/{name}")))).collect()
}

fn run(params: &FetchParams) -> (DataContext, Result<(), StageError>) {
    let mut context = DataContext::new();
    let result = fetch(&SatelliteSource, &SatelliteGenerator, params, &mut context);
    (context, result)
}

fn log(context: &DataContext) -> String {
    context.lines.borrow().join("\n")
}

/// A failed fetch: whether trying again may help, and its message.
fn failure(params: &FetchParams) -> (bool, String) {
    let (context, result) = run(params);
    let error = result.unwrap_err();
    assert!(context.outputs().is_empty(), "a failed fetch leaves nothing behind");
    (matches!(error, StageError::Infrastructure(_)), error.to_string())
}

#[test]
fn originals_are_left_alone_where_the_benchmarks_files_are_there() {
    let server = Server::start();
    let (context, result) = run(&params(&addresses(&server, ["good", "good", "good", "good"]), &[]));
    result.unwrap();
    assert_eq!(context.outputs(), ["satellite_test.npy", "satellite_train.npy"]);
    assert_eq!(server.count("good/one.csv"), 0);
    assert!(log(&context).contains("raw files are the benchmark's files"), "{}", log(&context));
}

#[test]
fn originals_serve_where_one_of_the_benchmarks_files_is_gone() {
    let server = Server::start();
    for kind in ["missing", "private"] {
        let (context, result) = run(&params(&addresses(&server, ["good", kind, "good", "good"]), &[]));
        result.unwrap();
        // The hosted file that came is not among them: a set is whole or not there.
        assert_eq!(context.outputs(), ORIGINALS);
        assert_eq!(context.output("two.csv"), content());
        let log = log(&context);
        assert!(
            log.contains(&format!("{}: HTTP status 40", server.url(&format!("{kind}/satellite_test.npy")))),
            "{log}"
        );
        assert!(log.contains("trying the publishers' originals (`one.csv`, `two.csv`)"), "{log}");
        assert!(log.contains("raw files are the publishers' originals"), "{log}");
    }
    // The tag of the data set tells it too, so tables do.
    let prepared = PreprocessParams::from_settings(&definition("satellite", &[]), &SatellitePreparation).unwrap();
    assert_ne!(prepared.counts, Counts::default());
    let names = |names: [&str; 2]| names.map(str::to_string).to_vec();
    assert_eq!(prepared.tag(&HOSTED, &names(ORIGINALS)), "official:originals");
    assert_eq!(prepared.tag(&HOSTED, &names(HOSTED)), "official");
}

#[test]
fn the_next_set_of_originals_serves_where_the_first_is_not_whole() {
    let server = Server::start();
    let (context, result) = run(&params(&addresses(&server, ["missing", "good", "good", "missing"]), &[]));
    result.unwrap();
    assert_eq!(context.outputs(), ["one.csv"]);
    assert_eq!(server.count("good/satellite_test.npy"), 0, "after the first file that is gone the set is given up");
    assert_eq!(server.count("good/one.csv"), 1, "sets share what was downloaded");
}

#[test]
fn a_host_that_does_not_answer_is_gone_and_waited_for_once() {
    let server = Server::start();
    // Nobody listens on the discard port.
    let dead = |name: &str| format!("http://127.0.0.1:9/{name}");
    let mut addresses = addresses(&server, ["good", "good", "good", "good"]);
    addresses[0].1 = dead("satellite_train.npy");
    addresses[2].1 = dead("one.csv");
    let (retried, message) = failure(&params(&addresses, &[]));
    assert!(retried, "a network may come back: {message}");
    assert_eq!(message.matches("tried 4 times").count(), 1, "{message}");
    assert!(message.contains("127.0.0.1:9 did not answer before"), "{message}");
    addresses[2].1 = server.url("good/one.csv");
    let (context, result) = run(&params(&addresses, &[]));
    result.unwrap();
    assert_eq!(context.outputs(), ORIGINALS);
}

#[test]
fn both_gone_is_an_error_that_lists_both() {
    let server = Server::start();
    let (retried, message) = failure(&params(&addresses(&server, ["missing", "good", "missing", "good"]), &[]));
    assert!(!retried, "{message}");
    for part in [
        "the benchmark's files",
        "missing/satellite_train.npy: HTTP status 404",
        "the publishers' originals (`one.csv`)",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(message.contains("data.mirrors"), "a remedy: {message}");
    // A set with a file that has no address is not begun.
    let (_, message) = failure(&params(&addresses(&server, ["missing", "good", "never", "never"])[..2], &[]));
    assert!(message.contains("`one.csv`: no address is known"), "{message}");
}

#[test]
fn other_bytes_and_failing_transfers_are_errors() {
    let server = Server::start();
    let sum = Digest::of(content());
    let files = json!([{"name": HOSTED[0], "sha256": sum}, {"name": HOSTED[1]}]);
    let (retried, message) =
        failure(&params(&addresses(&server, ["wrong", "good", "good", "good"]), &[("data.files", files)]));
    assert!(
        !retried && message.contains(&sum.to_string()) && message.contains("data.origin = \"publisher\""),
        "{message}"
    );
    let (retried, message) = failure(&params(&addresses(&server, ["good", "broken", "good", "good"]), &[]));
    assert!(retried && message.contains("HTTP status 500"), "{message}");
    assert_eq!(server.count("good/one.csv"), 0);
    // An address of the same file that is gone changes nothing.
    let mirrors = json!([server.url("missing")]);
    let (_, message) =
        failure(&params(&addresses(&server, ["broken", "good", "good", "good"]), &[("data.mirrors", mirrors)]));
    assert!(message.contains("HTTP status 404") && message.contains("HTTP status 500"), "{message}");
    assert_eq!(server.count("good/one.csv"), 0);
}

#[test]
fn a_wish_to_stop_is_one_and_the_next_attempt_finds_what_came() {
    let server = Server::start();
    let params = params(&addresses(&server, ["good", "good", "good", "good"]), &[]);
    let mut context = DataContext::new();
    // The second file's first report is the third in all.
    context.stop_after.set(Some(3));
    let error = fetch(&SatelliteSource, &SatelliteGenerator, &params, &mut context).unwrap_err();
    assert!(matches!(error, StageError::Interrupted), "{error}");
    assert!(context.outputs().is_empty());
    assert_eq!(server.count("good/one.csv"), 0);
    context.stop_after.set(None);
    fetch(&SatelliteSource, &SatelliteGenerator, &params, &mut context).unwrap();
    assert_eq!(context.outputs(), ["satellite_test.npy", "satellite_train.npy"]);
    assert_eq!(context.output("satellite_train.npy"), content());
    assert_eq!(server.range("good/satellite_train.npy"), "bytes=300000-", "the first file is not downloaded again");
}

#[test]
fn a_pinned_place_is_the_only_one_asked() {
    let server = Server::start();
    let all = ["good", "good", "good", "good"];
    let (context, result) = run(&params(&addresses(&server, all), &[("data.origin", json!("publisher"))]));
    result.unwrap();
    assert_eq!(context.outputs(), ORIGINALS);
    assert_eq!(server.count("good/satellite_train.npy"), 0);
    let gone = addresses(&server, ["missing", "good", "never", "never"]);
    let (_, message) = failure(&params(&gone, &[("data.origin", json!("hosted"))]));
    assert!(message.contains("satellite_train.npy") && !message.contains("one.csv"), "{message}");
    assert_eq!(server.count("never/one.csv"), 0);
}

#[test]
fn offline_only_folders_are_asked() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    for name in ORIGINALS {
        std::fs::write(folder.path().join(name), content()).unwrap();
    }
    let addresses = addresses(&server, ["good", "good", "good", "good"]);
    let mirror = json!([format!("file://{}", folder.path().display())]);
    let (context, result) = run(&params(&addresses, &[("data.offline", json!(true)), ("data.mirrors", mirror)]));
    result.unwrap();
    assert_eq!(context.outputs(), ORIGINALS);
    assert!(folder.path().join("one.csv").is_file(), "a mirror's file is left alone");
    let (retried, message) = failure(&params(&addresses, &[("data.offline", json!(true))]));
    assert!(!retried && message.matches("offline, and no mirror is a folder").count() == 3, "{message}");
    for name in HOSTED.iter().chain(&ORIGINALS) {
        assert_eq!(server.count(&format!("good/{name}")), 0);
    }
}

#[test]
fn the_pin_is_in_the_key_and_files_of_ones_own_choice_have_no_substitute() {
    let settings = |more: &[(&str, Value)]| {
        let params = params(&[], more);
        let settings = params.to_settings();
        assert_eq!(FetchParams::from_settings(&settings, &SatelliteSource).unwrap(), params, "stable");
        settings
    };
    let pinned = |place: &str| settings(&[("data.origin", json!(place))]);
    let (automatic, hosted, publisher) = (settings(&[]), pinned("hosted"), pinned("publisher"));
    assert!(!automatic.contains_key("data.origin") && automatic.contains_key("data.publisher"));
    assert_eq!(hosted["data.origin"], "hosted");
    assert!(!hosted.contains_key("data.publisher") && !publisher.contains_key("data.files"));
    let own = settings(&[("data.files", json!([{"name": "mine.npy"}]))]);
    assert!(!own.contains_key("data.publisher"));
    for (changes, word) in [
        (vec![("data.origin", json!("publisher")), ("data.publisher", json!([]))], "no originals are known"),
        (vec![("data.origin", json!("elsewhere"))], "data.origin"),
        (vec![("data.publisher", json!([[{"name": "../a"}]]))], "`data.publisher`: `../a` is no plain file name"),
        (vec![("data.publisher", json!([[]]))], "`data.publisher` is empty"),
    ] {
        let error = FetchParams::from_settings(&definition("satellite", &changes), &SatelliteSource).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}
