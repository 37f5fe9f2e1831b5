//! The lowest frequencies of a plane by tables of sines and cosines: few are kept, so that products with tables cost less than
//! a whole fast transform. Knows no weights.

use crate::ops::operator::Real;
use std::f64::consts::TAU;

pub struct Waves<T> {
    /// Per vertical frequency: its row among the weights.
    rows: Vec<usize>,
    /// Horizontal frequencies, from 0.
    columns: usize,
    /// Columns of the weights.
    modes: usize,
    plane: [usize; 2],
    out: [usize; 2],
    /// Per position along the width, then per frequency: cosine and sine, of every position and of those of the output.
    across: [Vec<T>; 2],
    /// The same along the height.
    down: [Vec<T>; 2],
    /// Of each horizontal frequency: it stands for its conjugate too, but for the mean.
    weights: Vec<T>,
}

fn table<T: Real>(positions: usize, step: usize, length: usize, frequencies: &[i64]) -> Vec<T> {
    let wave = |at: usize, frequency: i64| {
        // whole turns taken off while they are whole numbers
        let turn = (frequency * (at * step) as i64).rem_euclid(length as i64);
        let angle = TAU * turn as f64 / length as f64;
        [T::of(angle.cos()), T::of(angle.sin())]
    };
    (0..positions).flat_map(|at| frequencies.iter().flat_map(move |f| wave(at, *f))).collect()
}

impl<T: Real> Waves<T> {
    /// Weights of `rows` × `modes` (one row: a series) over a plane; the output has every `stride`-th position.
    pub fn new(plane: [usize; 2], out: [usize; 2], rows: usize, modes: usize, stride: usize) -> Waves<T> {
        let [h, w] = plane;
        let columns = modes.min(w.div_ceil(2));
        let (above, below) = if rows == 1 { (1, 0) } else { (modes.min(h.div_ceil(2)), modes.min(h / 2)) };
        let vertical: Vec<i64> = (0..above as i64).chain(-(below as i64)..0).collect();
        let horizontal: Vec<i64> = (0..columns as i64).collect();
        let step = if rows == 1 { 1 } else { stride };
        let share = |column: usize| if column == 0 { 1.0 } else { 2.0 } / (h * w) as f64;
        Waves {
            rows: (0..above).chain(rows - below..rows).collect(),
            columns,
            modes,
            plane,
            out,
            across: [table(w, 1, w, &horizontal), table(out[1], stride, w, &horizontal)],
            down: [table(h, 1, h, &vertical), table(out[0], step, h, &vertical)],
            weights: (0..columns).map(|column| T::of(share(column))).collect(),
        }
    }

    /// Values per channel: real and imaginary parts.
    pub fn coefficients(&self) -> usize {
        self.rows.len() * self.columns * 2
    }

    /// Calls `f` with the place of each coefficient and that of its weight.
    pub fn each(&self, mut f: impl FnMut(usize, usize)) {
        for (r, row) in self.rows.iter().enumerate() {
            for column in 0..self.columns {
                f((r * self.columns + column) * 2, (row * self.modes + column) * 2);
            }
        }
    }

    /// Divides by the number of positions, and counts each horizontal frequency for its conjugate too.
    pub fn scale(&self, coefficients: &mut [T]) {
        for row in coefficients.chunks_exact_mut(self.columns * 2) {
            row.chunks_exact_mut(2).zip(&self.weights).for_each(|(pair, w)| pair.iter_mut().for_each(|v| *v *= *w));
        }
    }

    fn side(&self, strided: bool) -> ([usize; 2], &[T], &[T]) {
        let at = usize::from(strided);
        ([self.plane, self.out][at], &self.across[at], &self.down[at])
    }

    /// Σ values · e^(−i…) of each channel's plane: of all positions, or of the output's.
    pub fn analyse(&self, values: &[T], strided: bool, coefficients: &mut [T]) {
        let ([h, w], across, down) = self.side(strided);
        let (pair, rows) = (self.columns * 2, self.rows.len());
        let mut line = vec![T::zero(); pair];
        coefficients.fill(T::zero());
        for (plane, to) in values.chunks_exact(h * w).zip(coefficients.chunks_exact_mut(rows * pair)) {
            for (values, down) in plane.chunks_exact(w).zip(down.chunks_exact(rows * 2)) {
                line.fill(T::zero());
                for (value, wave) in values.iter().zip(across.chunks_exact(pair)) {
                    line.iter_mut().zip(wave).for_each(|(sum, wave)| *sum += *value * *wave);
                }
                for (to, turn) in to.chunks_exact_mut(pair).zip(down.chunks_exact(2)) {
                    // (c − i·s)·(turn₀ − i·turn₁)
                    for (to, line) in to.chunks_exact_mut(2).zip(line.chunks_exact(2)) {
                        to[0] += line[0] * turn[0] - line[1] * turn[1];
                        to[1] -= line[0] * turn[1] + line[1] * turn[0];
                    }
                }
            }
        }
    }

    /// Re Σ coefficients · e^(+i…) at all positions or at the output's, which replaces `values` or is added to them.
    pub fn synthesise(&self, coefficients: &[T], strided: bool, values: &mut [T], add: bool) {
        let ([h, w], across, down) = self.side(strided);
        let (pair, rows) = (self.columns * 2, self.rows.len());
        let mut line = vec![T::zero(); pair];
        for (from, plane) in coefficients.chunks_exact(rows * pair).zip(values.chunks_exact_mut(h * w)) {
            for (values, down) in plane.chunks_exact_mut(w).zip(down.chunks_exact(rows * 2)) {
                line.fill(T::zero());
                for (from, turn) in from.chunks_exact(pair).zip(down.chunks_exact(2)) {
                    // real part, and minus the imaginary one, as the cosine and the sine want them
                    for (line, from) in line.chunks_exact_mut(2).zip(from.chunks_exact(2)) {
                        line[0] += from[0] * turn[0] - from[1] * turn[1];
                        line[1] -= from[0] * turn[1] + from[1] * turn[0];
                    }
                }
                for (value, wave) in values.iter_mut().zip(across.chunks_exact(pair)) {
                    let sum = line.iter().zip(wave).fold(T::zero(), |sum, (line, wave)| sum + *line * *wave);
                    *value = if add { *value + sum } else { sum };
                }
            }
        }
    }
}
