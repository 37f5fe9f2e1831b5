//! Story: a gradient-based search of a DARTS cell, then training of what it found, on data in memory; interrupted anywhere,
//! continued, on other numbers of threads, in every form.

use crate::support::memory_context::{Blobs, MemoryContext};
use crate::support::tiny_dataset::{fields, images, series};
use nasperf_pipe::algorithms::ALGORITHMS;
use nasperf_pipe::artifacts::architecture::{ARCHITECTURE_FILE, Architecture};
use nasperf_pipe::artifacts::score::{SCORE_FILE, Score};
use nasperf_pipe::artifacts::search_log::{SEARCH_FILE, SearchLog};
use nasperf_pipe::artifacts::weights::{self, Saved, WEIGHTS_FILE};
use nasperf_pipe::spaces::SPACES;
use nasperf_pipe::spaces::darts::architecture::decode;
use nasperf_pipe::spaces::darts::genotype::{Pick, Primitive};
use nasperf_pipe::stages::canonical::Reads;
use nasperf_pipe::stages::context::StageError;
use nasperf_pipe::stages::entry::{Names, Setting};
use nasperf_pipe::stages::evaluate::{self, Parts};
use nasperf_pipe::stages::retrain;
use nasperf_pipe::stages::search::{self, NAMES};
use nasperf_pipe::tasks::TASKS;
use serde_json::{Map, Value, json};

struct Cell {
    task: &'static str,
    algorithm: &'static str,
    dataset: Blobs,
    settings: Value,
}

impl Cell {
    fn names(&self) -> Names {
        let some = |name: &str| Some(name.to_string());
        Names { task: some(self.task), space: some("darts"), algorithm: some(self.algorithm), seed: Some(0) }
    }

    fn reads(&self) -> Reads<'static> {
        let task = TASKS.iter().find(|row| row.name == self.task).unwrap();
        let algorithm = ALGORITHMS.iter().find(|row| row.name == self.algorithm).unwrap();
        Reads { task: task.reads, space: SPACES[0].reads, algorithm: algorithm.reads, trains: algorithm.trains }
    }

    fn declared(&self, settings: &[Setting]) -> Map<String, Value> {
        let mut declared = self.settings.as_object().unwrap().clone();
        declared.retain(|key, _| settings.iter().any(|s| s.key == key));
        declared
    }

    fn search_in(&self, context: &mut MemoryContext) -> Result<(), StageError> {
        let task = TASKS.iter().find(|row| row.name == self.task).unwrap();
        let algorithm = ALGORITHMS.iter().find(|row| row.name == self.algorithm).unwrap();
        assert_eq!(SPACES[0].name, "darts");
        let (default, relaxed, sampled) = (SPACES[0].default, SPACES[0].relaxed, SPACES[0].sampled);
        let (objective, trains, start) = (task.objective, algorithm.trains, algorithm.start);
        let parts = search::Parts { default, relaxed, sampled, objective, trains, start };
        let params = search::params(self.declared(&search::settings()), self.reads()).unwrap();
        search::search(&self.names(), &params, &parts, context)
    }

    fn context(&self) -> MemoryContext {
        MemoryContext::new(&[("dataset", &self.dataset)], 0)
    }

    fn search(&self) -> Blobs {
        let mut context = self.context();
        self.search_in(&mut context).unwrap();
        context.outputs()
    }

    /// Trains what was found.
    fn train(&self, architecture: &Blobs) -> Blobs {
        let task = TASKS.iter().find(|row| row.name == self.task).unwrap();
        let params = retrain::params(self.declared(&retrain::settings()), self.reads()).unwrap();
        let mut context = MemoryContext::new(&[("dataset", &self.dataset), ("architecture", architecture)], 0);
        retrain::retrain(&params, task.objective, SPACES[0].child, &mut context).unwrap();
        context.outputs()
    }

    /// Trains what was found, and scores it.
    fn score(&self, architecture: &Blobs) -> Score {
        let task = TASKS.iter().find(|row| row.name == self.task).unwrap();
        let weights = self.train(architecture);
        let slots = [("dataset", &self.dataset), ("architecture", architecture), ("weights", &weights)];
        let mut context = MemoryContext::new(&slots, 0);
        let params = evaluate::params(self.declared(&evaluate::settings()), self.reads()).unwrap();
        let parts = Parts { objective: task.objective, metric: task.metric, child: SPACES[0].child };
        evaluate::evaluate(&self.names(), &params, &parts, &mut context).unwrap();
        serde_json::from_slice(&context.outputs()[SCORE_FILE]).unwrap()
    }
}

fn small(task: &'static str, dataset: Blobs) -> Cell {
    let settings = json!({
        "network.width": 4, "search.cells": 3, "search.epochs": 3, "search.batch": 4, "search.warmup": 1,
        "retrain.cells": 3, "retrain.epochs": 2, "retrain.batch": 4, "retrain.drop_path": 0.3,
        // a hole of 16×16 would leave nothing of these images
        "retrain.cutout": false, "retrain.schedule": "cosine", "retrain.clip": 5.0, "retrain.learning_rate": 0.025,
    });
    Cell { task, algorithm: "gaea", dataset, settings }
}

fn log(found: &Blobs) -> SearchLog {
    serde_json::from_slice(&found[SEARCH_FILE]).unwrap()
}

#[test]
fn a_search_moves_its_architecture_after_the_warm_up_and_ends_in_a_network_that_trains() {
    for cell in [small("cifar100", images(8, 4, 20, 6)), small("darcy", fields(8, 20, 6))] {
        let found = cell.search();
        let log = log(&found);
        let samples = log.samples;
        assert_eq!((log.epochs.len(), log.steps), (3, 3 * samples / 4));
        let [first, .., last] = &log.epochs[..] else { panic!("three epochs") };
        assert!(first.parameters.iter().all(|v| *v == 1.0) && first.architecture_loss.is_none());
        assert!((first.entropy - 8f64.ln()).abs() < 1e-9 && last.entropy < first.entropy);
        assert!(last.parameters[..112].iter().any(|v| (v - 0.125).abs() > 1e-5));
        // every row of alpha is a simplex now, and so are all edges of a cell type together; dense cells have one type
        for row in last.parameters[..112].chunks(8).chain([&last.parameters[112..126]]) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{row:?}");
        }
        let reduce_moved = last.parameters[126..].iter().any(|v| *v != 1.0);
        assert_eq!(reduce_moved, cell.task == "cifar100");
        let architecture: Architecture = serde_json::from_slice(&found[ARCHITECTURE_FILE]).unwrap();
        assert_eq!(last.architecture, architecture.body);
        assert_eq!(decode(&architecture).unwrap().normal.len(), 8);
        let score = cell.score(&found);
        assert!(score.value.is_finite(), "{score:?}");
    }
}

#[test]
fn a_list_of_primitives_is_searched_and_its_finds_train_in_every_form() {
    let wide =
        ["none", "skip_connect", "sep_conv_7x7", "dil_conv_9x9", "conv_7x1_1x7", "spectral_conv_4", "max_pool_3x3"];
    assert!(NAMES.iter().skip(1).all(|name| Primitive::find(name).unwrap().name() == *name));
    for (algorithm, dataset, task) in [
        ("gaea", images(8, 4, 20, 6), "cifar100"),
        ("gaea", fields(8, 20, 6), "darcy"),
        ("darts", series(24, 4, 20, 6), "satellite"),
        ("random", images(8, 4, 20, 6), "cifar100"),
    ] {
        let mut cell = Cell { algorithm, ..small(task, dataset) };
        cell.settings["space.darts.primitives"] = json!(wide);
        let found = cell.search();
        let genotype = decode(&serde_json::from_slice(&found[ARCHITECTURE_FILE]).unwrap()).unwrap();
        let listed = |pick: &Pick| wide.contains(&pick.primitive.name().as_str());
        assert!(genotype.normal.iter().chain(&genotype.reduce).all(listed), "{genotype}");
        if algorithm != "random" {
            let last = log(&found).epochs.pop().unwrap();
            assert_eq!(last.parameters.len(), 2 * 14 * (wide.len() + 1));
            assert!(last.parameters.iter().any(|v| *v != last.parameters[0]));
        }
        assert!(cell.score(&found).value.is_finite());
    }
    let mut cell = small("cifar100", images(8, 4, 20, 6));
    cell.settings["space.darts.primitives"] = json!(["none"]);
    assert!(search::params(cell.declared(&search::settings()), cell.reads()).unwrap_err().contains("besides `none`"));
    cell.settings["space.darts.primitives"] = json!(["none", "sep_conv_4x4"]);
    let error = cell.search_in(&mut cell.context()).unwrap_err().to_string();
    assert!(error.contains("space.darts.primitives: there is no primitive `sep_conv_4x4`"), "{error}");
    // of a known genotype the list says nothing: it is no part of the key
    let known = Cell { algorithm: "default", ..cell };
    assert!(
        !search::params(known.declared(&search::settings()), known.reads())
            .unwrap()
            .contains_key("space.darts.primitives")
    );
}

#[test]
fn every_primitive_of_the_wide_list_has_a_network() {
    for text in ["sep_conv_11x11", "dil_conv_7x7", "conv_7x1_1x7", "conv_11x1_1x11", "spectral_conv_16"] {
        let pairs = |inputs: [usize; 4]| inputs.map(|input| format!("('{text}', {input})")).join(", ");
        let genotype = format!("Genotype(normal=[{0}], reduce=[{0}])", pairs([0, 1, 1, 2]));
        for (task, dataset) in [("cifar100", images(8, 4, 20, 6)), ("satellite", series(24, 4, 20, 6))] {
            let mut cell = Cell { algorithm: "default", ..small(task, dataset) };
            cell.settings["network.genotype"] = json!(genotype);
            assert!(cell.score(&cell.search()).value.is_finite(), "{text} on {task}");
        }
    }
}

#[test]
fn an_auxiliary_head_trains_beside_the_network_and_is_not_kept() {
    let mut cell = small("cifar100", images(8, 4, 20, 6));
    cell.settings["network.reductions"] = json!(false); // a head needs a plane of 5×5 or more
    let found = cell.search();
    let plain = weights::decode(&cell.train(&found)[WEIGHTS_FILE]).unwrap();
    cell.settings["retrain.auxiliary"] = json!(0.4);
    let headed = weights::decode(&cell.train(&found)[WEIGHTS_FILE]).unwrap();
    let names = |saved: &[Saved]| saved.iter().map(|s| s.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&headed), names(&plain));
    let stem = |saved: &[Saved]| saved.iter().find(|s| s.name == "stem.0.weight").unwrap().values.clone();
    assert_ne!(stem(&headed), stem(&plain), "its gradient reaches the first layer");
    assert!(cell.score(&found).value.is_finite());
}

#[test]
fn interrupted_anywhere_a_search_ends_with_the_same_bytes_on_any_number_of_threads() {
    let cell = small("cifar100", images(8, 4, 20, 6));
    let expected = cell.search();
    let steps = log(&expected).steps;
    for stop_after in [0, 1, steps / 2, steps - 1] {
        let mut context = cell.context();
        context.stop_after = Some(stop_after);
        let stopped = cell.search_in(&mut context);
        assert!(matches!(stopped, Err(StageError::Interrupted)), "after {stop_after}: {stopped:?}");
        let mut next = cell.context();
        next.saved = context.saved.take();
        assert!(next.saved.is_some());
        cell.search_in(&mut next).unwrap();
        assert!(next.outputs() == expected, "stopped after {stop_after} steps");
    }
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert!(pool.install(|| cell.search()) == expected, "{threads} threads");
    }
}

#[test]
fn as_described_and_plain_darts_search_too() {
    let with = |algorithm: &'static str, more: Value| {
        let mut cell = small("cifar100", images(8, 4, 20, 6));
        cell.algorithm = algorithm;
        let more = more.as_object().unwrap().clone();
        cell.settings.as_object_mut().unwrap().extend(more);
        cell
    };
    let described = with(
        "gaea",
        json!({
            "search.warmup": 0, "fidelity.gaea_mixing": "direct", "fidelity.search_order": "architecture",
            "fidelity.search_pairs": "fresh",
        }),
    );
    let log_of = |cell: &Cell| log(&cell.search());
    let last = log_of(&described).epochs.pop().unwrap();
    // edges of each node sum to 1, and no primitive falls below the floor
    assert!((last.parameters[112..114].iter().sum::<f32>() - 1.0).abs() < 1e-5);
    assert!(last.parameters[..112].iter().all(|v| *v >= 0.99e-5) && last.architecture_steps > 0);
    let darts = with("darts", json!({"search.partial": 1, "search.warmup": 0, "search.architecture_rate": 0.01}));
    let last = log_of(&darts).epochs.pop().unwrap();
    assert!(last.parameters.iter().any(|v| *v > 1.001) && last.parameters.iter().any(|v| *v < 0.999));
}

#[test]
fn known_genotypes_train_without_a_search() {
    let mut cell = small("cifar100", images(8, 4, 20, 6));
    cell.algorithm = "default";
    for (genotype, first) in [("DARTS_V2", "sep_conv_3x3"), ("NB360_spherical_2", "max_pool_3x3")] {
        cell.settings["network.genotype"] = json!(genotype);
        let found = cell.search();
        assert!(!found.contains_key(SEARCH_FILE));
        let architecture: Architecture = serde_json::from_slice(&found[ARCHITECTURE_FILE]).unwrap();
        assert_eq!(architecture.body["normal"][0]["primitive"], json!(first));
    }
    assert!(cell.score(&cell.search()).value.is_finite());
    cell.settings["network.genotype"] = json!("DARTS_V9");
    let error = cell.search_in(&mut cell.context()).unwrap_err().to_string();
    assert!(error.contains("DARTS_V9") && error.contains("PC_DARTS_cifar"), "{error}");
}

#[test]
fn an_architecture_drawn_at_random_is_its_seeds_own_and_trains() {
    let mut cell = small("cifar100", images(8, 4, 20, 6));
    cell.algorithm = "random";
    let drawn = |seed: u64| {
        let mut context = cell.context();
        context.seed = seed;
        cell.search_in(&mut context).unwrap();
        context.outputs()
    };
    assert!(drawn(0) == drawn(0) && drawn(0) != drawn(1));
    assert_eq!(drawn(0).len(), 1, "no record of a search");
    assert!(cell.score(&drawn(1)).value.is_finite());
}

#[test]
fn sizes_that_cannot_be_are_errors_that_say_what_may_be() {
    let refused = |more: Value| {
        let mut cell = small("cifar100", images(8, 4, 20, 6));
        cell.settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        cell.search_in(&mut cell.context()).unwrap_err().to_string()
    };
    let error = refused(json!({"network.width": 6}));
    assert!(error.contains("multiple of search.partial (4)") && error.contains("found 6"), "{error}");
    assert!(refused(json!({"search.nodes": 5})).contains("1 to 4 nodes"));
}
