//! Planes resampled to a given size, up or down, as PyTorch's `F.interpolate(size=…)`. (Candle's nearest overwrites the gradient
//! of an input that something else uses too; its bilinear has none.) Knows no network.

mod axis;
pub mod cuda;

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use crate::ops::upsample::axis::Axis;
use crate::ops::window::planes_per_task;
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    Nearest,
    Bilinear {
        /// Corners' centres fall together; else corners' outer edges do.
        align_corners: bool,
    },
}

/// x (N,C,H,W) to (N,C,h,w), with `size` = [h, w].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upsample {
    pub size: [usize; 2],
    pub interpolation: Interpolation,
}

impl Definition for Upsample {
    fn name(&self) -> &'static str {
        "upsample"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            &[&[n, c, h, w]] if h > 0 && w > 0 && !self.size.contains(&0) => Ok(vec![n, c, self.size[0], self.size[1]]),
            _ => Err(format!("upsample: one input (N,C,H,W) was expected for {:?}, found {inputs:?}", self.size)),
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[false], output: false }
    }
}

impl<T: Real> Kernel<T> for Upsample {
    fn forward(&self, inputs: &[View<'_, T>], _mode: Mode<'_, T>, out: &mut [T], _saved: &mut Saved<T>) {
        let (x, (height, width), [_, columns]) = (inputs[0].values, plane(inputs[0].dims), self.size);
        let (down, across) = self.axes((height, width));
        let (from, to) = (height * width, self.size[0] * columns);
        let per_task = planes_per_task(to.max(from));
        out.par_chunks_mut(per_task * to).zip(x.par_chunks(per_task * from)).for_each(|(out, x)| {
            let mut line = vec![T::zero(); width];
            for (out, x) in out.chunks_exact_mut(to).zip(x.chunks_exact(from)) {
                for (row, out) in out.chunks_exact_mut(columns).enumerate() {
                    let place = down.at(row);
                    let (above, below) = (&x[place.first * width..][..width], &x[place.second * width..][..width]);
                    for (to, (a, b)) in line.iter_mut().zip(above.iter().zip(below)) {
                        *to = place.mix(*a, *b);
                    }
                    for (to, place) in out.iter_mut().zip(&across.places) {
                        *to = place.mix(line[place.first], line[place.second]);
                    }
                }
            }
        });
    }

    fn backward(
        &self,
        inputs: &[View<'_, T>],
        _output: &[T],
        _saved: &Saved<T>,
        gradient: &[T],
        sinks: &mut [Option<Sink<'_, T>>],
    ) {
        let Some(Sink { values, add }) = &mut sinks[0] else { return };
        let ((height, width), [_, columns], add) = (plane(inputs[0].dims), self.size, *add);
        let (down, across) = self.axes((height, width));
        let (from, to) = (height * width, self.size[0] * columns);
        let per_task = planes_per_task(to.max(from));
        values.par_chunks_mut(per_task * from).zip(gradient.par_chunks(per_task * to)).for_each(|(dx, g)| {
            let mut line = vec![T::zero(); width];
            if !add {
                dx.fill(T::zero());
            }
            for (dx, g) in dx.chunks_exact_mut(from).zip(g.chunks_exact(to)) {
                for (row, g) in g.chunks_exact(columns).enumerate() {
                    line.fill(T::zero());
                    for (g, place) in g.iter().zip(&across.places) {
                        line[place.first] += *g * place.near;
                        if place.far != T::zero() {
                            line[place.second] += *g * place.far;
                        }
                    }
                    let place = down.at(row);
                    for (row, weight) in [(place.first, place.near), (place.second, place.far)] {
                        if weight != T::zero() {
                            let to = &mut dx[row * width..][..width];
                            to.iter_mut().zip(&line).for_each(|(to, from)| *to += *from * weight);
                        }
                    }
                }
            }
        });
    }
}

fn plane(dims: &[usize]) -> (usize, usize) {
    (dims[2], dims[3])
}

impl Upsample {
    fn axes<T: Real>(&self, (height, width): (usize, usize)) -> (Axis<T>, Axis<T>) {
        let [rows, columns] = self.size;
        (Axis::new(self.interpolation, height, rows), Axis::new(self.interpolation, width, columns))
    }
}
