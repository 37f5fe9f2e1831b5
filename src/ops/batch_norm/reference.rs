//! Batch normalisation in plain loops of f64: what the fast path is judged against.

use crate::ops::batch_norm::{BatchNorm, Mask, Sizes};
use crate::ops::operator::{Mode, Saved, Sink, View};

/// Per channel: mean and 1/√(variance + eps) in the two saved arrays; the one index tells training from evaluation.
pub fn forward(op: &BatchNorm, inputs: &[View<'_, f64>], mode: Mode<'_, f64>, out: &mut [f64], saved: &mut Saved<f64>) {
    let (x, sizes) = (inputs[0].values, Sizes::of(inputs[0].dims).expect("dimensions were checked"));
    let Sizes { channels, .. } = sizes;
    let (mut means, mut scales) = (vec![0.0; channels], vec![0.0; channels]);
    saved.indices = vec![u32::from(matches!(mode, Mode::Train { .. }))];
    saved.statistics = vec![0.0; if saved.indices[0] == 1 { 2 * channels } else { 0 }];
    for c in 0..channels {
        let variance = match mode {
            Mode::Train { .. } => {
                let count = sizes.count();
                assert!(count > 1.0, "batch_norm: one value per channel has no statistics");
                means[c] = positions(sizes, c).map(|at| x[at]).sum::<f64>() / count;
                let squares: f64 = positions(sizes, c).map(|at| (x[at] - means[c]).powi(2)).sum();
                saved.statistics[c] = means[c];
                saved.statistics[channels + c] = squares / (count - 1.0);
                squares / count
            }
            Mode::Evaluate { running } => {
                means[c] = running[c];
                running[channels + c]
            }
        };
        scales[c] = 1.0 / (variance + op.eps).sqrt();
        let (gamma, beta) = op.scales(inputs).map_or((1.0, 0.0), |(gamma, beta)| (gamma[c], beta[c]));
        for at in positions(sizes, c) {
            let y = (x[at] - means[c]) * scales[c] * gamma + beta;
            let y = op.residual_at().map_or(y, |residual| y + inputs[residual].values[at]);
            out[at] = if op.relu && y < 0.0 { 0.0 } else { y };
        }
    }
    saved.arrays = vec![means, scales];
}

pub fn backward(
    op: &BatchNorm,
    inputs: &[View<'_, f64>],
    output: &[f64],
    saved: &Saved<f64>,
    gradient: &[f64],
    sinks: &mut [Option<Sink<'_, f64>>],
) {
    let (x, sizes) = (inputs[0].values, Sizes::of(inputs[0].dims).expect("dimensions were checked"));
    let (means, scales) = (&saved.arrays[0], &saved.arrays[1]);
    for c in 0..sizes.channels {
        let gamma = if op.affine { inputs[1].values[c] } else { 1.0 };
        let normal = |at: usize| (x[at] - means[c]) * scales[c];
        let masked = |at: usize| {
            let open = match op.mask() {
                Mask::None => true,
                Mask::Input => op.scales(inputs).map_or(normal(at), |(g, b)| normal(at) * g[c] + b[c]) > 0.0,
                Mask::Output => output[at] > 0.0,
            };
            if open { gradient[at] } else { 0.0 }
        };
        let plain: f64 = positions(sizes, c).map(masked).sum();
        let scaled: f64 = positions(sizes, c).map(|at| masked(at) * normal(at)).sum();
        if let Some(dx) = &mut sinks[0] {
            for at in positions(sizes, c) {
                let through_statistics = match saved.indices[0] {
                    1 => (plain + normal(at) * scaled) / sizes.count(),
                    _ => 0.0,
                };
                dx.put(at, gamma * scales[c] * (masked(at) - through_statistics));
            }
        }
        if op.affine {
            for (sink, value) in [(1, scaled), (2, plain)] {
                if let Some(sink) = &mut sinks[sink] {
                    sink.put(c, value);
                }
            }
        }
        if let Some(residual) = op.residual_at().and_then(|at| sinks[at].as_mut()) {
            positions(sizes, c).for_each(|at| residual.put(at, masked(at)));
        }
    }
}

/// Where the values of one channel lie.
fn positions(Sizes { images, channels, plane }: Sizes, c: usize) -> impl Iterator<Item = usize> {
    (0..images).flat_map(move |n| {
        let start = (n * channels + c) * plane;
        start..start + plane
    })
}
