//! Products with weights in plain loops of f64: what the fast path is judged against. Rows are images of one position.

use crate::ops::linear::Sizes;
use crate::ops::operator::Sink;

/// Places of x, of the weight and of the output that meet in one product.
fn each(Sizes { images, inputs, outputs, plane }: Sizes, mut f: impl FnMut(usize, usize, usize)) {
    for n in 0..images {
        for o in 0..outputs {
            for i in 0..inputs {
                for at in 0..plane {
                    f((n * inputs + i) * plane + at, o * inputs + i, (n * outputs + o) * plane + at);
                }
            }
        }
    }
}

pub fn forward(sizes: Sizes, x: &[f64], weight: &[f64], bias: Option<&[f64]>, out: &mut [f64]) {
    for (at, out) in out.iter_mut().enumerate() {
        *out = bias.map_or(0.0, |bias| bias[at / sizes.plane % sizes.outputs]);
    }
    each(sizes, |from, by, to| out[to] += x[from] * weight[by]);
}

pub fn backward(sizes: Sizes, x: &[f64], weight: &[f64], g: &[f64], sinks: &mut [Option<Sink<'_, f64>>]) {
    sinks.iter_mut().flatten().for_each(Sink::clear);
    if let Some(dx) = &mut sinks[0] {
        each(sizes, |from, by, to| dx.values[from] += g[to] * weight[by]);
    }
    if let Some(dw) = &mut sinks[1] {
        each(sizes, |from, by, to| dw.values[by] += g[to] * x[from]);
    }
    if let Some(Some(db)) = sinks.get_mut(2) {
        g.iter().enumerate().for_each(|(at, g)| db.values[at / sizes.plane % sizes.outputs] += *g);
    }
}
