//! The cell by plain loops in f64: the truth that the fast path is judged against. Every primitive is a list of layers;
//! the backward pass runs the forward pass again and walks the lists from behind.

use crate::ops::mixed_cell::MixedCell;
use crate::ops::mixed_cell::wiring::{self, AVG_POOL, MAX_POOL, SKIP, Shape};
use crate::ops::operator::{Mode, Saved, Sink, View};
use std::ops::Range;

#[derive(Clone, Debug)]
struct Planes {
    images: usize,
    channels: usize,
    height: usize,
    width: usize,
    values: Vec<f64>,
}

impl Planes {
    fn zeros(images: usize, channels: usize, height: usize, width: usize) -> Planes {
        Planes { images, channels, height, width, values: vec![0.0; images * channels * height * width] }
    }

    fn alike(&self) -> Planes {
        Planes::zeros(self.images, self.channels, self.height, self.width)
    }

    fn at(&self, n: usize, c: usize, y: usize, x: usize) -> usize {
        ((n * self.channels + c) * self.height + y) * self.width + x
    }

    /// All (image, channel, row, column).
    fn places(&self) -> impl Iterator<Item = (usize, usize, usize, usize)> + use<> {
        let (images, channels, height, width) = (self.images, self.channels, self.height, self.width);
        (0..images * channels * height * width)
            .map(move |i| (i / width / height / channels, i / width / height % channels, i / width % height, i % width))
    }

    fn channels(&self, range: Range<usize>) -> Planes {
        let mut part = Planes::zeros(self.images, range.len(), self.height, self.width);
        for (n, c, y, x) in part.places() {
            let to = part.at(n, c, y, x);
            part.values[to] = self.values[self.at(n, range.start + c, y, x)];
        }
        part
    }

    fn add(&mut self, other: &Planes, factor: f64) {
        for (a, b) in self.values.iter_mut().zip(&other.values) {
            *a += factor * b;
        }
    }

    fn dot(&self, other: &Planes) -> f64 {
        self.values.iter().zip(&other.values).map(|(a, b)| a * b).sum()
    }
}

#[derive(Clone, Debug)]
enum Layer {
    Relu,
    Depthwise {
        width: usize,
        dilation: usize,
        stride: usize,
        weights: Range<usize>,
    },
    Pointwise {
        weights: Range<usize>,
    },
    /// The two 1×1 convolutions of FactorizedReduce.
    Reduce {
        weights: Range<usize>,
    },
    Norm {
        index: usize,
    },
    MaxPool {
        width: usize,
        stride: usize,
        pad: usize,
    },
    AveragePool {
        stride: usize,
    },
}

struct Context<'a> {
    cell: &'a MixedCell,
    shape: &'a Shape,
    theta: &'a [f64],
    running: Option<&'a [f64]>,
}

/// Rows (or columns) that a window sees: position in the window and in the plane.
fn window(at: usize, stride: usize, pad: usize, gap: usize, width: usize, size: usize) -> Vec<(usize, usize)> {
    let place = |i: usize| (at * stride + i * gap).checked_sub(pad).filter(|p| *p < size).map(|p| (i, p));
    (0..width).filter_map(place).collect()
}

impl Context<'_> {
    /// Layers of a primitive; empty for a skip of stride 1.
    fn primitive(&self, primitive: usize, e: usize) -> Vec<Layer> {
        let (cell, c, one_d) = (self.cell, self.shape.part, self.shape.one_d);
        let edge = wiring::edges(cell)[e];
        let (stride, start) = (edge.stride, wiring::offsets(cell, c, one_d)[e]);
        let norm = |i: usize| Layer::Norm { index: wiring::normed_edge(cell, e) + i };
        let shift = |r: Range<usize>| start + r.start..start + r.end;
        let convolution = |i: usize, stride: usize| {
            let (width, dilation) = wiring::depthwise(i);
            let (kernel, mix) = wiring::convolution(i, c, one_d);
            let deep = Layer::Depthwise { width, dilation, stride, weights: shift(kernel) };
            vec![Layer::Relu, deep, Layer::Pointwise { weights: shift(mix) }, norm(i)]
        };
        match primitive {
            MAX_POOL => vec![Layer::MaxPool { width: 3, stride, pad: 1 }, Layer::Norm { index: 2 * edge.from }],
            AVG_POOL => vec![Layer::AveragePool { stride }, Layer::Norm { index: 2 * edge.from + 1 }],
            SKIP if stride == 1 => Vec::new(),
            SKIP => {
                let weights = shift(wiring::convolution(wiring::REDUCE, c, one_d).1);
                vec![Layer::Relu, Layer::Reduce { weights }, norm(wiring::REDUCE)]
            }
            wiring::SEP_3 => [convolution(0, stride), convolution(1, 1)].concat(),
            wiring::SEP_5 => [convolution(2, stride), convolution(3, 1)].concat(),
            wiring::DIL_3 => convolution(4, stride),
            _ => convolution(5, stride),
        }
    }

    fn halved(&self, x: &Planes, stride: usize, channels: usize) -> Planes {
        Planes::zeros(x.images, channels, x.height.div_ceil(stride), x.width.div_ceil(stride))
    }

    fn row_window(
        &self,
        y: usize,
        stride: usize,
        pad: usize,
        gap: usize,
        width: usize,
        x: &Planes,
    ) -> Vec<(usize, usize)> {
        if self.shape.one_d { vec![(0, 0)] } else { window(y, stride, pad, gap, width, x.height) }
    }

    /// Calls `f` with (place in y, place in x, place of the weight) for every product of a depthwise convolution.
    fn depthwise(&self, x: &Planes, y: &Planes, layer: &Layer, mut f: impl FnMut(usize, usize, usize)) {
        let Layer::Depthwise { width, dilation, stride, weights } = layer else { unreachable!("a depthwise layer") };
        let (pad, taps) = (width / 2 * dilation, wiring::taps(*width, self.shape.one_d));
        for (n, c, oy, ox) in y.places() {
            for (i, iy) in self.row_window(oy, *stride, pad, *dilation, *width, x) {
                for (j, ix) in window(ox, *stride, pad, *dilation, *width, x.width) {
                    f(y.at(n, c, oy, ox), x.at(n, c, iy, ix), weights.start + c * taps + i * width + j);
                }
            }
        }
    }

    /// The same for a 1×1 convolution, and for both of FactorizedReduce.
    fn pointwise(&self, x: &Planes, y: &Planes, layer: &Layer, mut f: impl FnMut(usize, usize, usize)) {
        let channels = x.channels;
        for (n, o, oy, ox) in y.places() {
            let (start, place) = match layer {
                Layer::Pointwise { weights } => (weights.start, Some((oy, ox))),
                Layer::Reduce { weights } => {
                    let shift = usize::from(o >= channels / 2 && !self.shape.one_d);
                    let (iy, ix) = (2 * oy + shift, 2 * ox + shift);
                    (weights.start, (iy < x.height && ix < x.width).then_some((iy, ix)))
                }
                _ => unreachable!("a 1×1 layer"),
            };
            let Some((iy, ix)) = place else { continue };
            for i in 0..channels {
                f(y.at(n, o, oy, ox), x.at(n, i, iy, ix), start + o * channels + i);
            }
        }
    }

    /// Calls `f` with (place in y, place in x) of every maximum: the first in row order, the last NaN if there is one, as
    /// PyTorch's `max_pool2d` has it.
    fn maxima(&self, x: &Planes, y: &Planes, layer: &Layer, mut f: impl FnMut(usize, usize)) {
        let Layer::MaxPool { width, stride, pad } = layer else { unreachable!("a max pool") };
        for (n, c, oy, ox) in y.places() {
            let (mut best, mut place) = (f64::NEG_INFINITY, None);
            for (_, iy) in self.row_window(oy, *stride, *pad, 1, *width, x) {
                for (_, ix) in window(ox, *stride, *pad, 1, *width, x.width) {
                    let (v, at) = (x.values[x.at(n, c, iy, ix)], x.at(n, c, iy, ix));
                    if v > best || v.is_nan() || place.is_none() {
                        (best, place) = (v, Some(at));
                    }
                }
            }
            f(y.at(n, c, oy, ox), place.expect("no window is empty"));
        }
    }

    /// Calls `f` with (place in y, place in x, part) of every value that enters a mean; padding does not count.
    fn means(&self, x: &Planes, y: &Planes, stride: usize, mut f: impl FnMut(usize, usize, f64)) {
        for (n, c, oy, ox) in y.places() {
            let rows = self.row_window(oy, stride, 1, 1, 3, x);
            let columns = window(ox, stride, 1, 1, 3, x.width);
            let part = 1.0 / (rows.len() * columns.len()) as f64;
            for (_, iy) in &rows {
                for (_, ix) in &columns {
                    f(y.at(n, c, oy, ox), x.at(n, c, *iy, *ix), part);
                }
            }
        }
    }

    /// Mean and biased variance of a channel.
    fn moments(&self, x: &Planes, index: usize, c: usize) -> (f64, f64) {
        if let Some(running) = self.running {
            let at = index * 2 * x.channels + c;
            return (running[at], running[at + x.channels]);
        }
        let values = || x.places().filter(move |p| p.1 == c).map(|(n, c, y, col)| x.values[x.at(n, c, y, col)]);
        let count = values().count() as f64;
        let mean = values().sum::<f64>() / count;
        (mean, values().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count)
    }

    fn forward(&self, x: &Planes, layer: &Layer, statistics: &mut [f64]) -> Planes {
        let theta = self.theta;
        match layer {
            Layer::Relu => {
                let values = x.values.iter().map(|v| if *v < 0.0 { 0.0 } else { *v }).collect();
                Planes { values, ..x.alike() }
            }
            Layer::Depthwise { stride, .. } => {
                let mut y = self.halved(x, *stride, x.channels);
                let mut values = std::mem::take(&mut y.values);
                self.depthwise(x, &y, layer, |o, i, w| values[o] += theta[w] * x.values[i]);
                Planes { values, ..y }
            }
            Layer::Pointwise { .. } | Layer::Reduce { .. } => {
                let stride = if matches!(layer, Layer::Reduce { .. }) { 2 } else { 1 };
                let mut y = self.halved(x, stride, x.channels);
                let mut values = std::mem::take(&mut y.values);
                self.pointwise(x, &y, layer, |o, i, w| values[o] += theta[w] * x.values[i]);
                Planes { values, ..y }
            }
            Layer::Norm { index } => {
                let mut y = x.clone();
                let count = (x.values.len() / x.channels) as f64;
                for c in 0..x.channels {
                    let (mean, variance) = self.moments(x, *index, c);
                    if self.running.is_none() {
                        let at = index * 2 * x.channels + c;
                        statistics[at] = mean;
                        statistics[at + x.channels] = variance * count / (count - 1.0).max(1.0);
                    }
                    let scale = 1.0 / (variance + self.cell.eps).sqrt();
                    for (n, _, row, col) in x.places().filter(|p| p.1 == c) {
                        let at = x.at(n, c, row, col);
                        y.values[at] = (x.values[at] - mean) * scale;
                    }
                }
                y
            }
            Layer::MaxPool { stride, .. } => {
                let mut y = self.halved(x, *stride, x.channels);
                let mut values = std::mem::take(&mut y.values);
                self.maxima(x, &y, layer, |o, i| values[o] = x.values[i]);
                Planes { values, ..y }
            }
            Layer::AveragePool { stride } => {
                let mut y = self.halved(x, *stride, x.channels);
                let mut values = std::mem::take(&mut y.values);
                self.means(x, &y, *stride, |o, i, part| values[o] += part * x.values[i]);
                Planes { values, ..y }
            }
        }
    }

    fn backward(&self, x: &Planes, y: &Planes, g: &Planes, layer: &Layer, dtheta: &mut [f64]) -> Planes {
        let (theta, mut dx) = (self.theta, x.alike());
        let d = &mut dx.values;
        match layer {
            Layer::Relu => {
                for ((d, v), g) in d.iter_mut().zip(&x.values).zip(&g.values) {
                    *d = if *v > 0.0 { *g } else { 0.0 };
                }
            }
            Layer::Depthwise { .. } => self.depthwise(x, y, layer, |o, i, w| {
                d[i] += theta[w] * g.values[o];
                dtheta[w] += x.values[i] * g.values[o];
            }),
            Layer::Pointwise { .. } | Layer::Reduce { .. } => self.pointwise(x, y, layer, |o, i, w| {
                d[i] += theta[w] * g.values[o];
                dtheta[w] += x.values[i] * g.values[o];
            }),
            Layer::Norm { index } => {
                let count = (x.values.len() / x.channels) as f64;
                for c in 0..x.channels {
                    let (mean, variance) = self.moments(x, *index, c);
                    let scale = 1.0 / (variance + self.cell.eps).sqrt();
                    let places: Vec<usize> =
                        x.places().filter(|p| p.1 == c).map(|(n, c, row, col)| x.at(n, c, row, col)).collect();
                    let hat = |at: usize| (x.values[at] - mean) * scale;
                    let sum: f64 = places.iter().map(|at| g.values[*at]).sum();
                    let sum_hat: f64 = places.iter().map(|at| g.values[*at] * hat(*at)).sum();
                    for at in places {
                        d[at] = scale * (g.values[at] - sum / count - hat(at) * sum_hat / count);
                    }
                }
            }
            Layer::MaxPool { .. } => self.maxima(x, y, layer, |o, i| d[i] += g.values[o]),
            Layer::AveragePool { stride } => self.means(x, y, *stride, |o, i, part| d[i] += part * g.values[o]),
        }
        dx
    }
}

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
