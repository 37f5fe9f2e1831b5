//! Many cells: cheap, and the same as one at a time.

use crate::manifest::resolve;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Many cells stay cheap: one settings map for each (task, method), and a bound far above what it takes.
#[test]
fn a_hundred_thousand_cells_share_their_settings() {
    let seeds: Vec<String> = (0..2000).map(|seed| seed.to_string()).collect();
    let text = format!(
        "[run]\nseeds = [{}]\n[[grid]]\ntask = '*'\nmethod = ['wrn/*', 'darts/*', 'densenas/*']\n\
         [[override]]\nmatch = {{ task = 'darcy' }}\nset = {{ 'retrain.batch' = 8 }}\n",
        seeds.join(", ")
    );
    let start = std::time::Instant::now();
    let manifest = resolve(&text);
    println!("100,000 cells in {:?}", start.elapsed());
    assert_eq!(manifest.cells.len(), 100_000);
    let distinct: BTreeSet<*const _> = manifest.cells.iter().map(|cell| Arc::as_ptr(&cell.settings)).collect();
    assert!(distinct.len() <= 50, "{}", distinct.len());
    assert!(manifest.cells.is_sorted_by_key(|c| (&c.task, &c.space, &c.algorithm, c.seed)));
}

/// Random rules against the plain definition: the last override that matches a cell gives its value.
#[test]
fn shared_settings_are_those_of_each_cell_alone() {
    let tasks = ["cifar100", "darcy", "deepsea", "ecg"];
    let methods = ["darts/gaea", "wrn/asha", "wrn/default"];
    let seeds = [0u64, 1, 2, 10];
    let mut state: u64 = 1;
    let mut next = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for _ in 0..100 {
        let mut text = format!("[run]\nseeds = {seeds:?}\n[[grid]]\ntask = {tasks:?}\nmethod = {methods:?}\n");
        let mut rules: Vec<(Vec<&str>, Vec<&str>, Vec<u64>)> = Vec::new();
        for i in 0..1 + next(6) {
            let mut some = |n: usize| -> Vec<usize> {
                let picked: Vec<usize> = (0..n).filter(|_| next(2) == 0).collect();
                if picked.is_empty() { (0..n).collect() } else { picked }
            };
            let t: Vec<&str> = some(tasks.len()).into_iter().map(|i| tasks[i]).collect();
            let m: Vec<&str> = some(methods.len()).into_iter().map(|i| methods[i]).collect();
            let s: Vec<u64> = some(seeds.len()).into_iter().map(|i| seeds[i]).collect();
            text.push_str("[[override]]\n");
            // A rule that takes all seeds is written without them.
            let by_seed = if s.len() == seeds.len() { String::new() } else { format!(", seed = {s:?}") };
            text.push_str(&format!("match = {{ task = {t:?}, method = {m:?}{by_seed} }}\n"));
            text.push_str(&format!("set = {{ 'network.width' = {} }}\n", i + 1));
            rules.push((t, m, s));
        }
        let manifest = resolve(&text);
        assert_eq!(manifest.cells.len(), tasks.len() * methods.len() * seeds.len());
        for cell in &manifest.cells {
            let method = format!("{}/{}", cell.space, cell.algorithm);
            let takes = |(t, m, s): &(Vec<&str>, Vec<&str>, Vec<u64>)| {
                t.contains(&cell.task.as_str()) && m.contains(&method.as_str()) && s.contains(&cell.seed)
            };
            let expected = rules.iter().rposition(takes).map(|i| json!(i + 1));
            assert_eq!(cell.settings.get("network.width"), expected.as_ref(), "{cell:?}\n{text}");
        }
    }
}
