//! One step of a long short-term memory cell, for the small controllers of architecture search: plain loops in f64. Knows no
//! controller.

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};

/// Inputs: x (N,I); state (N,2H), h before c; weights as one vector of 4H·I + 4H·H + 8H values: W_ih (4H,I), W_hh (4H,H), b_ih
/// (4H), b_hh (4H), each with the gates in PyTorch's order input, forget, cell, output. Output (N,2H): the new h, then the new c.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LstmCell {
    pub inputs: usize,
    pub hidden: usize,
}

/// Where the parts of the weights begin.
struct Parts {
    hidden: usize,
    input_bias: usize,
    hidden_bias: usize,
    end: usize,
}

impl LstmCell {
    fn parts(&self) -> Parts {
        let gates = 4 * self.hidden;
        let hidden = gates * self.inputs;
        let input_bias = hidden + gates * self.hidden;
        Parts { hidden, input_bias, hidden_bias: input_bias + gates, end: input_bias + 2 * gates }
    }
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

impl Definition for LstmCell {
    fn name(&self) -> &'static str {
        "lstm_cell"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let (i, h, size) = (self.inputs, self.hidden, self.parts().end);
        match inputs {
            &[&[n, inputs], &[m, states], &[weights]]
                if inputs == i && m == n && states == 2 * h && weights == size && i * h > 0 =>
            {
                Ok(vec![n, 2 * h])
            }
            _ => Err(format!("lstm_cell: dimensions (N,{i}), (N,{}), ({size}) were expected, found {inputs:?}", 2 * h)),
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[true, true, true], output: false }
    }
}

/// Saved arrays: the gates after their functions (N,4H), and tanh of the new c (N,H).
impl<T: Real> Kernel<T> for LstmCell {
    fn forward(&self, inputs: &[View<'_, T>], _mode: Mode<'_, T>, out: &mut [T], saved: &mut Saved<T>) {
        let (h, parts) = (self.hidden, self.parts());
        let (x, state, weights) = (inputs[0].values, inputs[1].values, inputs[2].values);
        let (mut gates, mut cells) = (Vec::new(), Vec::new());
        let dot = |row: &[T], x: &[T]| row.iter().zip(x).map(|(a, b)| a.double() * b.double()).sum::<f64>();
        let rows = x.chunks_exact(self.inputs).zip(state.chunks_exact(2 * h)).zip(out.chunks_exact_mut(2 * h));
        for ((x, state), out) in rows {
            let (before, cell) = state.split_at(h);
            let gate = |at: usize| {
                let sum = dot(&weights[at * self.inputs..][..self.inputs], x)
                    + dot(&weights[parts.hidden + at * h..][..h], before)
                    + weights[parts.input_bias + at].double()
                    + weights[parts.hidden_bias + at].double();
                if at / h == 2 { sum.tanh() } else { sigmoid(sum) }
            };
            let values: Vec<f64> = (0..4 * h).map(gate).collect();
            for at in 0..h {
                let new = values[h + at] * cell[at].double() + values[at] * values[2 * h + at];
                out[at] = T::of(values[3 * h + at] * new.tanh());
                out[h + at] = T::of(new);
                cells.push(T::of(new.tanh()));
            }
            gates.extend(values.into_iter().map(T::of));
        }
        saved.arrays = vec![gates, cells];
    }

    fn backward(
        &self,
        inputs: &[View<'_, T>],
        _output: &[T],
        saved: &Saved<T>,
        gradient: &[T],
        sinks: &mut [Option<Sink<'_, T>>],
    ) {
        let (h, i, parts) = (self.hidden, self.inputs, self.parts());
        let (x, state, weights) = (inputs[0].values, inputs[1].values, inputs[2].values);
        let mut total = vec![0.0; if sinks[2].is_some() { parts.end } else { 0 }];
        for (n, g) in gradient.chunks_exact(2 * h).enumerate() {
            let gate = |kind: usize, at: usize| saved.arrays[0][(4 * n + kind) * h + at].double();
            let cell = |at: usize| saved.arrays[1][n * h + at].double();
            let dc = |at: usize| g[h + at].double() + g[at].double() * gate(3, at) * (1.0 - cell(at).powi(2));
            let through_sigmoid = |d: f64, value: f64| d * value * (1.0 - value);
            // the gradient before each gate's function
            let before = |row: usize| {
                let (kind, at) = (row / h, row % h);
                match kind {
                    0 => through_sigmoid(dc(at) * gate(2, at), gate(0, at)),
                    1 => through_sigmoid(dc(at) * state[(2 * n + 1) * h + at].double(), gate(1, at)),
                    2 => dc(at) * gate(0, at) * (1.0 - gate(2, at).powi(2)),
                    _ => through_sigmoid(g[at].double() * cell(at), gate(3, at)),
                }
            };
            let d: Vec<f64> = (0..4 * h).map(before).collect();
            let back = |start: usize, width: usize, at: usize| {
                d.iter().enumerate().map(|(row, d)| d * weights[start + row * width + at].double()).sum()
            };
            if let Some(dx) = &mut sinks[0] {
                (0..i).for_each(|at| dx.put(n * i + at, T::of(back(0, i, at))));
            }
            if let Some(ds) = &mut sinks[1] {
                for at in 0..h {
                    ds.put(2 * n * h + at, T::of(back(parts.hidden, h, at)));
                    ds.put((2 * n + 1) * h + at, T::of(dc(at) * gate(1, at)));
                }
            }
            if sinks[2].is_some() {
                for (row, d) in d.iter().enumerate() {
                    for at in 0..i {
                        total[row * i + at] += d * x[n * i + at].double();
                    }
                    for at in 0..h {
                        total[parts.hidden + row * h + at] += d * state[2 * n * h + at].double();
                    }
                    total[parts.input_bias + row] += d;
                    total[parts.hidden_bias + row] += d;
                }
            }
        }
        if let Some(dw) = &mut sinks[2] {
            total.iter().enumerate().for_each(|(at, d)| dw.put(at, T::of(*d)));
        }
    }
}
