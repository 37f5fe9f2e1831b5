//! Plans of networks at their published sizes, which nothing executes: that there is one, how many launches and how much memory.

use super::networks::{CLIP, Planned, SGD, image, planned, rows, supernet_shape};
use nasperf_pipe::artifacts::dataset::{Target, TaskShape};
use nasperf_pipe::nn::launches::program;
use nasperf_pipe::ops::launch::arena::Arena;
use nasperf_pipe::ops::launch::plan::Plan;
use nasperf_pipe::ops::loss::cuda::Form;
use nasperf_pipe::ops::mixed_cell::Wanted;
use nasperf_pipe::seed::Purpose;
use nasperf_pipe::spaces::contract::child::{ChildParams, NetworkParams};
use nasperf_pipe::spaces::contract::default::DefaultParams;
use nasperf_pipe::spaces::darts::supernet::SupernetShape;
use nasperf_pipe::spaces::wrn::{child, default};
use nasperf_pipe::training::launches::{Half, descend, exponentiate, gradient};
use std::collections::BTreeMap;

/// Shown with `--nocapture`: launches and least traffic, in all and by kernel.
fn traffic(what: &str, plan: &Plan) {
    let (read, written) = plan.traffic();
    eprintln!("{what}: {} launches, {read} bytes read, {written} written", plan.launches.len());
    let mut kernels: BTreeMap<&str, (usize, u64, u64)> = BTreeMap::new();
    for launch in &plan.launches {
        let (read, written) = launch.traffic();
        let of = kernels.entry(launch.kernel).or_default();
        *of = (of.0 + 1, of.1 + read, of.2 + written);
    }
    for (kernel, (launches, read, written)) in kernels {
        eprintln!("  {kernel}: {launches} launches, {} KiB read, {} KiB written", read >> 10, written >> 10);
    }
}

/// Kernels that PyTorch eager runs for the same step (batch 2, weights and architecture, only the gradients each needs), counted by
/// its profiler: 5432 convolutions and their backward calls, 3616 batch norms, 2741 ReLUs, 4409 products with architecture weights,
/// 1841 sums, 281 concatenations and 480 pools. Fills, copies, accumulated gradients and the optimiser are left out.
const PYTORCH: usize = 18_800;

#[test]
fn a_step_of_search_has_a_tenth_of_the_launches() {
    let shape = SupernetShape { channels: 3, outputs: 10, ..supernet_shape(2, 16, 8) };
    let x = [64, 3, 32, 32];
    let supernet = shape.build(Purpose::new(0, "test", "init"), 0).unwrap();
    let n = supernet.architecture().elem_count();
    let weights = program(&**supernet.program(Wanted::Weights)).unwrap();
    let of_architecture = program(&**supernet.program(Wanted::Architecture)).unwrap();
    let Planned { mut planner, state, batch, velocity, now } = planned(weights, supernet.parameters(), &x, Some(n));
    let form = Form::BceWithLogits;
    let own = gradient(&mut planner, weights, (&x, form), &state, &batch, Half::Weights).unwrap();
    descend(&mut planner, SGD, Some(CLIP), (state.theta, own, velocity), now);
    planner.give(own);
    let own = gradient(&mut planner, of_architecture, (&x, form), &state, &batch, Half::Architecture).unwrap();
    exponentiate(&mut planner, state.architecture.unwrap(), own, now.part(0..1), rows(&shape));
    let plan = planner.finish().unwrap();
    traffic("published supernet", &plan);
    let arena = Arena::new(&plan.buffers);
    eprintln!("arena: {} MiB", arena.bytes >> 20);
    assert!(10 * plan.launches.len() < PYTORCH, "{} launches", plan.launches.len());
    // PyTorch holds 4.1 GB for the same batch
    assert!(arena.bytes < 2 << 30, "{} bytes", arena.bytes);
}

/// A task of each form: channels, plane, target, batch (methods spec, batches of `wrn/default`).
#[test]
fn networks_of_published_size_have_plans() {
    let tasks = [
        (3, vec![32, 32], Target::Point { classes: 100 }, 128),
        (16, vec![52], Target::Point { classes: 18 }, 128),
        (1, vec![96, 101], Target::MultiLabel { labels: 200 }, 32),
        (3, vec![85, 85], Target::Dense { channels: 1 }, 4),
        (57, vec![128, 128], Target::Dense { channels: 1 }, 2),
        (1, vec![1000], Target::Point { classes: 4 }, 128),
        (4, vec![1000], Target::MultiLabel { labels: 36 }, 64),
    ];
    for (channels, spatial, target, batch) in tasks {
        let shape = TaskShape { channels, spatial, target };
        for wide_series in [false, true] {
            let of = DefaultParams { width: None, global_head: false, wide_series, genotype: None };
            let params = ChildParams {
                droprate: 0.1,
                drop_path: None,
                auxiliary: false,
                network: NetworkParams::default(),
                init: Purpose::new(0, "test", "init"),
                seed: 0,
                stage: "test",
            };
            let network = child::build(&default::choose(&shape, &of).unwrap(), &shape, &params).unwrap();
            let x = image(&[&[batch, shape.channels], &shape.spatial[..]].concat());
            let op = program(&**network.program()).unwrap();
            let Planned { mut planner, state, batch, velocity, now } = planned(op, network.parameters(), &x, None);
            let own = gradient(&mut planner, op, (&x, Form::BceWithLogits), &state, &batch, Half::Weights).unwrap();
            descend(&mut planner, SGD, None, (state.theta, own, velocity), now);
            let plan = planner.finish().unwrap();
            let arena = Arena::new(&plan.buffers);
            eprintln!("{shape:?} of {}: {} launches, {} MiB", x[0], plan.launches.len(), arena.bytes >> 20);
            assert!(arena.bytes < 20 << 30, "{shape:?}: {} bytes", arena.bytes);
        }
    }
}

#[test]
fn sizes_that_kernels_cannot_count_are_an_error() {
    let shape = SupernetShape { channels: 3, outputs: 10, ..supernet_shape(2, 16, 3) };
    let supernet = shape.build(Purpose::new(0, "test", "init"), 0).unwrap();
    let (x, n) = ([1 << 16, 3, 32, 32], supernet.architecture().elem_count());
    let op = program(&**supernet.program(Wanted::Weights)).unwrap();
    let Planned { mut planner, state, batch, .. } = planned(op, supernet.parameters(), &x, Some(n));
    gradient(&mut planner, op, (&x, Form::BceWithLogits), &state, &batch, Half::Weights).unwrap();
    let error = planner.finish().unwrap_err();
    assert!(error.contains("a smaller batch was expected"), "{error}");
}

#[test]
fn every_source_is_among_the_compiled_images() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let images = std::fs::read_to_string(root.join("src/ops/launch/images.rs")).unwrap();
    for entry in std::fs::read_dir(root.join("kernels")).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if path.extension().is_some_and(|e| e == "cu") {
            assert!(images.contains(&format!("\"/{stem}.fatbin\"")), "src/ops/launch/images.rs lacks {stem}");
        }
    }
}
