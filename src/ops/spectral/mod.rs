//! Convolution in the frequencies: the lowest ones of a plane or a series, each with a complex matrix over the channels, all
//! others left out (the layer of the Fourier neural operator; Li et al., ICLR 2021, §4; `SpectralConv2d` and `SpectralConv1d` of
//! `neuraloperator/neuraloperator`, fourier_2d.py and fourier_1d.py). Knows no network.

mod waves;

use crate::ops::operator::{Definition, Kernel, Mode, Reads, Real, Saved, Sink, View};
use crate::ops::spectral::waves::Waves;
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};

/// Inputs: x (N,I,H,W); weights (I,O,2·modes,modes,2), real then imaginary parts, whose rows belong to vertical frequencies
/// 0..modes, then −modes..0, and columns to horizontal ones 0..modes; for series (N,I,1,L) weights (I,O,1,modes,2). Output
/// (N,O,⌈H/stride⌉,⌈W/stride⌉): every stride-th position. Frequencies that a small plane does not have leave their weights
/// unused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spectral {
    pub stride: usize,
}

struct Sizes {
    inputs: usize,
    outputs: usize,
    /// Rows and columns of the weights.
    rows: usize,
    modes: usize,
    /// Positions of the input and of the output.
    plane: [usize; 2],
    out: [usize; 2],
}

impl Spectral {
    fn sizes(&self, inputs: &[&[usize]]) -> Result<Sizes, String> {
        let wrong = || {
            format!(
                "spectral: x (N,I,H,W) and weights (I,O,2m,m,2), or (N,I,1,L) and (I,O,1,m,2), were expected, found {inputs:?}"
            )
        };
        let &[&[_, c, h, w], &[i, o, rows, modes, 2]] = inputs else { return Err(wrong()) };
        let series = rows == 1 && h == 1;
        if i != c || !(series || rows == 2 * modes) || self.stride == 0 || inputs.concat().contains(&0) {
            return Err(wrong());
        }
        let vertical = if series { 1 } else { self.stride };
        Ok(Sizes {
            inputs: c,
            outputs: o,
            rows,
            modes,
            plane: [h, w],
            out: [h.div_ceil(vertical), w.div_ceil(self.stride)],
        })
    }

    fn waves<T: Real>(&self, views: &[View<'_, T>]) -> (Sizes, Waves<T>) {
        let dims: Vec<&[usize]> = views.iter().map(|v| v.dims).collect();
        let sizes = self.sizes(&dims).unwrap_or_else(|e| panic!("{e}"));
        let waves = Waves::new(sizes.plane, sizes.out, sizes.rows, sizes.modes, self.stride);
        (sizes, waves)
    }
}

impl Definition for Spectral {
    fn name(&self) -> &'static str {
        "spectral"
    }

    fn output(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let sizes = self.sizes(inputs)?;
        Ok(vec![inputs[0][0], sizes.outputs, sizes.out[0], sizes.out[1]])
    }

    fn reads(&self) -> Reads {
        Reads { inputs: &[false, true], output: false }
    }
}

impl Sizes {
    /// Where the weights from input channel i to output channel o begin.
    fn weight(&self, i: usize, o: usize) -> usize {
        (i * self.outputs + o) * self.rows * self.modes * 2
    }
}

/// Saved arrays: the coefficients of the input, image by image.
impl<T: Real> Kernel<T> for Spectral {
    fn forward(&self, inputs: &[View<'_, T>], mode: Mode<'_, T>, out: &mut [T], saved: &mut Saved<T>) {
        let (s, waves) = self.waves(inputs);
        let (x, weights) = (inputs[0].values, inputs[1].values);
        let (size, [h, w], [oh, ow]) = (waves.coefficients(), s.plane, s.out);
        let images = inputs[0].dims[0];
        let mut kept = T::pool().take(images * s.inputs * size);
        out.par_chunks_mut(s.outputs * oh * ow)
            .zip(x.par_chunks(s.inputs * h * w))
            .zip(kept.par_chunks_mut(s.inputs * size))
            .for_each(|((out, x), kept)| {
                waves.analyse(x, false, kept);
                let mut mixed = vec![T::zero(); s.outputs * size];
                for (i, from) in kept.chunks_exact(size).enumerate() {
                    for (o, to) in mixed.chunks_exact_mut(size).enumerate() {
                        let weights = &weights[s.weight(i, o)..];
                        waves.each(|at, of| {
                            let ([a, b], [c, d]) = ([from[at], from[at + 1]], [weights[of], weights[of + 1]]);
                            to[at] += a * c - b * d;
                            to[at + 1] += a * d + b * c;
                        });
                    }
                }
                waves.scale(&mut mixed);
                waves.synthesise(&mixed, true, out, false);
            });
        match mode {
            Mode::Train { .. } => saved.arrays = vec![kept],
            Mode::Evaluate { .. } => T::pool().give(kept),
        }
    }

    fn backward(
        &self,
        inputs: &[View<'_, T>],
        _output: &[T],
        saved: &Saved<T>,
        gradient: &[T],
        sinks: &mut [Option<Sink<'_, T>>],
    ) {
        let (s, waves) = self.waves(inputs);
        let weights = inputs[1].values;
        let (size, [h, w], [oh, ow]) = (waves.coefficients(), s.plane, s.out);
        // gradients of the mixed coefficients
        let mut mixed = T::pool().take(inputs[0].dims[0] * s.outputs * size);
        mixed.par_chunks_mut(s.outputs * size).zip(gradient.par_chunks(s.outputs * oh * ow)).for_each(|(mixed, g)| {
            waves.analyse(g, true, mixed);
            waves.scale(mixed);
        });
        let (first, second) = sinks.split_at_mut(1);
        if let Some(Sink { values, add }) = &mut first[0] {
            let add = *add;
            values.par_chunks_mut(s.inputs * h * w).zip(mixed.par_chunks(s.outputs * size)).for_each(|(dx, mixed)| {
                let mut own = vec![T::zero(); s.inputs * size];
                for (i, to) in own.chunks_exact_mut(size).enumerate() {
                    for (o, from) in mixed.chunks_exact(size).enumerate() {
                        let weights = &weights[s.weight(i, o)..];
                        waves.each(|at, of| {
                            let ([a, b], [c, d]) = ([from[at], from[at + 1]], [weights[of], weights[of + 1]]);
                            to[at] += a * c + b * d;
                            to[at + 1] += b * c - a * d;
                        });
                    }
                }
                waves.synthesise(&own, false, dx, add);
            });
        }
        if let Some(sink) = &mut second[0] {
            sink.clear();
            let kept = &saved.arrays[0];
            let per_input = s.outputs * s.rows * s.modes * 2;
            sink.values.par_chunks_mut(per_input).enumerate().for_each(|(i, dw)| {
                for (kept, mixed) in kept.chunks_exact(s.inputs * size).zip(mixed.chunks_exact(s.outputs * size)) {
                    let x = &kept[i * size..][..size];
                    for (o, g) in mixed.chunks_exact(size).enumerate() {
                        let dw = &mut dw[s.weight(0, o)..];
                        waves.each(|at, of| {
                            let ([a, b], [c, d]) = ([g[at], g[at + 1]], [x[at], x[at + 1]]);
                            dw[of] += a * c + b * d;
                            dw[of + 1] += b * c - a * d;
                        });
                    }
                }
            });
        }
        T::pool().give(mixed);
    }
}
