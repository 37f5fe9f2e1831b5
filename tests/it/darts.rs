//! Story: the DARTS space against PyTorch. Derived networks train as there (twenty steps in `f64` to 1e-9, five in `f32` to
//! 1e-4), and ten bilevel steps of the supernet give its losses, weights, alpha and beta (tests/golden/networks/make.py).

use crate::support::golden_training::{Golden, buffers, close, fill, floats};
use candle_core::{DType, Device, Tensor};
use nasperf_pipe::nn::batch_norm::NORM;
use nasperf_pipe::nn::network::{Mode, Network};
use nasperf_pipe::nn::supernet::Supernet;
use nasperf_pipe::ops::mixed_cell::Wanted;
use nasperf_pipe::seed::Purpose;
use nasperf_pipe::spaces::contract::relaxed::Mixing;
use nasperf_pipe::spaces::darts::choices::Choices;
use nasperf_pipe::spaces::darts::derived::{AS_RUN, DerivedShape};
use nasperf_pipe::spaces::darts::genotype::Genotype;
use nasperf_pipe::spaces::darts::supernet::SupernetShape;
use nasperf_pipe::training::sgd::{Sgd, SgdParams};
use nasperf_pipe::training::{clip, exponentiated_gradient};
use std::ops::Range;

const DERIVED: &str = include_str!("../golden/networks/derived.json");
const SUPERNET: &str = include_str!("../golden/networks/supernet.json");

fn number(loss: &Tensor) -> f64 {
    loss.to_dtype(DType::F64).unwrap().to_scalar::<f64>().unwrap()
}

fn derived(golden: &Golden) -> Network {
    let dense = golden.is("dense");
    let shape = DerivedShape {
        channels: golden.shape[1],
        series: golden.shape.len() == 3,
        dense,
        outputs: golden.outputs,
        width: golden.size("width"),
        cells: golden.size("cells"),
        genotype: Genotype::parse(golden.text("normal"), golden.text("reduce")).unwrap(),
        reductions: true,
        outer: AS_RUN,
        inner: if dense { NORM } else { AS_RUN },
        drop_path: None,
        auxiliary: false,
        seed: 0,
        stage: "test",
    };
    let network = shape.build(Purpose::new(0, "test", "init")).unwrap();
    fill(network.parameters());
    network
}

fn optimiser(golden: &Golden, theta: &Tensor) -> Sgd {
    let (momentum, weight_decay) = (golden.number("momentum"), golden.number("weight_decay"));
    Sgd::new(SgdParams { momentum, nesterov: golden.is("nesterov"), weight_decay }, theta)
}

fn train(golden: &Golden, network: &Network, dtype: DType, steps: u64) -> Vec<f64> {
    let set = network.parameters();
    let mut sgd = optimiser(golden, set.theta());
    let step = |step: u64| {
        let batch = golden.batch(step);
        let output = network.forward(&golden.inputs(batch, dtype), Mode::Train { step }).unwrap();
        let loss = golden.loss(batch, &output);
        let gradients = loss.backward().unwrap();
        let gradient = gradients.get(set.theta()).unwrap();
        let scale = clip::factor(clip::norm(gradient).unwrap(), golden.number("clip"));
        sgd.step(set.theta(), gradient, golden.number("rate"), scale).unwrap();
        number(&loss)
    };
    (0..steps).map(step).collect()
}

fn compare_derived(name: &str) {
    let golden = Golden::of(DERIVED, name);
    let losses = floats(&golden.values["losses"]);
    let network = derived(&golden).into_reference().unwrap();
    close(name, &train(&golden, &network, DType::F64, losses.len() as u64), &losses, 1e-9);
    let evaluated = network.forward(&golden.inputs(0, DType::F64), Mode::Evaluate).unwrap();
    let set = network.parameters();
    golden.check_state(name, set, &buffers(set), &evaluated);
    close(&format!("{name}, f32"), &train(&golden, &derived(&golden), DType::F32, 5), &losses, 1e-4);
}

#[test]
fn derived_networks_train_as_in_pytorch() {
    for name in ["point", "point_all", "series", "dense"] {
        compare_derived(name);
    }
}

struct Search<'a> {
    golden: &'a Golden,
    shape: SupernetShape,
    supernet: Supernet,
    dtype: DType,
}

impl<'a> Search<'a> {
    fn new(golden: &'a Golden, again: usize, dtype: DType) -> Search<'a> {
        let shape = SupernetShape {
            channels: golden.shape[1],
            series: golden.shape.len() == 3,
            dense: golden.is("dense"),
            outputs: golden.outputs,
            width: golden.size("width"),
            cells: golden.size("cells"),
            nodes: 4,
            partial: golden.size("k"),
            reductions: true,
            mixing: Mixing::Softmax,
            choices: Choices::standard(),
        };
        let supernet = shape.build(Purpose::new(0, "test", "init"), again).unwrap();
        fill(supernet.parameters());
        let supernet = if dtype == DType::F64 { supernet.into_reference().unwrap() } else { supernet };
        Search { golden, shape, supernet, dtype }
    }

    fn gradients(&self, wants: Wanted, batch: u64) -> (f64, Tensor) {
        let output = self.supernet.forward(&self.golden.inputs(batch, self.dtype), wants, 0).unwrap();
        let loss = self.golden.loss(batch, &output);
        let gradients = loss.backward().unwrap();
        let theta = self.supernet.parameters().theta();
        let of = if wants == Wanted::Weights { theta } else { self.supernet.architecture() };
        (number(&loss), gradients.get(of).unwrap().clone())
    }

    fn values(&self, tensor: &Tensor) -> Vec<f64> {
        tensor.to_dtype(DType::F64).unwrap().to_vec1::<f64>().unwrap()
    }

    /// Alpha of a kind, as rows of 8, and its beta.
    fn places(&self, kind: usize) -> (Range<usize>, Range<usize>) {
        let (edges, length) = (self.shape.edges(), self.shape.edges() * (self.shape.choices.row() + 1));
        let start = kind * length;
        (start..start + edges * self.shape.choices.row(), start + edges * self.shape.choices.row()..start + length)
    }

    /// Places of the running statistics as PyTorch lists them: the pools of a state once per edge, and the identity of stride 2
    /// before the convolutions.
    fn buffers(&self) -> Vec<usize> {
        let set = self.supernet.parameters();
        let names: Vec<&str> = set.buffers().iter().map(|b| b.name.as_str()).collect();
        let mut places = Vec::new();
        let cells = self.golden.size("cells");
        let reduced = |cell: usize| !self.shape.dense && (cell == cells / 3 || cell == 2 * cells / 3);
        let inside = |name: &str| name.starts_with("cells.") && name.contains(".norms.");
        places.extend((0..names.len()).filter(|at| !names[*at].starts_with("cells.")));
        for cell in 0..cells {
            let own = format!("cells.{cell}.");
            places.extend((0..names.len()).filter(|at| names[*at].starts_with(&own) && !inside(names[*at])));
            let mut next = 2 * 5; // behind the pools of two inputs and three nodes
            for node in 0..4 {
                for from in 0..node + 2 {
                    let halves = reduced(cell) && from < 2;
                    let convolutions = next..next + 6;
                    let skip = halves.then_some(next + 6);
                    next += 6 + usize::from(halves);
                    for norm in [2 * from, 2 * from + 1].into_iter().chain(skip).chain(convolutions) {
                        let start = format!("{own}norms.{norm}.");
                        places.extend((0..names.len()).filter(|at| names[*at].starts_with(&start)));
                    }
                }
            }
        }
        places
    }

    /// Both losses of each step, and the gradient of the first architecture step.
    fn run(&self, steps: u64) -> (Vec<f64>, Vec<f64>) {
        let set = self.supernet.parameters();
        let mut sgd = optimiser(self.golden, set.theta());
        let (mut losses, mut first) = (Vec::new(), None);
        for step in 0..steps {
            let (loss, gradient) = self.gradients(Wanted::Weights, self.golden.batch(2 * step));
            let scale = clip::factor(clip::norm(&gradient).unwrap(), self.golden.number("clip"));
            sgd.step(set.theta(), &gradient, self.golden.number("rate"), scale).unwrap();
            losses.push(loss);
            let (loss, gradient) = self.gradients(Wanted::Architecture, self.golden.batch(2 * step + 1));
            losses.push(loss);
            let gradient = self.values(&gradient);
            let mut values = self.values(self.supernet.architecture());
            for kind in 0..if self.shape.dense { 1 } else { 2 } {
                let (alpha, beta) = self.places(kind);
                let width = beta.len();
                exponentiated_gradient::step(
                    &mut values[alpha.clone()],
                    &gradient[alpha],
                    self.shape.choices.row(),
                    0.1,
                );
                exponentiated_gradient::step(&mut values[beta.clone()], &gradient[beta], width, 0.1);
            }
            let moved = Tensor::new(values, &Device::Cpu).unwrap().to_dtype(self.dtype).unwrap();
            self.supernet.architecture().set(&moved).unwrap();
            first.get_or_insert(gradient);
        }
        (losses, first.unwrap())
    }

    /// Compares how far alpha and beta went from where each of them started with a golden object that lists them by kind; `tolerance`
    /// is a share of the longest way, and `rounding` what numbers of this size cannot tell.
    fn check(
        &self,
        what: &str,
        found: &[f64],
        golden: &serde_json::Value,
        start: [f64; 2],
        [tolerance, rounding]: [f64; 2],
    ) {
        for kind in 0..if self.shape.dense { 1 } else { 2 } {
            let (alpha, beta) = self.places(kind);
            let rows: Vec<f64> = golden["alpha"][kind].as_array().unwrap().iter().flat_map(floats).collect();
            let parts = [(alpha, rows, start[0]), (beta, floats(&golden["beta"][kind]), start[1])];
            for (place, expected, start) in parts {
                let size = expected.iter().map(|e| (e - start).abs()).fold(0.0, f64::max);
                for (at, (f, e)) in found[place].iter().zip(&expected).enumerate() {
                    let apart = (f - e).abs();
                    assert!(
                        apart <= tolerance * size + rounding,
                        "{what}, kind {kind}, {at}: {f} instead of {e}, {size}"
                    );
                }
            }
        }
    }
}

fn compare_search(name: &str) {
    let golden = Golden::of(SUPERNET, name);
    let pairs = golden.values["losses"].as_array().unwrap();
    let losses: Vec<f64> = pairs.iter().flat_map(floats).collect();
    let search = Search::new(&golden, 0, DType::F64);
    let (found, first) = search.run(pairs.len() as u64);
    close(name, &found, &losses, 1e-9);
    search.check(
        &format!("{name}: gradient"),
        &first,
        &golden.values["architecture_gradients"],
        [0.0; 2],
        [1e-9, 1e-11],
    );
    let end = search.values(search.supernet.architecture());
    search.check(&format!("{name}: end"), &end, &golden.values, [0.0; 2], [1e-9, 1e-11]);
    let evaluated = search.supernet.evaluate(&golden.inputs(0, DType::F64)).unwrap();
    golden.check_state(name, search.supernet.parameters(), &search.buffers(), &evaluated);
    let fast = |again| Search::new(&golden, again, DType::F32).run(5);
    let (saved, computed_again) = (fast(0), fast(usize::MAX));
    assert_eq!(saved, fast(1), "{name}: what one cell keeps must not show");
    close(&format!("{name}, f32"), &saved.0, &losses, 1e-4);
    assert_eq!(saved, computed_again, "{name}: what is kept must not show");
    let five = Search::new(&golden, 0, DType::F32);
    five.run(5);
    let moved = five.values(five.supernet.architecture());
    // all start at 1, and the first step's normalisation takes them to equal shares: what gradients did is the way from there
    // each step rounds numbers below 1/4 to multiples of 2⁻²⁶ or less; on series 1.7e-5 is the longest way
    let rounding = 5.0 * 2f64.powi(-27);
    let shares = [1.0 / five.shape.choices.row() as f64, 1.0 / five.shape.edges() as f64];
    five.check(&format!("{name}, f32: moved"), &moved, &golden.values["early"], shares, [1e-3, rounding]);
}

#[test]
fn ten_bilevel_steps_of_the_supernet_on_planes_are_those_of_pytorch() {
    compare_search("point");
}

#[test]
fn ten_bilevel_steps_with_whole_channels_are_those_of_pytorch() {
    compare_search("point_plain");
}

#[test]
fn ten_bilevel_steps_of_the_dense_supernet_are_those_of_pytorch() {
    compare_search("dense");
}

#[test]
fn ten_bilevel_steps_of_the_supernet_on_series_are_those_of_pytorch() {
    compare_search("series");
}
