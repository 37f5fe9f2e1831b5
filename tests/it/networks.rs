//! Story: networks against PyTorch. From the same weights on the same batches, twenty steps of the `f64` reference must give
//! PyTorch's losses to 1e-9, its weights and its running statistics; the `f32` path its first five losses to 1e-4
//! (tests/golden/networks/make.py). And the same bytes for any number of threads.

use crate::support::formula::{agrees, draw};
use candle_core::{DType, Device, Tensor};
use nasperf_pipe::artifacts::dataset::{Target, TaskShape};
use nasperf_pipe::artifacts::weights::Saved;
use nasperf_pipe::nn::network::{Mode, Network};
use nasperf_pipe::ops::loss::{Loss, loss};
use nasperf_pipe::seed::Purpose;
use nasperf_pipe::spaces::contract::child::ChildParams;
use nasperf_pipe::spaces::contract::default::DefaultParams;
use nasperf_pipe::spaces::wrn::series_resnet::SeriesResnet;
use nasperf_pipe::spaces::wrn::{child, default};
use nasperf_pipe::training::sgd::{Sgd, SgdParams};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

const PLANES: &str = include_str!("../golden/networks/wrn.json");
const SERIES: &str = include_str!("../golden/networks/series.json");

/// One training that PyTorch did.
struct Case {
    shape: Vec<usize>,
    outputs: usize,
    golden: Value,
}

impl Case {
    fn of(name: &str) -> Case {
        let file = if name.starts_with("series") { SERIES } else { PLANES };
        let name = name.trim_start_matches("series_");
        let golden = serde_json::from_str::<Value>(file).unwrap()[name].take();
        let shape = floats(&golden["shape"]).into_iter().map(|v| v as usize).collect();
        Case { shape, outputs: golden["outputs"].as_u64().unwrap() as usize, golden }
    }

    fn text(&self, key: &str) -> &str {
        self.golden[key].as_str().unwrap_or_default()
    }

    fn network(&self) -> Network {
        let target = match (self.text("head"), self.text("loss")) {
            ("dense", _) => Target::Dense { channels: self.outputs },
            (_, "bce") => Target::MultiLabel { labels: self.outputs },
            _ => Target::Point { classes: self.outputs },
        };
        let shape = TaskShape { channels: self.shape[1], spatial: self.shape[2..].to_vec(), target };
        let width = self.golden["width"].as_u64().unwrap() as usize;
        let architecture = match self.text("head") {
            "" => SeriesResnet { width }.encode(),
            head => {
                let (global_head, wide_series) = (head == "global", true);
                default::choose(&shape, &DefaultParams { width: Some(width), global_head, wide_series }).unwrap()
            }
        };
        let params = ChildParams { droprate: 0.0, init: Purpose::new(0, "test", "init"), seed: 0, stage: "test" };
        let network = child::build(&architecture, &shape, &params).unwrap();
        let mut saved = network.parameters().save().unwrap();
        let count = network.parameters().parameters().len();
        let names: Vec<&str> = self.golden["names"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
        assert_eq!(saved[..count].iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), names);
        for (index, Saved { name, shape, values }) in saved[..count].iter_mut().enumerate() {
            let draws = draw(index as u64, values.len());
            values.iter_mut().zip(draws).for_each(|(v, u)| *v = start(name, shape, u));
        }
        network.parameters().load(&saved).unwrap();
        network
    }

    fn inputs(&self, batch: u64, dtype: DType) -> Tensor {
        let values: Vec<f32> =
            draw(1000 + batch, self.shape.iter().product()).into_iter().map(|u| (4.0 * u) as f32).collect();
        Tensor::from_vec(values, self.shape.as_slice(), &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
    }

    /// `targets` and `loss_of` of benches/peer/weights.py.
    fn loss(&self, batch: u64, output: &Tensor) -> Tensor {
        let images = self.shape[0];
        let floats = |count: usize, f: fn(f64) -> f32| Arc::new(draw(2000 + batch, count).into_iter().map(f).collect());
        let of = match self.text("loss") {
            "ce" => {
                let class = |i: u64| ((7 * i + 3 * batch) % self.outputs as u64) as u32;
                Loss::CrossEntropy { classes: Arc::new((0..images as u64).map(class).collect()), smoothing: 0.0 }
            }
            "bce" => {
                let targets = floats(images * self.outputs, |u| f32::from(u8::from(u > 0.2)));
                Loss::BceWithLogits { targets }
            }
            _ => Loss::RelativeL2 { targets: floats(output.elem_count(), |u| (1.0 + u) as f32) },
        };
        loss(output, of).unwrap()
    }

    /// Trains for so many steps; the losses, each before its update.
    fn train(&self, network: &Network, dtype: DType, steps: u64) -> Vec<f64> {
        let set = network.parameters();
        let (momentum, weight_decay) = (self.number("momentum"), self.number("weight_decay"));
        let nesterov = self.golden["nesterov"].as_bool().unwrap();
        let mut sgd = Sgd::new(SgdParams { momentum, nesterov, weight_decay }, set.theta());
        let step = |step: u64| {
            let batch = step % self.golden["batches"].as_u64().unwrap();
            let output = network.forward(&self.inputs(batch, dtype), Mode::Train { step }).unwrap();
            let loss = self.loss(batch, &output);
            let gradients = loss.backward().unwrap();
            sgd.step(set.theta(), gradients.get(set.theta()).unwrap(), self.number("rate"), 1.0).unwrap();
            loss.to_dtype(DType::F64).unwrap().to_scalar::<f64>().unwrap()
        };
        (0..steps).map(step).collect()
    }

    fn number(&self, key: &str) -> f64 {
        self.golden[key].as_f64().unwrap()
    }
}

/// The start value of a parameter, from its draws: `start` of benches/peer/weights.py, where a series has kernels without
/// the height of 1 that they have here.
fn start(name: &str, shape: &[usize], u: f64) -> f32 {
    let value = match shape {
        [o, _, h, w] => u * (24.0 / (o * h * w) as f64).sqrt(),
        [_, i] => u * 2.0 / (*i as f64).sqrt(),
        _ if name.ends_with("bias") => 0.2 * u,
        _ => 1.0 + 0.2 * u,
    };
    value as f32
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn compare(name: &str) {
    let case = Case::of(name);
    let network = case.network().into_reference().unwrap();
    let golden = floats(&case.golden["losses"]);
    let losses = case.train(&network, DType::F64, golden.len() as u64);
    for (step, (found, expected)) in losses.iter().zip(&golden).enumerate() {
        assert!(
            (found - expected).abs() <= 1e-9 * expected.abs(),
            "{name}: step {step}: {found} instead of {expected}"
        );
    }
    // all parameters and running statistics at the end, in f64
    let set = network.parameters();
    let theta = set.theta().to_vec1::<f64>().unwrap();
    let running = set.running();
    let parameters = set.parameters().iter().map(|p| (p.name.as_str(), &theta[p.range.clone()]));
    let buffers = set.buffers().iter().map(|b| (b.name.as_str(), &running[b.range.clone()]));
    let arrays: BTreeMap<&str, &[f64]> = parameters.chain(buffers).collect();
    let expected = case.golden["arrays"].as_object().unwrap();
    assert_eq!(arrays.len(), expected.len(), "{name}");
    for (array, digest) in expected {
        agrees(&format!("{name}: {array}"), arrays[array.as_str()], &floats(digest), 1e-8);
    }
    let output = network.forward(&case.inputs(0, DType::F64), Mode::Evaluate).unwrap();
    let output = output.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    agrees(&format!("{name}: evaluated"), &output, &floats(&case.golden["evaluated"]), 1e-7);
    // the fast path
    let losses = case.train(&case.network(), DType::F32, 5);
    for (step, (found, expected)) in losses.iter().zip(&golden).enumerate() {
        let difference = (found - expected).abs() / expected.abs();
        assert!(difference <= 1e-4, "{name}: f32, step {step}: {found} instead of {expected}");
    }
}

#[test]
fn the_point_form_with_a_corner_head_trains_as_in_pytorch() {
    compare("point_corner");
}

#[test]
fn the_point_form_with_a_global_head_trains_as_in_pytorch() {
    compare("point_global");
}

#[test]
fn the_dense_form_trains_as_in_pytorch() {
    compare("dense");
}

#[test]
fn the_network_for_series_trains_as_in_pytorch() {
    compare("series_residual");
    compare("series_residual_one_channel");
}

#[test]
fn the_literal_form_for_series_trains_as_in_pytorch() {
    compare("series_wide");
}

#[test]
fn fifty_steps_give_the_same_bytes_for_any_number_of_threads() {
    for name in ["point_corner", "dense", "series_residual", "series_wide"] {
        let bits = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let case = Case::of(name);
                let network = case.network();
                let losses = case.train(&network, DType::F32, 50);
                let theta = network.parameters().theta().to_vec1::<f32>().unwrap();
                let numbers = losses.into_iter().chain(network.parameters().running());
                (numbers.map(f64::to_bits).collect::<Vec<_>>(), theta.into_iter().map(f32::to_bits).collect::<Vec<_>>())
            })
        };
        let one = bits(1);
        for threads in [2, 3, 8] {
            assert!(bits(threads) == one, "{name}: other bytes on {threads} threads");
        }
    }
}
