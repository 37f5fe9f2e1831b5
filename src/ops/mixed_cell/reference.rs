//! The cell by plain loops in f64: the truth that the fast path is judged against. Every primitive is a list of layers;
//! the backward pass runs the forward pass again and walks the lists from behind.

use crate::ops::mixed_cell::MixedCell;
use crate::ops::mixed_cell::layers::{Context, Layer, Planes};
use crate::ops::mixed_cell::wiring::{self, Shape};
use crate::ops::operator::{Mode, Saved, Sink, View};

/// What an edge's forward pass leaves: input and results of every layer by primitive, the bypass, the mixture.
struct EdgeTape {
    primitives: Vec<(usize, Vec<Layer>, Vec<Planes>)>,
    passed: Planes,
    mixed: Planes,
}

struct Tape {
    states: Vec<Planes>,
    edges: Vec<EdgeTape>,
    statistics: Vec<f64>,
}

const BYPASS: Layer = Layer::MaxPool { width: 2, stride: 2, pad: 0 };

fn all_forward(context: &Context<'_>, inputs: &[View<'_, f64>]) -> Tape {
    let (cell, s) = (context.cell, context.shape);
    let (c, k) = (s.part, cell.factor);
    let (alpha, beta) = architecture(context);
    let mut statistics = vec![0.0; if context.running.is_none() { wiring::normed(cell) * 2 * c } else { 0 }];
    let mut states: Vec<Planes> = inputs[..cell.inputs]
        .iter()
        .map(|v| Planes { values: v.values.to_vec(), ..Planes::zeros(s.images, s.channels, s.height, s.width) })
        .collect();
    let mut tapes = Vec::new();
    for node in 0..cell.nodes {
        let mut value = Planes::zeros(s.images, s.channels, s.out_height, s.out_width);
        for (e, edge) in wiring::edges(cell).into_iter().enumerate().filter(|(_, e)| e.to == node) {
            let (seen, by) = (states[edge.from].channels(0..c), states[edge.from].channels(c..s.channels));
            let passed = if edge.stride == 2 && k > 1 { context.forward(&by, &BYPASS, &mut []) } else { by };
            let mut sum = Planes::zeros(s.images, c, s.out_height, s.out_width);
            let mut primitives = Vec::new();
            for primitive in 1..8 {
                let layers = context.primitive(primitive, e);
                let mut results = vec![seen.clone()];
                for layer in &layers {
                    let next = context.forward(&results[results.len() - 1], layer, &mut statistics);
                    results.push(next);
                }
                sum.add(&results[results.len() - 1], alpha[e * 8 + primitive]);
                primitives.push((primitive, layers, results));
            }
            let mut mixed = value.alike();
            for (n, ch, y, x) in mixed.places() {
                let at = mixed.at(n, ch, y, x);
                let (j, group) = (ch / k, ch % k);
                mixed.values[at] = match group {
                    0 => sum.values[sum.at(n, j, y, x)],
                    _ => passed.values[passed.at(n, (group - 1) * c + j, y, x)],
                };
            }
            value.add(&mixed, beta[e]);
            tapes.push(EdgeTape { primitives, passed, mixed });
        }
        states.push(value);
    }
    Tape { states, edges: tapes, statistics }
}

/// α and β.
fn architecture<'a>(context: &Context<'a>) -> (&'a [f64], &'a [f64]) {
    let (cell, s) = (context.cell, context.shape);
    let arch = &context.theta[wiring::weights(cell, s.part, s.one_d)..];
    arch.split_at(8 * wiring::edges(cell).len())
}

pub fn forward(
    cell: &MixedCell,
    shape: &Shape,
    inputs: &[View<'_, f64>],
    mode: Mode<'_, f64>,
    out: &mut [f64],
    saved: &mut Saved<f64>,
) {
    let running = match mode {
        Mode::Train { .. } => None,
        Mode::Evaluate { running } => Some(running),
    };
    let context = Context { cell, shape, theta: inputs[cell.inputs].values, running };
    let tape = all_forward(&context, inputs);
    let size = out.len() / shape.images / cell.nodes;
    for (i, out) in out.chunks_mut(size).enumerate() {
        let (image, node) = (i / cell.nodes, i % cell.nodes);
        out.copy_from_slice(&tape.states[cell.inputs + node].values[image * size..][..size]);
    }
    saved.statistics = tape.statistics;
}

pub fn backward(
    cell: &MixedCell,
    shape: &Shape,
    inputs: &[View<'_, f64>],
    gradient: &[f64],
    sinks: &mut [Option<Sink<'_, f64>>],
) {
    let context = Context { cell, shape, theta: inputs[cell.inputs].values, running: None };
    let (c, k) = (shape.part, cell.factor);
    let tape = all_forward(&context, inputs);
    let (alpha, beta) = architecture(&context);
    let edges = wiring::edges(cell);
    let weights = wiring::weights(cell, c, shape.one_d);
    let mut dtheta = vec![0.0; context.theta.len()];
    let mut states: Vec<Planes> = tape.states.iter().map(Planes::alike).collect();
    let size = gradient.len() / shape.images / cell.nodes;
    for (i, g) in gradient.chunks(size).enumerate() {
        let (image, node) = (i / cell.nodes, i % cell.nodes);
        states[cell.inputs + node].values[image * size..][..size].copy_from_slice(g);
    }
    for (e, edge) in edges.iter().enumerate().rev() {
        let g = states[cell.inputs + edge.to].clone();
        let kept = &tape.edges[e];
        dtheta[weights + 8 * edges.len() + e] = g.dot(&kept.mixed);
        let mut seen = Planes::zeros(shape.images, c, shape.out_height, shape.out_width);
        let mut passed = kept.passed.alike();
        for (n, ch, y, x) in g.places() {
            let (from, j, group) = (g.values[g.at(n, ch, y, x)] * beta[e], ch / k, ch % k);
            match group {
                0 => {
                    let at = seen.at(n, j, y, x);
                    seen.values[at] = from;
                }
                _ => {
                    let at = passed.at(n, (group - 1) * c + j, y, x);
                    passed.values[at] = from;
                }
            }
        }
        let source = &tape.states[edge.from];
        let mut d = source.alike();
        for (primitive, layers, results) in &kept.primitives {
            dtheta[weights + 8 * e + primitive] = seen.dot(&results[results.len() - 1]);
            let mut g = seen.alike();
            g.add(&seen, alpha[8 * e + primitive]);
            for (i, layer) in layers.iter().enumerate().rev() {
                g = context.backward(&results[i], &results[i + 1], &g, layer, &mut dtheta);
            }
            for (n, ch, y, x) in g.places() {
                let at = d.at(n, ch, y, x);
                d.values[at] += g.values[g.at(n, ch, y, x)];
            }
        }
        if k > 1 {
            if edge.stride == 2 {
                let by = source.channels(c..shape.channels);
                passed = context.backward(&by, &kept.passed, &passed, &BYPASS, &mut dtheta);
            }
            for (n, ch, y, x) in passed.places() {
                let at = d.at(n, c + ch, y, x);
                d.values[at] += passed.values[passed.at(n, ch, y, x)];
            }
        }
        states[edge.from].add(&d, 1.0);
    }
    let wanted = |at: usize| if at < weights { cell.wants.weights() } else { cell.wants.architecture() };
    for (i, sink) in sinks.iter_mut().enumerate() {
        let Some(sink) = sink else { continue };
        let values = if i < cell.inputs { &states[i].values } else { &dtheta };
        for (at, value) in values.iter().enumerate() {
            sink.put(at, if i < cell.inputs || wanted(at) { *value } else { 0.0 });
        }
    }
}
