//! Story: the wide residual network against PyTorch. Three training steps from the same weights on the same inputs must
//! give the losses, weights, running statistics and outputs that `tests/golden/wrn/make.py` wrote.

use crate::support::formula::draw;
use candle_core::{Device, Tensor};
use nasperf_pipe::artifacts::dataset::{Target, TaskShape};
use nasperf_pipe::artifacts::weights::Saved;
use nasperf_pipe::nn::network::{Mode, Network};
use nasperf_pipe::ops::cross_entropy::cross_entropy;
use nasperf_pipe::seed::Purpose;
use nasperf_pipe::spaces::contract::child::ChildParams;
use nasperf_pipe::spaces::contract::default::DefaultParams;
use nasperf_pipe::spaces::wrn::{child, default};
use nasperf_pipe::training::sgd::{Sgd, SgdParams};
use serde_json::Value;

/// The start value of a parameter, from its draws.
fn start(name: &str, shape: &[usize], u: f64) -> f32 {
    let value = match shape {
        [o, _, h, w] => u * (24.0 / (o * h * w) as f64).sqrt(),
        [_, i] => u * 2.0 / (*i as f64).sqrt(),
        _ if name.ends_with("bias") => 0.2 * u,
        _ => 1.0 + 0.2 * u,
    };
    value as f32
}

fn tensor(stream: u64, shape: &[usize], f: impl Fn(f64) -> f64) -> Tensor {
    let values: Vec<f32> = draw(stream, shape.iter().product()).into_iter().map(|u| f(u) as f32).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn close(what: &str, found: f64, expected: f64, tolerance: f64) {
    let allowed = tolerance * expected.abs().max(1.0);
    assert!((found - expected).abs() <= allowed, "{what}: {found} instead of {expected}");
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn network(golden: &Value, shape: &[usize], dense: bool, outputs: usize) -> Box<dyn Network> {
    let target = if dense { Target::Dense { channels: outputs } } else { Target::Point { classes: outputs } };
    let shape = TaskShape { channels: shape[1], spatial: shape[2..].to_vec(), target };
    let architecture = default::choose(&shape, &DefaultParams { width: Some(2), global_head: false }).unwrap();
    let init = Purpose::new(0, "test", "init");
    let params = ChildParams { droprate: 0.0, init, seed: 0, stage: "test" };
    let network = child::build(&architecture, &shape, &params).unwrap();
    let mut saved = network.parameters().save().unwrap();
    let names: Vec<&str> = golden["names"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
    let count = network.parameters().parameters.len();
    assert_eq!(saved[..count].iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), names);
    for (index, array) in saved[..count].iter_mut().enumerate() {
        let Saved { name, shape, values } = array;
        let draws = draw(index as u64, values.len());
        values.iter_mut().zip(draws).for_each(|(v, u)| *v = start(name, shape, u));
    }
    network.parameters().load(&saved).unwrap();
    network
}

fn compare(golden: &Value, dense: bool) {
    let shape: Vec<usize> = floats(&golden["shape"]).into_iter().map(|v| v as usize).collect();
    let outputs = golden["outputs"].as_u64().unwrap() as usize;
    let network = network(golden, &shape, dense, outputs);
    let set = network.parameters();
    let mut sgd = Sgd::new(SgdParams { momentum: 0.9, nesterov: true, weight_decay: 5e-4 }, set);
    for (step, expected) in floats(&golden["losses"]).into_iter().enumerate() {
        let x = tensor(1000 + step as u64, &shape, |u| 4.0 * u);
        let output = network.forward(&x, Mode::Train { step: step as u64 }).unwrap();
        let loss = if dense {
            let y = tensor(2000 + step as u64, &[shape[0], 1, shape[2], shape[3]], |u| 1.0 + u);
            let norm = |t: &Tensor| t.sqr().unwrap().flatten_from(1).unwrap().sum(1).unwrap().sqrt().unwrap();
            (norm(&(output - &y).unwrap()) / norm(&y)).unwrap().sum_all().unwrap()
        } else {
            let labels: Vec<u32> = (0..shape[0]).map(|i| ((7 * i + 3 * step) % outputs) as u32).collect();
            cross_entropy(&output, &Tensor::new(labels, &Device::Cpu).unwrap()).unwrap()
        };
        close(&format!("loss of step {step}"), f64::from(loss.to_scalar::<f32>().unwrap()), expected, 1e-5);
        sgd.step(set, &loss.backward().unwrap(), golden["rate"].as_f64().unwrap()).unwrap();
    }
    let arrays = golden["arrays"].as_object().unwrap();
    let saved = set.save().unwrap();
    assert_eq!(saved.len(), arrays.len());
    for Saved { name, values, .. } in &saved {
        let expected = floats(&arrays[name]);
        let norm = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let found = [f64::from(values[0]), f64::from(values[values.len() - 1]), norm];
        for (found, expected) in found.iter().zip(expected) {
            close(name, *found, expected, 2e-5);
        }
    }
    let x = tensor(1000, &shape, |u| 4.0 * u);
    let output = network.forward(&x, Mode::Evaluate).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let expected = floats(&golden["evaluated"]);
    let stride = (output.len() / 16).max(1);
    let found: Vec<f32> = output.into_iter().step_by(stride).take(16).collect();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        close("evaluated output", f64::from(*found), expected, 1e-4);
    }
}

fn golden() -> Value {
    let golden: Value = serde_json::from_str(include_str!("../golden/wrn/torch.json")).unwrap();
    for (found, expected) in draw(5, 4).into_iter().zip(floats(&golden["draw"])) {
        close("the shared formula", found, expected, 1e-8);
    }
    golden
}

#[test]
fn the_point_form_trains_as_in_pytorch() {
    compare(&golden()["point"], false);
}

#[test]
fn the_dense_form_trains_as_in_pytorch() {
    compare(&golden()["dense"], true);
}
