//! Every operator against PyTorch: what tests/golden/ops/make.py wrote, case by case.

use crate::support::formula::{agrees, draw};
use crate::support::operator_check::{Case, run};
use nasperf_pipe::ops::add::Add;
use nasperf_pipe::ops::average_pool::AveragePool;
use nasperf_pipe::ops::batch_norm::BatchNorm;
use nasperf_pipe::ops::channel_shuffle::ChannelShuffle;
use nasperf_pipe::ops::concat::Concat;
use nasperf_pipe::ops::embedding::Embedding;
use nasperf_pipe::ops::global_pool::GlobalPool;
use nasperf_pipe::ops::linear::Linear;
use nasperf_pipe::ops::loss::Loss;
use nasperf_pipe::ops::lstm_cell::LstmCell;
use nasperf_pipe::ops::max_pool::MaxPool;
use nasperf_pipe::ops::narrow::Narrow;
use nasperf_pipe::ops::operator::Operator;
use nasperf_pipe::ops::softmax::Softmax;
use nasperf_pipe::ops::spectral::Spectral;
use nasperf_pipe::ops::upsample::{Interpolation, Upsample};
use nasperf_pipe::ops::weighted_sum::WeightedSum;
use nasperf_pipe::ops::window::Window;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

type Cases = BTreeMap<String, Case>;

const IMAGES: [usize; 4] = [2, 3, 9, 12];

fn put(cases: &mut Cases, name: &str, op: impl Operator + 'static, dims: &[&[usize]]) {
    let earlier = cases.insert(name.to_string(), Case::new(Arc::new(op), dims));
    assert!(earlier.is_none(), "two cases are called {name}");
}

fn norms(cases: &mut Cases) {
    for dims in [&[3usize, 4, 5, 6][..], &[6, 3, 11]] {
        for form in 0..8 {
            let on = [form & 1 > 0, form & 2 > 0, form & 4 > 0];
            let [affine, relu, residual] = on;
            let mut name = format!("batch_norm {}D", dims.len());
            let words = ["affine", "relu", "residual"].iter().zip(on).filter(|(_, on)| *on);
            words.for_each(|(word, _)| name += &format!(" {word}"));
            let channels = [dims[1]];
            let mut inputs = vec![dims];
            inputs.extend(vec![&channels[..]; 2 * usize::from(affine)]);
            inputs.extend(vec![dims; usize::from(residual)]);
            put(cases, &name, BatchNorm { affine, relu, residual, eps: 1e-5 }, &inputs);
        }
    }
}

fn pools(cases: &mut Cases) {
    for (name, kernel, stride, padding) in [
        ("k3 s1 p1", [3; 2], [1; 2], [1; 2]),
        ("k3 s2 p1", [3; 2], [2; 2], [1; 2]),
        ("k2 s2 p0", [2; 2], [2; 2], [0; 2]),
        ("k5 s3 p2", [5; 2], [3; 2], [2; 2]),
        ("k2x3 s3x2 p1x0", [2, 3], [3, 2], [1, 0]),
    ] {
        for (ceil_mode, end) in [(false, ""), (true, " ceil")] {
            let window = Window { kernel, stride, padding, ceil_mode };
            put(cases, &format!("max_pool {name}{end}"), MaxPool { window }, &[&IMAGES]);
            let tied = format!("max_pool tied {name}{end}");
            put(cases, &tied, MaxPool { window }, &[&IMAGES]);
            let values = &mut cases.get_mut(&tied).expect("it was put there").inputs[0].1;
            values.iter_mut().for_each(|v| *v = v.floor());
            for (count_padding, padded) in [(false, ""), (true, " padded")] {
                let op = AveragePool { window, count_padding };
                put(cases, &format!("average_pool {name}{end}{padded}"), op, &[&IMAGES]);
            }
        }
    }
    put(cases, "global_pool", GlobalPool { window: None }, &[&IMAGES]);
    for size in [[18, 24], [7, 5], [1, 30], [13, 12]] {
        for (kind, interpolation, end) in [
            ("nearest", Interpolation::Nearest, ""),
            ("bilinear", Interpolation::Bilinear { align_corners: false }, ""),
            ("bilinear", Interpolation::Bilinear { align_corners: true }, " corners"),
        ] {
            let name = format!("upsample {kind} {}x{}{end}", size[0], size[1]);
            put(cases, &name, Upsample { size, interpolation }, &[&IMAGES]);
        }
    }
}

fn single(stream: u64, count: usize, shift: f64) -> Arc<Vec<f32>> {
    Arc::new(draw(stream, count).into_iter().map(|v| (v + shift) as f32).collect())
}

fn losses(cases: &mut Cases) {
    for smoothing in [0.0, 0.1] {
        let classes = Arc::new((0..9).map(|i| (7 * i + 3) % 11).collect());
        put(cases, &format!("cross_entropy {smoothing:?}"), Loss::CrossEntropy { classes, smoothing }, &[&[9, 11]]);
    }
    let (dims, targets) = ([2, 1, 6, 7], single(9, 84, 0.5));
    put(cases, "bce_with_logits", Loss::BceWithLogits { targets: targets.clone() }, &[&dims]);
    let weighted = Loss::WeightedBceWithLogits { targets: targets.clone(), weights: single(8, 84, 0.5) };
    put(cases, "bce_with_logits weighted", weighted, &[&dims]);
    put(cases, "mse", Loss::MeanSquared { targets: targets.clone() }, &[&dims]);
    put(cases, "relative_l2", Loss::RelativeL2 { targets }, &[&dims]);
}

fn others(cases: &mut Cases) {
    put(cases, "add", Add { terms: 3 }, &[&[2, 3, 5], &[2, 3, 5], &[2, 3, 5]]);
    put(cases, "concat", Concat { axis: 1, inputs: 3 }, &[&[2, 3, 5], &[2, 1, 5], &[2, 4, 5]]);
    put(cases, "channel_shuffle", ChannelShuffle { groups: 4 }, &[&[2, 12, 3, 5]]);
    for (dims, weights) in
        [([2usize, 3, 9, 12], [3usize, 2, 6, 3, 2]), ([2, 2, 5, 4], [2, 2, 8, 4, 2]), ([2, 3, 1, 11], [3, 4, 1, 4, 2])]
    {
        for stride in [1, 2] {
            let name = format!("spectral {}x{} modes {} s{stride}", dims[2], dims[3], weights[3]);
            put(cases, &name, Spectral { stride }, &[&dims, &weights]);
        }
    }
    put(cases, "narrow", Narrow { start: 1, count: 3 }, &[&[2, 5, 3, 4]]);
    let terms: [&[usize]; 4] = [&[2, 3, 5], &[2, 3, 5], &[2, 3, 5], &[6]];
    put(cases, "weighted_sum", WeightedSum { weights: vec![4, 0, 2] }, &terms);
    put(cases, "softmax", Softmax, &[&[3, 4, 7]]);
    let rows = Linear { bias: false, positions: false };
    put(cases, "linear", rows, &[&[5, 7], &[3, 7]]);
    put(cases, "linear bias", Linear { bias: true, ..rows }, &[&[5, 7], &[3, 7], &[3]]);
    for o in [1, 6] {
        let op = Linear { bias: true, positions: true };
        put(cases, &format!("linear positions {o}"), op, &[&[2, 5, 6, 7], &[o, 5], &[o]]);
    }
    put(cases, "lstm_cell", LstmCell { inputs: 3, hidden: 5 }, &[&[4, 3], &[4, 10], &[200]]);
    put(cases, "embedding", Embedding { ids: Arc::new(vec![2, 0, 2, 4, 2]) }, &[&[5, 3]]);
}

#[test]
fn outputs_statistics_and_gradients_are_those_of_pytorch() {
    let mut cases = Cases::new();
    [norms, pools, losses, others].iter().for_each(|put| put(&mut cases));
    let golden: BTreeMap<String, Value> =
        serde_json::from_str(include_str!("../../golden/ops/torch.json")).expect("the golden file is JSON");
    assert_eq!(cases.keys().collect::<Vec<_>>(), golden.keys().collect::<Vec<_>>(), "cases of both sides");
    let floats = |value: &Value| -> Vec<f64> {
        let values = value.as_array().expect("a digest is a list");
        values.iter().map(|v| v.as_f64().expect("a digest holds numbers")).collect()
    };
    for (name, case) in &cases {
        let golden = &golden[name];
        let found = run::<f64>(case);
        agrees(&format!("{name}: output"), &found.output, &floats(&golden["output"]), 1e-10);
        let gradients = golden["gradients"].as_array().expect("gradients are a list");
        assert_eq!(gradients.len(), found.gradients.len(), "{name}");
        for (input, (found, golden)) in found.gradients.iter().zip(gradients).enumerate() {
            agrees(&format!("{name}: gradient {input}"), found, &floats(golden), 1e-10);
        }
        assert_eq!(found.statistics.is_empty(), golden["statistics"].is_null(), "{name}");
        if !found.statistics.is_empty() {
            agrees(&format!("{name}: statistics"), &found.statistics, &floats(&golden["statistics"]), 1e-10);
        }
    }
}
