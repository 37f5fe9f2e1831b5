//! A training that PyTorch did (tests/golden/networks/make.py): its settings, its batches and start values by formula, and the
//! comparison of what a training leaves behind.

use crate::support::formula::{agrees, draw};
use candle_core::{DType, Device, Tensor};
use nasperf_pipe::artifacts::weights::Saved;
use nasperf_pipe::nn::parameters::ParameterSet;
use nasperf_pipe::ops::loss::{Loss, loss};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

pub struct Golden {
    pub shape: Vec<usize>,
    pub outputs: usize,
    pub values: Value,
}

impl Golden {
    pub fn of(file: &str, name: &str) -> Golden {
        let values = serde_json::from_str::<Value>(file).unwrap()[name].take();
        let shape = floats(&values["shape"]).into_iter().map(|v| v as usize).collect();
        Golden { shape, outputs: values["outputs"].as_u64().unwrap() as usize, values }
    }

    pub fn text(&self, key: &str) -> &str {
        self.values[key].as_str().unwrap_or_default()
    }

    pub fn number(&self, key: &str) -> f64 {
        self.values[key].as_f64().unwrap()
    }

    pub fn size(&self, key: &str) -> usize {
        self.values[key].as_u64().unwrap() as usize
    }

    pub fn is(&self, key: &str) -> bool {
        self.values[key].as_bool().unwrap()
    }

    /// The number of the batch that training or half step `at` sees.
    pub fn batch(&self, at: u64) -> u64 {
        at % self.values["batches"].as_u64().unwrap()
    }

    pub fn inputs(&self, batch: u64, dtype: DType) -> Tensor {
        let values: Vec<f32> =
            draw(1000 + batch, self.shape.iter().product()).into_iter().map(|u| (4.0 * u) as f32).collect();
        Tensor::from_vec(values, self.shape.as_slice(), &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
    }

    /// `targets` and `loss_of` of benches/peer/weights.py.
    pub fn loss(&self, batch: u64, output: &Tensor) -> Tensor {
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

    /// Parameters, running statistics and outputs at the end of a training in `f64`.
    /// `buffers` lists the places of running statistics as PyTorch has them.
    pub fn check_state(&self, name: &str, set: &ParameterSet, buffers: &[usize], evaluated: &Tensor) {
        let theta = set.theta().to_vec1::<f64>().unwrap();
        let running = set.running();
        let whole = self.values.get("names").is_some();
        let mut arrays: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let names: Vec<&str> = set.parameters().iter().map(|p| p.name.as_str()).collect();
        for at in order(&names) {
            let values = &theta[set.parameters()[at].range.clone()];
            arrays.entry(group(names[at], whole)).or_default().extend(values);
        }
        for buffer in buffers.iter().map(|at| &set.buffers()[*at]) {
            let values = &running[buffer.range.clone()];
            let own = group(&buffer.name, whole);
            let joined = if own == buffer.name { own } else { format!("{own} statistics") };
            arrays.entry(joined).or_default().extend(values);
        }
        let expected = self.values["arrays"].as_object().unwrap();
        assert_eq!(arrays.len(), expected.len(), "{name}");
        for (array, digest) in expected {
            agrees(&format!("{name}: {array}"), &arrays[array], &floats(digest), 1e-8);
        }
        let output = evaluated.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        agrees(&format!("{name}: evaluated"), &output, &floats(&self.values["evaluated"]), 1e-7);
    }
}

/// All running statistics in PyTorch's order.
pub fn buffers(set: &ParameterSet) -> Vec<usize> {
    order(&set.buffers().iter().map(|b| b.name.as_str()).collect::<Vec<_>>())
}

fn group(name: &str, whole: bool) -> String {
    match name.split('.').collect::<Vec<_>>()[..] {
        ["cells", cell, ..] if !whole => format!("cells.{cell}"),
        _ => name.to_string(),
    }
}

/// Places in PyTorch's order: as they were made, but for the edges of a cell and their primitives, which it lists by number.
fn order(names: &[&str]) -> Vec<usize> {
    let key = |at: usize| {
        let Some((cell, edge)) = names[at].split_once("._ops.") else { return (at, Vec::new()) };
        let first = names.iter().position(|n| n.split_once("._ops.").is_some_and(|(c, _)| c == cell));
        let number = |part: &str| part.split('.').next().and_then(|n| n.parse().ok());
        (first.unwrap(), edge.split("._ops.").filter_map(number).collect::<Vec<usize>>())
    };
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_cached_key(|at| key(*at));
    order
}

/// Gives all parameters their start values.
pub fn fill(set: &ParameterSet) {
    let mut saved = set.save().unwrap();
    let count = set.parameters().len();
    let names: Vec<String> = saved[..count].iter().map(|s| s.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (index, at) in order(&names).into_iter().enumerate() {
        let Saved { name, shape, values } = &mut saved[at];
        let draws = draw(index as u64, values.len());
        values.iter_mut().zip(draws).for_each(|(v, u)| *v = start(name, shape, u));
    }
    set.load(&saved).unwrap();
}

/// The start value of a parameter, from its draws: `start` of benches/peer/weights.py, where a series has kernels without
/// the height of 1 that they have here.
fn start(name: &str, shape: &[usize], u: f64) -> f32 {
    let value = match shape {
        [o, _, kernel @ ..] if !kernel.is_empty() => u * (24.0 / (o * kernel.iter().product::<usize>()) as f64).sqrt(),
        [_, i] => u * 2.0 / (*i as f64).sqrt(),
        _ if name.ends_with("bias") => 0.2 * u,
        _ => 1.0 + 0.2 * u,
    };
    value as f32
}

pub fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// Losses to a relative tolerance.
pub fn close(name: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert!(found.len() <= expected.len());
    for (step, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (found - expected).abs() / expected.abs();
        assert!(difference <= tolerance, "{name}: loss {step}: {found} instead of {expected}");
    }
}
