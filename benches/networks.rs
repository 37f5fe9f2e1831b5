//! Whole steps of training and of search beside PyTorch, on synthetic data of the tasks' sizes. Prints the limits of the
//! machine first, compares loss and gradients before timing, then times both in turns.
//!
//! `make bench-setup` once, then `cargo bench --bench networks`. How to choose rows and threads: `harness/request.rs`; what the
//! columns are: `harness/rounds.rs`. The peers' networks: `peer/{wrn,resnet1d,supernet}.py`.

mod harness;

use candle_core::{Device, Tensor};
use harness::formula::{self, apart, deviation, draw};
use harness::node;
use harness::peer::Peer;
use harness::request::{self, Request};
use harness::rounds::{Count, Row};
use harness::usage::resident_mib;
use nasperf_pipe::artifacts::dataset::{Target, TaskShape};
use nasperf_pipe::nn::network::{Mode, Network};
use nasperf_pipe::nn::parameters::ParameterSet;
use nasperf_pipe::nn::supernet::Supernet;
use nasperf_pipe::ops::loss::{Loss, loss};
use nasperf_pipe::ops::mixed_cell::Wanted;
use nasperf_pipe::seed::Purpose;
use nasperf_pipe::spaces::contract::child::{ChildParams, NetworkParams};
use nasperf_pipe::spaces::contract::default::DefaultParams;
use nasperf_pipe::spaces::contract::relaxed::Mixing;
use nasperf_pipe::spaces::darts::choices::Choices;
use nasperf_pipe::spaces::darts::derived::{AS_RUN, DerivedShape};
use nasperf_pipe::spaces::darts::genotype::Genotype;
use nasperf_pipe::spaces::darts::supernet::SupernetShape;
use nasperf_pipe::spaces::wrn::{child, default};
use nasperf_pipe::training::sgd::{Sgd, SgdParams};
use nasperf_pipe::training::{clip, exponentiated_gradient};
use serde_json::Value;
use std::sync::Arc;

/// Of digests of gradients. Some inputs of a ReLU change their sign by rounding: in f32 PyTorch is up to 6.5e-4 away from
/// itself in f64 (WRN-16-4, batch 32), and ours 1.8e-3; a wrong term shows as 0.1 or more.
const TOLERANCE: f64 = 5e-3;
/// Of the derived network, twenty cells deep: single values of PyTorch's own gradient in f32 are up to 9.3e-2 away from those in
/// f64, by this measure. That the network is the right one is shown in f64, by tests/it/darts.rs.
const TOLERANCE_DEEP: f64 = 0.2;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The default network of the space wrn; for series the residual one, as the benchmark ran it.
    Default,
    /// The wide network on series.
    WideSeries,
    /// DARTS_V2 with 36 channels and 20 cells; its loss is clipped and its optimiser without Nesterov.
    Derived,
    /// A step of search: weights, then architecture, each half asking for its own gradients only.
    Search,
}

#[derive(Clone, Copy)]
struct Case {
    kind: Kind,
    batch: usize,
    channels: usize,
    size: &'static [usize],
    outputs: usize,
    /// Named as the peers take it.
    loss: &'static str,
    /// Multiply-adds of one sample, forward, in convolutions and linear layers (methods spec §5.2, §5.3; the literal series
    /// form counted by hooks on the peer's modules).
    macs: f64,
}

/// Of DARTS_V2, in convolutions and the linear layer (methods spec §5.4).
const MACS_POINT: f64 = 528_410_880.0;
const MACS_SERIES: f64 = 1_098_686_304.0;

/// CIFAR-100, Darcy flow and DeepSEA (the search on series: ECG).
const CASES: [Case; 9] = [
    Case {
        kind: Kind::Default,
        batch: 32,
        channels: 3,
        size: &[32, 32],
        outputs: 100,
        loss: "ce",
        macs: 392_635_392.0,
    },
    Case {
        kind: Kind::Default,
        batch: 4,
        channels: 3,
        size: &[85, 85],
        outputs: 1,
        loss: "l2",
        macs: 19_817_886_000.0,
    },
    Case { kind: Kind::Default, batch: 32, channels: 4, size: &[1000], outputs: 36, loss: "bce", macs: 502_020_608.0 },
    Case {
        kind: Kind::WideSeries,
        batch: 32,
        channels: 4,
        size: &[1000],
        outputs: 36,
        loss: "bce",
        macs: 311_497_216.0,
    },
    Case { kind: Kind::Derived, batch: 16, channels: 3, size: &[32, 32], outputs: 100, loss: "ce", macs: MACS_POINT },
    Case { kind: Kind::Derived, batch: 16, channels: 1, size: &[1000], outputs: 4, loss: "ce", macs: MACS_SERIES },
    Case { kind: Kind::Search, batch: 64, channels: 3, size: &[32, 32], outputs: 100, loss: "ce", macs: 56_620_032.0 },
    Case { kind: Kind::Search, batch: 64, channels: 1, size: &[1000], outputs: 4, loss: "ce", macs: 75_665_024.0 },
    Case { kind: Kind::Search, batch: 4, channels: 3, size: &[85, 85], outputs: 1, loss: "l2", macs: 530_488_400.0 },
];

fn main() {
    request::run(&CASES, name, |case, request| match case.kind {
        Kind::Search => search(*case, request),
        _ => train(*case, request),
    });
}

fn name(case: &Case) -> String {
    let network = match (case.kind, case.size.len()) {
        (Kind::Search, _) => "search",
        (Kind::Derived, _) => "derived",
        (Kind::Default, 1) => "resnet1d",
        _ => "wrn",
    };
    let form = if case.loss == "l2" { " dense" } else { "" };
    format!("{network}{form} {} x {} x {}", case.batch, case.channels, case.written())
}

impl Case {
    /// As the peers take it: 32x32, or 1000 for a series.
    fn written(&self) -> String {
        self.size.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
    }

    fn peer(&self, request: &Request) -> Option<Peer> {
        let Case { kind, batch, channels, outputs, loss, .. } = *self;
        let mut arguments = format!(
            "--batch {batch} --channels {channels} --size {} --outputs {outputs} --loss {loss}",
            self.written()
        );
        let script = match (kind, self.size.len()) {
            (Kind::Search, _) => "torch_supernet.py",
            (Kind::Derived, _) => "torch_derived.py",
            (Kind::Default, 1) => "torch_resnet1d.py",
            _ => "torch_wrn.py",
        };
        arguments += if self.loss == "l2" { " --form dense" } else { "" };
        arguments += if kind == Kind::Search { " --lean" } else { "" };
        Peer::start(script, &arguments, request.pool.current_num_threads())
    }

    fn target(&self) -> Target {
        match self.loss {
            "l2" => Target::Dense { channels: self.outputs },
            "bce" => Target::MultiLabel { labels: self.outputs },
            _ => Target::Point { classes: self.outputs },
        }
    }

    /// Inputs and loss of a batch, as `inputs` and `targets` of `benches/peer/weights.py`.
    fn data(&self, batch: u64) -> (Tensor, Loss) {
        let dims: Vec<usize> = [self.batch, self.channels].into_iter().chain(self.size.iter().copied()).collect();
        let x = Tensor::from_vec(formula::inputs(batch, dims.iter().product()), dims, &Device::Cpu).expect("fits");
        let positions: usize = self.size.iter().product();
        let floats = |count: usize, f: fn(f64) -> f32| Arc::new(draw(2000 + batch, count).into_iter().map(f).collect());
        let of = match self.loss {
            "ce" => {
                let class = |i: usize| ((7 * i as u64 + 3 * batch) % self.outputs as u64) as u32;
                Loss::CrossEntropy { classes: Arc::new((0..self.batch).map(class).collect()), smoothing: 0.0 }
            }
            "bce" => {
                Loss::BceWithLogits { targets: floats(self.batch * self.outputs, |u| f32::from(u8::from(u > 0.2))) }
            }
            _ => Loss::RelativeL2 { targets: floats(self.batch * self.outputs * positions, |u| (1.0 + u) as f32) },
        };
        (x, of)
    }
}

/// Places of the parameters in PyTorch's order, which numbers the start values: as they were made, but for the edges of a cell
/// and their primitives, which PyTorch lists by number.
fn order(set: &ParameterSet) -> Vec<usize> {
    let names: Vec<&str> = set.parameters().iter().map(|p| p.name.as_str()).collect();
    let key = |at: usize| {
        let Some((cell, edge)) = names[at].split_once("._ops.") else { return (at, Vec::new()) };
        let first = names.iter().position(|n| n.split_once("._ops.").is_some_and(|(c, _)| c == cell));
        let number = |part: &str| part.split('.').next().and_then(|n| n.parse().ok());
        (first.expect("it is among them"), edge.split("._ops.").filter_map(number).collect::<Vec<usize>>())
    };
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_cached_key(|at| key(*at));
    order
}

/// Gives all parameters their start values.
fn fill(set: &ParameterSet) {
    let mut saved = set.save().expect("parameters on the CPU");
    for (index, at) in order(set).into_iter().enumerate() {
        saved[at].values = formula::start(index, &saved[at].name, &saved[at].shape);
    }
    set.load(&saved).expect("the same names");
}

/// How far gradients are from the peer's digests, by parameter, or by cell of a supernet.
fn deviations(set: &ParameterSet, gradient: &Tensor, check: &Value) -> Vec<(String, f64)> {
    let gradient = gradient.to_vec1::<f32>().expect("the parameters are flat");
    let noise = 1e-2 * gradient.iter().map(|g| f64::from(g.abs())).sum::<f64>() / gradient.len() as f64;
    let mut groups: Vec<(String, Vec<f32>)> = Vec::new();
    for at in order(set) {
        let parameter = &set.parameters()[at];
        let group = match parameter.name.split('.').collect::<Vec<_>>()[..] {
            ["cells", cell, ..] => format!("cells.{cell}"),
            _ => parameter.name.clone(),
        };
        let values = &gradient[parameter.range.clone()];
        match groups.last_mut() {
            Some((name, joined)) if *name == group => joined.extend(values),
            _ => groups.push((group, values.to_vec())),
        }
    }
    assert_eq!(groups.len(), check.as_object().expect("digests by name").len());
    groups.into_iter().map(|(name, values)| (name.clone(), deviation(&values, &check[&name], noise))).collect()
}

fn value(loss: &Tensor) -> f64 {
    f64::from(loss.flatten_all().and_then(|l| l.to_vec1::<f32>()).expect("one value")[0])
}

fn relative(found: f64, expected: &Value) -> f64 {
    let expected = expected.as_f64().expect("a number");
    (found - expected).abs() / expected.abs()
}

fn train(case: Case, request: &Request) {
    let idle_mib = resident_mib();
    let mut row = Row { name: name(&case), request, peer: case.peer(request), idle_mib };
    let shape = TaskShape { channels: case.channels, spatial: case.size.to_vec(), target: case.target() };
    let wide_series = case.kind == Kind::WideSeries;
    let chosen = DefaultParams { global_head: true, wide_series, ..DefaultParams::default() };
    let architecture = default::choose(&shape, &chosen).expect("a shape of the benchmark");
    let params = ChildParams {
        droprate: 0.0,
        drop_path: None,
        auxiliary: false,
        network: NetworkParams::default(),
        init: Purpose::new(0, "bench", "init"),
        seed: 0,
        stage: "bench",
    };
    let network: Network = match case.kind {
        Kind::Derived => derived(&case).build(Purpose::new(0, "bench", "init")).expect("a shape of the benchmark"),
        _ => child::build(&architecture, &shape, &params).expect("a shape of the benchmark"),
    };
    let set = network.parameters();
    fill(set);
    let (x, target) = case.data(0);
    let gradients = |step: u64| {
        let output = network.forward(&x, Mode::Train { step }).expect("forward");
        let loss = loss(&output, target.clone()).expect("loss");
        let gradients = loss.backward().expect("backward");
        (value(&loss), gradients.get(set.theta()).expect("of the parameters").clone())
    };
    if let Some(check) = row.peer.as_mut().map(Peer::check) {
        let (loss, gradient) = request.pool.install(|| gradients(0));
        let mut found = deviations(set, &gradient, &check["gradients"]);
        found.push(("loss".to_string(), relative(loss, &check["loss"])));
        row.agree(&found, if case.kind == Kind::Derived { TOLERANCE_DEEP } else { TOLERANCE });
    }
    let searched = case.kind == Kind::Derived;
    let (nesterov, weight_decay) = if searched { (false, 3e-4) } else { (true, 5e-4) };
    let mut sgd = Sgd::new(SgdParams { momentum: 0.9, nesterov, weight_decay }, set.theta());
    let rate = if searched {
        0.025
    } else if case.loss == "l2" {
        0.001
    } else {
        0.1
    };
    // forward, gradient of the activations, gradient of the weights
    let count = Count { flop: 6.0 * case.macs * case.batch as f64, bytes: 0.0 };
    row.compare("", count, "step", &mut || {
        let (_, gradient) = gradients(0);
        let scale = if searched { clip::factor(clip::norm(&gradient).expect("norm"), 5.0) } else { 1.0 };
        sgd.step(set.theta(), &gradient, rate, scale).expect("update");
    });
}

fn derived(case: &Case) -> DerivedShape {
    let genotype = Genotype::parse("s30 s31 s30 s31 s31 sk0 sk0 d32", "mp0 mp1 sk2 mp1 mp0 sk2 sk2 mp1");
    DerivedShape {
        channels: case.channels,
        series: case.size.len() == 1,
        dense: false,
        outputs: case.outputs,
        width: 36,
        cells: 20,
        genotype: genotype.expect("DARTS_V2"),
        reductions: true,
        outer: AS_RUN,
        inner: AS_RUN,
        drop_path: None,
        auxiliary: false,
        seed: 0,
        stage: "bench",
    }
}

fn search(case: Case, request: &Request) {
    let idle_mib = resident_mib();
    let mut row = Row { name: name(&case), request, peer: case.peer(request), idle_mib };
    let shape = SupernetShape {
        channels: case.channels,
        series: case.size.len() == 1,
        dense: case.loss == "l2",
        outputs: case.outputs,
        width: 16,
        cells: 8,
        nodes: 4,
        partial: 4,
        reductions: true,
        mixing: Mixing::Softmax,
        choices: Choices::standard(),
    };
    // as a search does (algorithms/bilevel.rs): a series of 1,000 needs more than 1 GB where everything is kept
    let again = if shape.series { 5 } else { 0 };
    let supernet = shape.build(Purpose::new(0, "bench", "init"), again).expect("a shape of the benchmark");
    let set = supernet.parameters();
    fill(set);
    let (train, held_out) = (case.data(0), case.data(1));
    let gradients = |wants: Wanted, (x, target): &(Tensor, Loss)| {
        let output = supernet.forward(x, wants, 0).expect("forward");
        let loss = loss(&output, target.clone()).expect("loss");
        let gradients = loss.backward().expect("backward");
        let of = if wants == Wanted::Weights { set.theta() } else { supernet.architecture().as_tensor() };
        (value(&loss), gradients.get(of).expect("of what is wanted").clone())
    };
    if let Some(check) = row.peer.as_mut().map(Peer::check) {
        let [weights, architecture] = [&check["weights"], &check["architecture"]];
        let (loss, gradient) = request.pool.install(|| gradients(Wanted::Weights, &train));
        let mut found = deviations(set, &gradient, &weights["gradients"]);
        found.push(("loss of the weight step".to_string(), relative(loss, &weights["loss"])));
        let (loss, gradient) = request.pool.install(|| gradients(Wanted::Architecture, &held_out));
        found.push(("architecture".to_string(), apart_by_kind(&shape, &gradient, &architecture["gradients"])));
        found.push(("loss of the architecture step".to_string(), relative(loss, &architecture["loss"])));
        row.agree(&found, TOLERANCE);
    }
    let mut sgd = Sgd::new(SgdParams { momentum: 0.9, nesterov: false, weight_decay: 3e-4 }, set.theta());
    let mut weights = || {
        let (_, gradient) = gradients(Wanted::Weights, &train);
        let scale = clip::factor(clip::norm(&gradient).expect("norm"), 5.0);
        sgd.step(set.theta(), &gradient, 0.1, scale).expect("update");
    };
    let architecture = || {
        let (_, gradient) = gradients(Wanted::Architecture, &held_out);
        move_architecture(&supernet, &shape, &gradient);
    };
    // the weight step computes all three products of a layer, the architecture step not that of the weights
    let of = |products: f64| Count { flop: 2.0 * products * case.macs * case.batch as f64, bytes: 0.0 };
    row.compare("weights", of(3.0), "weights", &mut weights);
    row.compare("architecture", of(2.0), "architecture", &mut || architecture());
    let mut step = || {
        weights();
        architecture();
    };
    row.compare("step", of(5.0), "step", &mut step);
    if case.size == [32, 32] {
        node::beside(request, &mut step);
    }
}

/// Rows of alpha, then beta as one row, of the normal cells and, but for dense networks, of the reduction cells.
fn move_architecture(supernet: &Supernet, shape: &SupernetShape, gradient: &Tensor) {
    let gradient = gradient.to_vec1::<f32>().expect("flat");
    let mut values = supernet.architecture().to_vec1::<f32>().expect("flat");
    let (edges, kind) = (shape.edges(), values.len() / 2);
    for start in (0..values.len()).step_by(kind).take(if shape.dense { 1 } else { 2 }) {
        let (alpha, beta) =
            (start..start + edges * shape.choices.row(), start + edges * shape.choices.row()..start + kind);
        exponentiated_gradient::step(&mut values[alpha.clone()], &gradient[alpha], shape.choices.row(), 0.1);
        exponentiated_gradient::step(&mut values[beta.clone()], &gradient[beta], edges, 0.1);
    }
    let moved = Tensor::new(values, &Device::Cpu).expect("a vector");
    supernet.architecture().set(&moved).expect("the same length");
}

/// The peer lists alpha of both kinds, then beta of both; null stands where a dense network has no gradient.
fn apart_by_kind(shape: &SupernetShape, gradient: &Tensor, check: &Value) -> f64 {
    let gradient = gradient.to_vec1::<f32>().expect("flat");
    let (kind, alpha) = (gradient.len() / 2, shape.edges() * shape.choices.row());
    let parts = [0..alpha, kind..kind + alpha, alpha..kind, kind + alpha..2 * kind];
    let of = |(part, list): (std::ops::Range<usize>, &Value)| match list {
        Value::Null => gradient[part].iter().fold(0.0, |m: f64, v| m.max(f64::from(v.abs()))),
        list => apart(&gradient[part], list),
    };
    parts.into_iter().zip(check.as_array().expect("four lists")).map(of).fold(0.0, f64::max)
}
