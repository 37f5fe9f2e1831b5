//! Single operators beside PyTorch: mixed-op edges of the DARTS space, and convolutions of the wide residual network. Prints
//! the limits of the machine first, compares results before timing, then times both in turns.
//!
//! `make bench-setup` once, then `cargo bench --bench ops`. How to choose rows and threads: `harness/request.rs`; what the
//! columns are: `harness/rounds.rs`.

mod harness;

use harness::formula::{apart, deviation, draw, inputs, start};
use harness::peer::Peer;
use harness::request::{self, Request};
use harness::rounds::{Count, Row};
use harness::usage::resident_mib;
use nasperf_pipe::ops::conv::Conv;
use nasperf_pipe::ops::mixed_cell::MixedCell;
use nasperf_pipe::ops::operator::{Kernel, Mode, Operator, Saved, Sink, View};

/// Of digests in f32, both sides with sums in an order of their own.
const TOLERANCE: f64 = 1e-4;
const BATCH_OF_EDGES: usize = 64;

#[derive(Clone, Copy)]
struct Edge {
    channels: usize,
    /// Height and width; a series has height 1.
    size: [usize; 2],
    stride: usize,
}

/// Of the search network at batch 64: 3×32×32 images, series of length 1000.
const EDGES: [Edge; 12] = [
    Edge { channels: 16, size: [32, 32], stride: 1 },
    Edge { channels: 32, size: [16, 16], stride: 1 },
    Edge { channels: 64, size: [8, 8], stride: 1 },
    Edge { channels: 32, size: [32, 32], stride: 2 },
    Edge { channels: 64, size: [16, 16], stride: 2 },
    Edge { channels: 16, size: [85, 85], stride: 1 },
    Edge { channels: 16, size: [1, 1000], stride: 1 },
    Edge { channels: 32, size: [1, 500], stride: 1 },
    Edge { channels: 64, size: [1, 250], stride: 1 },
    Edge { channels: 32, size: [1, 1000], stride: 2 },
    Edge { channels: 64, size: [1, 500], stride: 2 },
    Edge { channels: 64, size: [1, 46], stride: 1 },
];

#[derive(Clone, Copy)]
struct Layer {
    batch: usize,
    channels: usize,
    outputs: usize,
    size: [usize; 2],
    kernel: usize,
    stride: usize,
}

/// Of WRN-16-4 on 32×32 images and on 85×85 with all strides 1, and of series of length 1000.
const LAYERS: [Layer; 12] = [
    Layer { batch: 32, channels: 3, outputs: 16, size: [32, 32], kernel: 3, stride: 1 },
    Layer { batch: 32, channels: 64, outputs: 64, size: [32, 32], kernel: 3, stride: 1 },
    Layer { batch: 32, channels: 128, outputs: 128, size: [16, 16], kernel: 3, stride: 1 },
    Layer { batch: 32, channels: 256, outputs: 256, size: [8, 8], kernel: 3, stride: 1 },
    Layer { batch: 32, channels: 64, outputs: 128, size: [32, 32], kernel: 3, stride: 2 },
    Layer { batch: 32, channels: 64, outputs: 128, size: [32, 32], kernel: 1, stride: 2 },
    Layer { batch: 4, channels: 64, outputs: 64, size: [85, 85], kernel: 3, stride: 1 },
    Layer { batch: 4, channels: 256, outputs: 256, size: [85, 85], kernel: 3, stride: 1 },
    Layer { batch: 32, channels: 64, outputs: 64, size: [1, 1000], kernel: 3, stride: 1 },
    Layer { batch: 32, channels: 64, outputs: 64, size: [1, 1000], kernel: 5, stride: 1 },
    Layer { batch: 32, channels: 128, outputs: 128, size: [1, 1000], kernel: 3, stride: 1 },
    Layer { batch: 32, channels: 128, outputs: 128, size: [1, 1000], kernel: 5, stride: 1 },
];

#[derive(Clone, Copy)]
enum Case {
    Edge(Edge),
    Layer(Layer),
}

fn main() {
    let cases: Vec<Case> = EDGES.map(Case::Edge).into_iter().chain(LAYERS.map(Case::Layer)).collect();
    request::run(&cases, name, |case, request| match case {
        Case::Edge(row) => edge(*row, request),
        Case::Layer(row) => layer(*row, request),
    });
}

fn name(case: &Case) -> String {
    match *case {
        Case::Edge(Edge { channels, size, stride }) => {
            format!("edge {BATCH_OF_EDGES} x {channels}/4 x {} stride {stride}", written(size))
        }
        Case::Layer(Layer { batch, channels, outputs, size, kernel, stride }) => {
            format!("conv {batch} x {channels}>{outputs} x {} k{kernel} s{stride}", written(size))
        }
    }
}

/// As the peers take it: 32x32, or 1000 for a series.
fn written([height, width]: [usize; 2]) -> String {
    if height == 1 { width.to_string() } else { format!("{height}x{width}") }
}

fn edge(row: Edge, request: &Request) {
    let idle_mib = resident_mib();
    let Edge { channels, size, stride } = row;
    let op = MixedCell::edge(stride == 2, 4);
    let (one_d, part) = (size[0] == 1, channels / 4);
    // PyTorch numbers its parameters by the names' numbers: skip_connect (3) comes before the convolutions
    let mut parameters = op.parameters(channels, one_d);
    let numbers = |name: &str| name.split(['.', '_']).filter_map(|n| n.parse().ok()).collect::<Vec<usize>>();
    parameters.sort_by_key(|p| numbers(&p.name));
    let mut theta = vec![0f32; op.theta(channels, one_d)];
    for (index, p) in parameters.iter().enumerate() {
        let values = start(index, &p.name, &p.shape);
        theta[p.offset..][..values.len()].copy_from_slice(&values);
    }
    let architecture = theta.len() - 9;
    theta[architecture..][..8].copy_from_slice(&softmax(&draw(4000, 8)));
    theta[architecture + 8] = 1.0;
    let states = vec![BATCH_OF_EDGES, channels, size[0], size[1]];
    let count = states.iter().product();
    let given = vec![(states, inputs(0, count)), (vec![theta.len()], theta)];
    let mut trial = Trial::new(Box::new(op), given);
    let arguments =
        format!("--batch {BATCH_OF_EDGES} --channels {channels} --size {} --stride {stride}", written(size));
    let peer = Peer::start("torch_edge.py", &arguments, request.pool.current_num_threads());
    let mut row = Row { name: name(&Case::Edge(row)), request, peer, idle_mib };
    let wanted = [true, true];
    if let Some(check) = row.peer.as_mut().map(Peer::check) {
        request.pool.install(|| {
            trial.forward();
            trial.backward(&wanted);
        });
        let theta = &trial.gradients[1];
        let mut found = vec![
            ("output".to_string(), deviation(&trial.output, &check["output"], 0.0)),
            ("input".to_string(), deviation(&trial.gradients[0], &check["input"], 0.0)),
            ("primitives".to_string(), apart(&theta[architecture..][..8], &check["primitives"])),
        ];
        for p in &parameters {
            let digest = &check["gradients"][p.name.trim_start_matches("_ops.0.")];
            let values = &theta[p.offset..][..p.shape.iter().product()];
            found.push((p.name.clone(), deviation(values, digest, 0.0)));
        }
        row.agree(&found, TOLERANCE);
    }
    // multiply-adds per channel and position of the output: depthwise taps of six convolutions, 1×1 after each
    let taps = if one_d { 3 + 3 + 5 + 5 + 3 + 5 } else { 9 + 9 + 25 + 25 + 9 + 25 };
    let adds = taps + 6 * part + if stride == 2 { part } else { 0 };
    let positions = BATCH_OF_EDGES * size.iter().map(|n| n.div_ceil(stride)).product::<usize>();
    let flop = 2.0 * (positions * part * adds) as f64;
    let bytes = trial.bytes();
    let (both, forward) = (Count { flop: 3.0 * flop, bytes: 3.0 * bytes }, Count { flop, bytes });
    row.compare("fwd", forward, "forward", &mut || trial.forward());
    row.compare("fwd+bwd", both, "step", &mut || {
        trial.forward();
        trial.backward(&wanted);
    });
}

fn softmax(values: &[f64]) -> Vec<f32> {
    // the other side rounds to f32 first
    let powers: Vec<f64> = values.iter().map(|v| f64::from(*v as f32).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|p| (p / sum) as f32).collect()
}

fn layer(row: Layer, request: &Request) {
    let idle_mib = resident_mib();
    let Layer { batch, channels, outputs, size, kernel, stride } = row;
    let one_d = size[0] == 1;
    let (high, pad) = (if one_d { 1 } else { kernel }, (kernel - 1) / 2);
    let strides = [if one_d { 1 } else { stride }, stride];
    let op = Conv::new(strides, [if one_d { 0 } else { pad }, pad]);
    let weight = vec![outputs, channels, high, kernel];
    let values = start(0, "weight", &weight);
    let x = vec![batch, channels, size[0], size[1]];
    let count = x.iter().product();
    let mut trial = Trial::new(Box::new(op), vec![(x, inputs(0, count)), (weight, values)]);
    let written = written(size);
    let arguments = format!(
        "--batch {batch} --channels {channels} --outputs {outputs} --size {written} --kernel {kernel} --stride {stride}"
    );
    let peer = Peer::start("torch_conv.py", &arguments, request.pool.current_num_threads());
    let mut row = Row { name: name(&Case::Layer(row)), request, peer, idle_mib };
    if let Some(check) = row.peer.as_mut().map(Peer::check) {
        request.pool.install(|| {
            trial.forward();
            trial.backward(&[true, true]);
        });
        let found = [
            ("output".to_string(), deviation(&trial.output, &check["output"], 0.0)),
            ("input".to_string(), deviation(&trial.gradients[0], &check["input"], 0.0)),
            ("weight".to_string(), deviation(&trial.gradients[1], &check["weight"], 0.0)),
        ];
        row.agree(&found, TOLERANCE);
    }
    let count = Count { flop: 2.0 * (trial.output.len() * channels * high * kernel) as f64, bytes: trial.bytes() };
    row.compare("output", count, "forward", &mut || trial.forward());
    row.compare("d input", count, "input", &mut || trial.backward(&[true, false]));
    row.compare("d weight", count, "weight", &mut || trial.backward(&[false, true]));
}

/// One operator on arrays, outside of any graph.
struct Trial {
    op: Box<dyn Operator>,
    dims: Vec<Vec<usize>>,
    values: Vec<Vec<f32>>,
    above: Vec<f32>,
    saved: Saved<f32>,
    output: Vec<f32>,
    gradients: Vec<Vec<f32>>,
}

impl Trial {
    /// Panics where the inputs do not fit the operator.
    fn new(op: Box<dyn Operator>, inputs: Vec<(Vec<usize>, Vec<f32>)>) -> Trial {
        let (dims, values): (Vec<_>, Vec<_>) = inputs.into_iter().unzip();
        let shapes: Vec<&[usize]> = dims.iter().map(Vec::as_slice).collect();
        let size = op.output(&shapes).unwrap_or_else(|e| panic!("{e}")).iter().product();
        let gradients = values.iter().map(|v| vec![0.0; v.len()]).collect();
        let above = draw(3000, size).into_iter().map(|u| u as f32).collect();
        Trial { op, dims, values, above, saved: Saved::default(), output: vec![0.0; size], gradients }
    }

    fn views<'a>(dims: &'a [Vec<usize>], values: &'a [Vec<f32>]) -> Vec<View<'a, f32>> {
        dims.iter().zip(values).map(|(dims, values)| View { values, dims }).collect()
    }

    fn forward(&mut self) {
        self.saved = Saved::default();
        let (views, mode) = (Self::views(&self.dims, &self.values), Mode::Train { step: 0 });
        Kernel::<f32>::forward(&*self.op, &views, mode, &mut self.output, &mut self.saved);
    }

    /// After a forward pass: the gradients of the inputs that are wanted, by position.
    fn backward(&mut self, wanted: &[bool]) {
        let views = Self::views(&self.dims, &self.values);
        let sinks = self.gradients.iter_mut().zip(wanted);
        let mut sinks: Vec<_> = sinks.map(|(values, w)| w.then_some(Sink { values, add: false })).collect();
        Kernel::<f32>::backward(&*self.op, &views, &self.output, &self.saved, &self.above, &mut sinks);
    }

    /// Least traffic of a forward pass, in bytes: inputs and output once each. A backward pass moves twice as much.
    fn bytes(&self) -> f64 {
        let inputs: usize = self.values.iter().map(Vec::len).sum();
        4.0 * (inputs + self.output.len()) as f64
    }
}
