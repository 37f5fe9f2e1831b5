//! A second run does nothing; a cleaned store runs again; a moved store keeps its hits.

use crate::support::lab::{Lab, SMALL};

#[test]
fn a_second_run_executes_nothing() {
    let lab = Lab::new(SMALL);
    let first = lab.expect(0, &["m.toml"]);
    assert!(first.out.contains("embedded"), "{}", first.out);
    assert!(first.out.contains("report/small/report.md"), "{}", first.out);
    // Two tasks × (fetch, preprocess), four cells × (search, retrain, evaluate), one aggregate. Searching a fixed
    // network does not depend on the seed, but its key holds one.
    assert_eq!(lab.executed().len(), 2 + 2 + 4 * 3 + 1);
    let digests = lab.digests();

    let second = lab.expect(0, &["m.toml"]);
    assert!(lab.executed().is_empty());
    assert_eq!(lab.digests(), digests);
    assert_eq!(second.out, first.out, "the same table from the store");
    lab.expect(0, &["m.toml", "--require-cached"]);

    std::fs::rename(lab.path("cache"), lab.path("moved")).unwrap();
    lab.expect(0, &["m.toml", "--require-cached", "--cache", "moved"]);

    lab.expect(0, &["gc", "--cache", "moved", "--all", "--yes"]);
    let missed = lab.expect(4, &["m.toml", "--require-cached", "--cache", "moved"]);
    assert!(missed.err.contains("17 nodes are not cached"), "{}", missed.err);
}

#[test]
fn selectors_narrow_a_run_and_a_wrong_one_is_exit_code_3() {
    let lab = Lab::new(SMALL);
    lab.expect(0, &["fetch", "m.toml"]);
    assert_eq!(lab.executed(), ["fetch[task=cifar100]", "fetch[task=darcy]"]);
    lab.expect(0, &["m.toml", "--until", "evaluate[task=darcy,seed=0]"]);
    assert_eq!(lab.executed().len(), 4, "{:?}", lab.executed());
    assert!(lab.executed().iter().all(|node| node.contains("darcy")));
    lab.expect(0, &["m.toml", "--only", "evaluate[task=darcy]", "--rerun", "evaluate[seed=0,task=darcy]"]);
    assert!(lab.executed().contains(&"evaluate[task=darcy,method=wrn/default,seed=0]".to_string()));
    let nothing = lab.expect(3, &["m.toml", "--only", "retrain[task=ecg]"]);
    assert!(nothing.err.contains("matches no node"), "{}", nothing.err);
    let syntax = lab.expect(2, &["m.toml", "--only", "retrain[color=red]"]);
    assert!(syntax.err.contains("is no axis"), "{}", syntax.err);
}

#[test]
fn gc_keeps_what_a_run_needs() {
    let lab = Lab::new(SMALL);
    lab.expect(0, &["m.toml", "--only", "preprocess[task=darcy]"]);
    lab.expect(0, &["gc"]);
    lab.expect(0, &["m.toml", "--only", "preprocess[task=darcy]", "--require-cached"]);
    let refused = lab.expect(2, &["gc", "--all"]);
    assert!(refused.err.contains("--yes"), "{}", refused.err);
    lab.expect(0, &["gc", "--keep", "m.toml", "--yes"]);
    lab.expect(0, &["m.toml", "--only", "preprocess[task=darcy]", "--require-cached"]);
    lab.expect(0, &["m.toml", "--only", "fetch[task=darcy]", "--set", "data.seed=9"]);
    lab.expect(0, &["gc", "--keep", "m.toml", "--yes"]);
    lab.expect(4, &["m.toml", "--only", "fetch[task=darcy]", "--set", "data.seed=9", "--require-cached"]);
    // What `why` reads survives a sweep.
    let why = lab.expect(0, &["why", "preprocess[task=darcy]", "-m", "m.toml", "--set", "data.darcy.test=3"]);
    assert!(why.out.contains("data.test"), "{}", why.out);
}
