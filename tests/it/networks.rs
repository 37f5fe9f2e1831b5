//! Story: networks against PyTorch. From the same weights on the same batches, twenty steps of the `f64` reference must give
//! PyTorch's losses to 1e-9, its weights and its running statistics; the `f32` path its first five losses to 1e-4
//! (tests/golden/networks/make.py). And the same bytes for any number of threads.

use crate::support::golden_training::{Golden, buffers, close, fill, floats};
use candle_core::DType;
use nasperf_pipe::artifacts::dataset::{Target, TaskShape};
use nasperf_pipe::nn::network::{Mode, Network};
use nasperf_pipe::seed::Purpose;
use nasperf_pipe::spaces::contract::child::{ChildParams, NetworkParams};
use nasperf_pipe::spaces::contract::default::DefaultParams;
use nasperf_pipe::spaces::wrn::series_resnet::SeriesResnet;
use nasperf_pipe::spaces::wrn::{child, default};
use nasperf_pipe::training::sgd::{Sgd, SgdParams};

const PLANES: &str = include_str!("../golden/networks/wrn.json");
const SERIES: &str = include_str!("../golden/networks/series.json");

/// A network as PyTorch trained it.
struct Case(Golden);

impl Case {
    fn of(name: &str) -> Case {
        let file = if name.starts_with("series") { SERIES } else { PLANES };
        Case(Golden::of(file, name.trim_start_matches("series_")))
    }

    fn network(&self) -> Network {
        let golden = &self.0;
        let outputs = golden.outputs;
        let target = match (golden.text("head"), golden.text("loss")) {
            ("dense", _) => Target::Dense { channels: outputs },
            (_, "bce") => Target::MultiLabel { labels: outputs },
            _ => Target::Point { classes: outputs },
        };
        let shape = TaskShape { channels: golden.shape[1], spatial: golden.shape[2..].to_vec(), target };
        let width = golden.size("width");
        let architecture = match golden.text("head") {
            "" => SeriesResnet { width }.encode(),
            head => {
                let (global_head, wide_series) = (head == "global", true);
                default::choose(&shape, &DefaultParams { width: Some(width), global_head, wide_series, genotype: None })
                    .unwrap()
            }
        };
        let params = ChildParams {
            droprate: 0.0,
            drop_path: None,
            auxiliary: false,
            network: NetworkParams::default(),
            init: Purpose::new(0, "test", "init"),
            seed: 0,
            stage: "test",
        };
        let network = child::build(&architecture, &shape, &params).unwrap();
        let parameters = network.parameters().parameters();
        let names: Vec<&str> = golden.values["names"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
        assert_eq!(parameters.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), names);
        fill(network.parameters());
        network
    }

    /// Trains for so many steps; the losses, each before its update.
    fn train(&self, network: &Network, dtype: DType, steps: u64) -> Vec<f64> {
        let golden = &self.0;
        let set = network.parameters();
        let (momentum, weight_decay) = (golden.number("momentum"), golden.number("weight_decay"));
        let mut sgd = Sgd::new(SgdParams { momentum, nesterov: golden.is("nesterov"), weight_decay }, set.theta());
        let step = |step: u64| {
            let batch = golden.batch(step);
            let output = network.forward(&golden.inputs(batch, dtype), Mode::Train { step }).unwrap();
            let loss = golden.loss(batch, &output);
            let gradients = loss.backward().unwrap();
            sgd.step(set.theta(), gradients.get(set.theta()).unwrap(), golden.number("rate"), 1.0).unwrap();
            loss.to_dtype(DType::F64).unwrap().to_scalar::<f64>().unwrap()
        };
        (0..steps).map(step).collect()
    }
}

fn compare(name: &str) {
    let case = Case::of(name);
    let network = case.network().into_reference().unwrap();
    let golden = floats(&case.0.values["losses"]);
    let losses = case.train(&network, DType::F64, golden.len() as u64);
    close(name, &losses, &golden, 1e-9);
    let evaluated = network.forward(&case.0.inputs(0, DType::F64), Mode::Evaluate).unwrap();
    let set = network.parameters();
    case.0.check_state(name, set, &buffers(set), &evaluated);
    // the fast path
    close(&format!("{name}, f32"), &case.train(&case.network(), DType::F32, 5), &golden, 1e-4);
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
