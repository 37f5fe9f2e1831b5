//! Whole networks under the shim: steps of training and of search as one plan, run twice, against the same steps of the f64 reference.

use super::executor::{Executor, Memory, executor};
use super::shim::Order;
use crate::support::formula::draw;
use crate::support::golden_training::fill;
use candle_core::{DType, Device, Tensor};
use nasperf_pipe::artifacts::dataset::{Target, TaskShape};
use nasperf_pipe::nn::launches::program;
use nasperf_pipe::nn::network::{Mode, Network};
use nasperf_pipe::nn::parameters::ParameterSet;
use nasperf_pipe::ops::launch::plan::{Plan, Span};
use nasperf_pipe::ops::launch::planner::Planner;
use nasperf_pipe::ops::loss::cuda::{Form, Targets};
use nasperf_pipe::ops::loss::{Loss, loss};
use nasperf_pipe::ops::mixed_cell::Wanted;
use nasperf_pipe::ops::ramp::Ramp;
use nasperf_pipe::seed::Purpose;
use nasperf_pipe::spaces::contract::child::{ChildParams, NetworkParams};
use nasperf_pipe::spaces::contract::relaxed::Mixing;
use nasperf_pipe::spaces::darts::choices::Choices;
use nasperf_pipe::spaces::darts::derived::{AS_RUN, DerivedShape};
use nasperf_pipe::spaces::darts::genotype::Genotype;
use nasperf_pipe::spaces::darts::supernet::SupernetShape;
use nasperf_pipe::spaces::wrn::architecture::{Head, WrnArchitecture};
use nasperf_pipe::spaces::wrn::child;
use nasperf_pipe::training::launches::{
    Batch, Half, State, descend, evaluate, exponentiate, gradient, momenta, output_dims,
};
use nasperf_pipe::training::sgd::{Sgd, SgdParams};
use nasperf_pipe::training::{clip, exponentiated_gradient};
use std::sync::Arc;

pub const SGD: SgdParams = SgdParams { momentum: 0.9, nesterov: true, weight_decay: 1e-3 };
const RATE: f64 = 0.05;
pub const CLIP: f64 = 1.0;
const STEPS: u64 = 2;

/// A plan under construction with all arrays of a network.
pub struct Planned {
    pub planner: Planner,
    pub state: State,
    pub batch: Batch,
    pub velocity: Span,
    pub now: Span,
}

pub fn planned(
    op: &nasperf_pipe::nn::program::Program,
    set: &ParameterSet,
    x: &[usize],
    alpha: Option<usize>,
) -> Planned {
    let mut planner = Planner::default();
    let theta = planner.outside("theta", set.count() as usize);
    let architecture = alpha.map(|n| planner.outside("alpha", n));
    let running = planner.outside("running", set.running().len());
    let momenta = planner.outside("momenta", running.length);
    let state = State { theta, architecture, running, momenta };
    let size: usize = output_dims(op, x, &state).unwrap().iter().product();
    let batch = Batch {
        x: planner.outside("x", x.iter().product()),
        targets: Targets { values: planner.outside("targets", size), weights: None },
        step: planner.outside("step", 1),
        output: planner.outside("output", size),
        loss: planner.outside("loss", 1),
    };
    let (velocity, now) = (planner.outside("velocity", theta.length), planner.outside("now", 2));
    Planned { planner, state, batch, velocity, now }
}

fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|v| *v as f32).collect()
}

fn inputs(step: u64, n: usize) -> Vec<f32> {
    draw(1000 + step, n).into_iter().map(|u| (4.0 * u) as f32).collect()
}

fn targets(step: u64, n: usize) -> Vec<f32> {
    draw(2000 + step, n).into_iter().map(|u| f32::from(u8::from(u > 0.1))).collect()
}

fn close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-3f64, |m, v| m.max(v.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let difference = (f64::from(*f) - e).abs();
        assert!(difference <= tolerance * scale, "{what}[{i}]: {f} instead of {e} (largest {scale})");
    }
}

/// Series run in one arena, which shows that nothing is given back too early; planes in guarded buffers.
fn memory_of(executor: Executor, plan: &Plan, rank: usize) -> Memory<'_> {
    if rank == 3 { Memory::packed(executor, plan) } else { Memory::new(executor, plan) }
}

/// Writes what a network starts with.
fn start(memory: &mut Memory<'_>, p: (&State, Span, Span), set: &ParameterSet) {
    let (state, velocity, now) = p;
    let theta = set.theta().to_dtype(DType::F32).unwrap().to_vec1::<f32>().unwrap();
    memory.write(state.theta, &theta);
    memory.write(state.running, &single(&set.running()));
    memory.write(state.momenta, &momenta(set.buffers()));
    memory.write(velocity, &vec![0.0; velocity.length]);
    memory.write(now, &[RATE as f32, 1.0]);
}

fn fill_batch(memory: &mut Memory<'_>, batch: &Batch, step: u64, at: u64) {
    memory.write(batch.x, &inputs(at, batch.x.length));
    memory.write(batch.targets.values, &targets(at, batch.targets.values.length));
    memory.write_words(batch.step, &[step as u32]);
}

/// The loss of the reference.
fn reference_loss(output: &Tensor, at: u64) -> Tensor {
    loss(output, Loss::BceWithLogits { targets: Arc::new(targets(at, output.elem_count())) }).unwrap()
}

fn tensor(step: u64, shape: &[usize]) -> Tensor {
    let values = inputs(step, shape.iter().product());
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap()
}

fn number(loss: &Tensor) -> f64 {
    loss.to_scalar::<f64>().unwrap()
}

/// (N,C,H,W) of a batch as networks take it.
pub fn image(shape: &[usize]) -> Vec<usize> {
    if shape.len() == 3 { vec![shape[0], shape[1], 1, shape[2]] } else { shape.to_vec() }
}

/// Steps of training of a network for inputs of `shape`, against those of a twin of it in f64.
fn trains(what: &str, network: &Network, reference: Network, shape: &[usize]) {
    let (program, x) = (program(&**network.program()).unwrap(), image(shape));
    let Planned { mut planner, state, batch, velocity, now } = planned(program, network.parameters(), &x, None);
    let gradient = gradient(&mut planner, program, (&x, Form::BceWithLogits), &state, &batch, Half::Weights).unwrap();
    descend(&mut planner, SGD, Some(CLIP), (state.theta, gradient, velocity), now);
    let plan = planner.finish().unwrap();
    let Some(executor) = executor() else { return };
    let mut memory = memory_of(executor, &plan, shape.len());
    start(&mut memory, (&state, velocity, now), network.parameters());
    let reference = reference.into_reference().unwrap();
    let set = reference.parameters();
    let mut sgd = Sgd::new(SGD, set.theta());
    for step in 0..STEPS {
        fill_batch(&mut memory, &batch, step, step);
        memory.run(Order::Random(step as u32)).unwrap_or_else(|error| panic!("{what}: {error}"));
        let output = reference.forward(&tensor(step, shape), Mode::Train { step }).unwrap();
        let loss = reference_loss(&output, step);
        let gradients = loss.backward().unwrap();
        let gradient = gradients.get(set.theta()).unwrap();
        let scale = clip::factor(clip::norm(gradient).unwrap(), CLIP);
        sgd.step(set.theta(), gradient, RATE, scale).unwrap();
        let what = format!("{what}, step {step}");
        close(&format!("{what}: loss"), &memory.read(batch.loss), &[number(&loss)], 1e-5);
        close(
            &format!("{what}: output"),
            &memory.read(batch.output),
            &output.flatten_all().unwrap().to_vec1().unwrap(),
            1e-4,
        );
        close(&format!("{what}: theta"), &memory.read(state.theta), &set.theta().to_vec1().unwrap(), 1e-4);
        close(&format!("{what}: running"), &memory.read(state.running), &set.running(), 1e-4);
    }
    drop(memory);
    // by running statistics, with what the reference has learnt
    let Planned { mut planner, state, batch, .. } = planned(program, network.parameters(), &x, None);
    evaluate(&mut planner, program, (batch.x, &x), &state, batch.output).unwrap();
    let plan = planner.finish().unwrap();
    let mut memory = Memory::new(executor, &plan);
    memory.write(state.theta, &single(&set.theta().to_vec1().unwrap()));
    memory.write(state.running, &single(&set.running()));
    memory.write(batch.x, &inputs(9, batch.x.length));
    memory.run(Order::Backward).unwrap_or_else(|error| panic!("{what}, evaluated: {error}"));
    let output = reference.forward(&tensor(9, shape), Mode::Evaluate).unwrap().flatten_all().unwrap();
    close(&format!("{what}, evaluated"), &memory.read(batch.output), &output.to_vec1().unwrap(), 1e-4);
}

#[test]
fn a_wide_residual_network_trains_as_on_the_cpu() {
    for spatial in [vec![10, 9], vec![23]] {
        let shape = TaskShape { channels: 3, spatial: spatial.clone(), target: Target::MultiLabel { labels: 4 } };
        let architecture = WrnArchitecture { depth: 10, widen: 1, width: 4, head: Head::Global }.encode().unwrap();
        let params = ChildParams {
            droprate: 0.2,
            drop_path: None,
            auxiliary: false,
            network: NetworkParams::default(),
            init: Purpose::new(0, "test", "init"),
            seed: 0,
            stage: "test",
        };
        let build = || child::build(&architecture, &shape, &params).unwrap();
        trains(&format!("wrn of {spatial:?}"), &build(), build(), &[&[3, 3], &spatial[..]].concat());
    }
}

#[test]
fn a_derived_network_trains_as_on_the_cpu() {
    let normal = "mp0 s31 sk0 d52 ap1 s50 d33 sk2";
    for spatial in [vec![8, 7], vec![19]] {
        let shape = DerivedShape {
            channels: 2,
            series: spatial.len() == 1,
            dense: false,
            outputs: 3,
            width: 4,
            cells: 3,
            genotype: Genotype::parse(normal, normal).unwrap(),
            reductions: true,
            outer: AS_RUN,
            inner: AS_RUN,
            drop_path: Some(Ramp { most: 0.4, steps: 1, epochs: 2 }),
            auxiliary: false,
            seed: 0,
            stage: "test",
        };
        let build = || {
            let network = shape.build(Purpose::new(0, "test", "init")).unwrap();
            fill(network.parameters());
            network
        };
        trains(&format!("derived of {spatial:?}"), &build(), build(), &[&[4, 2], &spatial[..]].concat());
    }
}

pub fn supernet_shape(spatial: usize, width: usize, cells: usize) -> SupernetShape {
    SupernetShape {
        channels: 2,
        series: spatial == 1,
        dense: false,
        outputs: 3,
        width,
        cells,
        nodes: 4,
        partial: 4,
        reductions: true,
        mixing: Mixing::Softmax,
        choices: Choices::standard(),
    }
}

/// Where rows of alpha and beta begin, and the end: those of both kinds of cells.
pub fn rows(shape: &SupernetShape) -> Vec<u32> {
    let (edges, mut starts) = (shape.edges(), vec![0]);
    for _ in 0..2 {
        for width in std::iter::repeat_n(8, edges).chain([edges]) {
            starts.push(starts[starts.len() - 1] + width as u32);
        }
    }
    starts
}

#[test]
fn a_supernet_searches_as_on_the_cpu() {
    for spatial in [vec![6, 5], vec![11]] {
        let dims = [&[3, 2], &spatial[..]].concat();
        let (shape, x) = (supernet_shape(spatial.len(), 4, 3), image(&dims));
        let build = || {
            let supernet = shape.build(Purpose::new(0, "test", "init"), 0).unwrap();
            fill(supernet.parameters());
            supernet
        };
        let supernet = build();
        let weights = program(&**supernet.program(Wanted::Weights)).unwrap();
        let of_architecture = program(&**supernet.program(Wanted::Architecture)).unwrap();
        let n = supernet.architecture().elem_count();
        let Planned { mut planner, state, batch, velocity, now } = planned(weights, supernet.parameters(), &x, Some(n));
        let second = Batch {
            x: planner.outside("x", batch.x.length),
            targets: Targets { values: planner.outside("targets", batch.targets.values.length), weights: None },
            ..batch
        };
        let (second_loss, alpha_now) = (planner.outside("loss", 1), planner.outside("now", 1));
        let second = Batch { loss: second_loss, ..second };
        let alpha = state.architecture.unwrap();
        // both halves of a step of search in one plan
        let form = Form::BceWithLogits;
        let own = gradient(&mut planner, weights, (&x, form), &state, &batch, Half::Weights).unwrap();
        descend(&mut planner, SGD, Some(CLIP), (state.theta, own, velocity), now);
        planner.give(own);
        let own = gradient(&mut planner, of_architecture, (&x, form), &state, &second, Half::Architecture).unwrap();
        exponentiate(&mut planner, alpha, own, alpha_now, rows(&shape));
        let plan = planner.finish().unwrap();
        let Some(executor) = executor() else { return };
        let mut memory = memory_of(executor, &plan, dims.len());
        start(&mut memory, (&state, velocity, now), supernet.parameters());
        memory.write(alpha, &supernet.architecture().to_vec1::<f32>().unwrap());
        memory.write(alpha_now, &[0.1]);
        let reference = build().into_reference().unwrap();
        let set = reference.parameters();
        let mut sgd = Sgd::new(SGD, set.theta());
        for step in 0..STEPS {
            fill_batch(&mut memory, &batch, step, 2 * step);
            fill_batch(&mut memory, &second, step, 2 * step + 1);
            memory.run(Order::Random(step as u32)).unwrap_or_else(|error| panic!("supernet: {error}"));
            let output = reference.forward(&tensor(2 * step, &dims), Wanted::Weights, step).unwrap();
            let first_loss = reference_loss(&output, 2 * step);
            let gradients = first_loss.backward().unwrap();
            let gradient = gradients.get(set.theta()).unwrap();
            let scale = clip::factor(clip::norm(gradient).unwrap(), CLIP);
            sgd.step(set.theta(), gradient, RATE, scale).unwrap();
            let output = reference.forward(&tensor(2 * step + 1, &dims), Wanted::Architecture, step).unwrap();
            let loss = reference_loss(&output, 2 * step + 1);
            let gradients = loss.backward().unwrap();
            let gradient = gradients.get(reference.architecture()).unwrap().to_vec1::<f64>().unwrap();
            let mut values = reference.architecture().to_vec1::<f64>().unwrap();
            for row in rows(&shape).windows(2) {
                let row = row[0] as usize..row[1] as usize;
                exponentiated_gradient::step(&mut values[row.clone()], &gradient[row.clone()], row.len(), 0.1);
            }
            reference.architecture().set(&Tensor::new(values.clone(), &Device::Cpu).unwrap()).unwrap();
            let what = format!("supernet of {spatial:?}, step {step}");
            close(&format!("{what}: loss"), &memory.read(batch.loss), &[number(&first_loss)], 1e-5);
            close(&format!("{what}: second loss"), &memory.read(second.loss), &[number(&loss)], 2e-4);
            close(&format!("{what}: theta"), &memory.read(state.theta), &set.theta().to_vec1().unwrap(), 2e-4);
            close(&format!("{what}: running"), &memory.read(state.running), &set.running(), 2e-4);
            close(&format!("{what}: alpha"), &memory.read(alpha), &values, 1e-5);
        }
    }
}
