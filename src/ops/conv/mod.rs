//! Convolution of planes, without groups or dilation: forward, gradient of the input, gradient of the weights, by
//! unfolding row tiles and multiplying matrices. Knows no layer; a bias is the caller's.

use crate::ops::matmul::{Matrix, multiply};
use crate::ops::values;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::{
    IndexedParallelIterator, IntoParallelRefMutIterator, ParallelIterator, ParallelSlice, ParallelSliceMut,
};

/// Values of one unfolded tile (1 MiB): stays in the second-level cache. Part of the result's bits, so it is a constant.
const TILE: usize = 1 << 18;
/// Images per partial sum of the weight gradient, at most this many partial sums. Fixed, so that the sum's order is.
const PARTS: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sizes {
    images: usize,
    inputs: usize,
    height: usize,
    width: usize,
    outputs: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    out: [usize; 2],
}

impl Sizes {
    fn of(op: Conv, x: &[usize], w: &[usize]) -> Result<Sizes> {
        let (&[images, inputs, height, width], &[outputs, channels, kh, kw]) = (x, w) else {
            bail!("conv: shapes (N,C,H,W) and (O,C,h,w) were expected, found {x:?} and {w:?}");
        };
        let fits = height + 2 * op.padding[0] >= kh && width + 2 * op.padding[1] >= kw;
        if channels != inputs || kh * kw == 0 || !fits || op.stride.contains(&0) {
            bail!("conv: input {x:?} does not fit weights {w:?} with {op:?}");
        }
        let out =
            [(height + 2 * op.padding[0] - kh) / op.stride[0] + 1, (width + 2 * op.padding[1] - kw) / op.stride[1] + 1];
        let Conv { stride, padding } = op;
        Ok(Sizes { images, inputs, height, width, outputs, kernel: [kh, kw], stride, padding, out })
    }

    /// Rows of the unfolded matrix.
    fn depth(&self) -> usize {
        self.inputs * self.kernel[0] * self.kernel[1]
    }

    fn plane(&self) -> usize {
        self.out[0] * self.out[1]
    }

    /// Output rows per tile.
    fn tile(&self) -> usize {
        (TILE / (self.depth() * self.out[1]).max(1)).clamp(1, self.out[0])
    }

    fn tiles(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (rows, step) = (self.out[0], self.tile());
        (0..rows).step_by(step).map(move |start| (start, (start + step).min(rows)))
    }

    /// Nothing to unfold: the image itself is the matrix.
    fn plain(&self) -> bool {
        self.kernel == [1, 1] && self.stride == [1, 1] && self.padding == [0, 0]
    }

    /// For kernel column `j`: output columns that read inside the input, and the input column of the first of them.
    fn columns(&self, j: usize) -> (usize, usize, usize) {
        let (stride, padding) = (self.stride[1], self.padding[1]);
        let first = padding.saturating_sub(j).div_ceil(stride).min(self.out[1]);
        let end = if self.width + padding > j { (self.width + padding - j - 1) / stride + 1 } else { 0 };
        let end = end.clamp(first, self.out[1]);
        (first, end, (first * stride + j).saturating_sub(padding))
    }

    /// The input row that output row `oy` reads through kernel row `i`, if it lies inside.
    fn row(&self, oy: usize, i: usize) -> Option<usize> {
        (oy * self.stride[0] + i).checked_sub(self.padding[0]).filter(|y| *y < self.height)
    }
}

/// Stride and zero padding, each (vertical, horizontal). A 1D convolution is one with height 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    pub stride: [usize; 2],
    pub padding: [usize; 2],
}

/// `x` (N,C,H,W) and `weight` (O,C,h,w) to (N,O,H',W') with H' = (H + 2·padding − h)/stride + 1, rounded down.
pub fn conv(x: &Tensor, weight: &Tensor, op: Conv) -> Result<Tensor> {
    x.contiguous()?.apply_op2(&weight.contiguous()?, op)
}

/// Output rows `start..end` of one image as a matrix (depth × positions).
fn unfold(s: &Sizes, image: &[f32], (start, end): (usize, usize), out: &mut [f32]) {
    let width = s.out[1];
    let mut rows = out.chunks_exact_mut((end - start) * width);
    for plane in image.chunks_exact(s.height * s.width) {
        for i in 0..s.kernel[0] {
            for j in 0..s.kernel[1] {
                let target = rows.next().expect("one row per channel and kernel position");
                let (first, last, column) = s.columns(j);
                for (oy, line) in (start..end).zip(target.chunks_exact_mut(width)) {
                    let Some(y) = s.row(oy, i).filter(|_| first < last) else {
                        line.fill(0.0);
                        continue;
                    };
                    line[..first].fill(0.0);
                    line[last..].fill(0.0);
                    let source = &plane[y * s.width + column..(y + 1) * s.width];
                    if s.stride[1] == 1 {
                        line[first..last].copy_from_slice(&source[..last - first]);
                    } else {
                        for (to, from) in line[first..last].iter_mut().zip(source.iter().step_by(s.stride[1])) {
                            *to = *from;
                        }
                    }
                }
            }
        }
    }
}

/// Adds an unfolded matrix back onto the image it came from: the adjoint of `unfold`.
fn fold(s: &Sizes, matrix: &[f32], (start, end): (usize, usize), image: &mut [f32]) {
    let width = s.out[1];
    let mut rows = matrix.chunks_exact((end - start) * width);
    for plane in image.chunks_exact_mut(s.height * s.width) {
        for i in 0..s.kernel[0] {
            for j in 0..s.kernel[1] {
                let source = rows.next().expect("one row per channel and kernel position");
                let (first, last, column) = s.columns(j);
                if first >= last {
                    continue;
                }
                for (oy, line) in (start..end).zip(source.chunks_exact(width)) {
                    let Some(y) = s.row(oy, i) else { continue };
                    let target = &mut plane[y * s.width + column..(y + 1) * s.width];
                    for (to, from) in target.iter_mut().step_by(s.stride[1]).zip(&line[first..last]) {
                        *to += *from;
                    }
                }
            }
        }
    }
}

fn forward(s: &Sizes, x: &[f32], w: &[f32]) -> Vec<f32> {
    let (depth, plane) = (s.depth(), s.plane());
    let mut out = vec![0f32; s.images * s.outputs * plane];
    let weights = Matrix { values: w, rows: depth, columns: 1 };
    let images = out.par_chunks_exact_mut(s.outputs * plane).zip(x.par_chunks_exact(s.inputs * s.height * s.width));
    images.for_each_init(Vec::new, |scratch: &mut Vec<f32>, (out, image)| {
        for tile in s.tiles() {
            let positions = (tile.1 - tile.0) * s.out[1];
            let at = tile.0 * s.out[1];
            let right = if s.plain() {
                Matrix { values: &image[at..], rows: plane, columns: 1 }
            } else {
                scratch.resize(depth * positions, 0.0);
                unfold(s, image, tile, scratch);
                Matrix { values: scratch, rows: positions, columns: 1 }
            };
            multiply(s.outputs, positions, depth, weights, right, &mut out[at..], plane, false);
        }
    });
    out
}

fn input_gradient(s: &Sizes, w: &[f32], g: &[f32]) -> Vec<f32> {
    let (depth, plane) = (s.depth(), s.plane());
    let size = s.inputs * s.height * s.width;
    let mut out = vec![0f32; s.images * size];
    let transposed = Matrix { values: w, rows: 1, columns: depth };
    let images = out.par_chunks_exact_mut(size).zip(g.par_chunks_exact(s.outputs * plane));
    images.for_each_init(Vec::new, |scratch: &mut Vec<f32>, (out, g)| {
        for tile in s.tiles() {
            let positions = (tile.1 - tile.0) * s.out[1];
            let at = tile.0 * s.out[1];
            let right = Matrix { values: &g[at..], rows: plane, columns: 1 };
            if s.plain() {
                multiply(depth, positions, s.outputs, transposed, right, &mut out[at..], plane, false);
            } else {
                scratch.resize(depth * positions, 0.0);
                multiply(depth, positions, s.outputs, transposed, right, scratch, positions, false);
                fold(s, scratch, tile, out);
            }
        }
    });
    out
}

fn weight_gradient(s: &Sizes, x: &[f32], g: &[f32]) -> Vec<f32> {
    let (depth, plane) = (s.depth(), s.plane());
    let per_part = s.images.div_ceil(PARTS).max(1);
    let mut parts = vec![vec![0f32; s.outputs * depth]; s.images.div_ceil(per_part)];
    let images = x.par_chunks(per_part * s.inputs * s.height * s.width);
    let gradients = g.par_chunks(per_part * s.outputs * plane);
    parts.par_iter_mut().zip(images.zip(gradients)).for_each(|(part, (images, gradients))| {
        let mut scratch = Vec::new();
        let pairs = images.chunks_exact(s.inputs * s.height * s.width).zip(gradients.chunks_exact(s.outputs * plane));
        for (image, g) in pairs {
            for tile in s.tiles() {
                let positions = (tile.1 - tile.0) * s.out[1];
                let at = tile.0 * s.out[1];
                let left = Matrix { values: &g[at..], rows: plane, columns: 1 };
                let right = if s.plain() {
                    Matrix { values: &image[at..], rows: 1, columns: plane }
                } else {
                    scratch.resize(depth * positions, 0.0);
                    unfold(s, image, tile, &mut scratch);
                    Matrix { values: &scratch, rows: 1, columns: positions }
                };
                multiply(s.outputs, depth, positions, left, right, part, depth, true);
            }
        }
    });
    let mut out = vec![0f32; s.outputs * depth];
    for part in parts {
        out.iter_mut().zip(part).for_each(|(to, from)| *to += from);
    }
    out
}

impl CustomOp2 for Conv {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout, w: &CpuStorage, wl: &Layout) -> Result<(CpuStorage, Shape)> {
        let s = Sizes::of(*self, xl.dims(), wl.dims())?;
        let out = forward(&s, values::of_storage("conv", x, xl)?, values::of_storage("conv", w, wl)?);
        Ok((CpuStorage::F32(out), Shape::from((s.images, s.outputs, s.out[0], s.out[1]))))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _y: &Tensor, g: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let s = Sizes::of(*self, x.dims(), w.dims())?;
        // Nobody asks for the gradient of an input that nothing tracks, such as the images.
        let dx = if x.track_op() {
            let dx = values::with(w, |w| values::with(g, |g| Ok(input_gradient(&s, w, g))))?;
            Some(Tensor::from_vec(dx, x.shape(), x.device())?)
        } else {
            None
        };
        let dw = if w.track_op() {
            let dw = values::with(x, |x| values::with(g, |g| Ok(weight_gradient(&s, x, g))))?;
            Some(Tensor::from_vec(dw, w.shape(), w.device())?)
        } else {
            None
        };
        Ok((dx, dw))
    }
}

#[cfg(test)]
mod tests {
    use super::{Conv, Sizes, conv};
    use crate::seed::Purpose;
    use candle_core::{Device, Tensor, Var};

    fn random(shape: &[usize], index: u64) -> Vec<f32> {
        let mut stream = Purpose::new(0, "test", "conv").at(index);
        (0..shape.iter().product()).map(|_| stream.normal() as f32).collect()
    }

    /// Output and both gradients by seven loops in f64.
    fn reference(s: &Sizes, x: &[f32], w: &[f32], g: &[f32]) -> [Vec<f64>; 3] {
        let (mut y, mut dx, mut dw) = (vec![0f64; g.len()], vec![0f64; x.len()], vec![0f64; w.len()]);
        for n in 0..s.images {
            for o in 0..s.outputs {
                for (oy, ox) in (0..s.out[0]).flat_map(|a| (0..s.out[1]).map(move |b| (a, b))) {
                    let at = ((n * s.outputs + o) * s.out[0] + oy) * s.out[1] + ox;
                    for c in 0..s.inputs {
                        for (i, j) in (0..s.kernel[0]).flat_map(|a| (0..s.kernel[1]).map(move |b| (a, b))) {
                            let (iy, ix) = (oy * s.stride[0] + i, ox * s.stride[1] + j);
                            if iy < s.padding[0] || ix < s.padding[1] {
                                continue;
                            }
                            let (iy, ix) = (iy - s.padding[0], ix - s.padding[1]);
                            if iy >= s.height || ix >= s.width {
                                continue;
                            }
                            let from = ((n * s.inputs + c) * s.height + iy) * s.width + ix;
                            let by = ((o * s.inputs + c) * s.kernel[0] + i) * s.kernel[1] + j;
                            y[at] += f64::from(x[from]) * f64::from(w[by]);
                            dx[from] += f64::from(g[at]) * f64::from(w[by]);
                            dw[by] += f64::from(g[at]) * f64::from(x[from]);
                        }
                    }
                }
            }
        }
        [y, dx, dw]
    }

    fn close(name: &str, found: &Tensor, expected: &[f64]) {
        let found = found.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(found.len(), expected.len());
        let scale = expected.iter().fold(1f64, |m, v| m.max(v.abs()));
        for (f, e) in found.iter().zip(expected) {
            assert!((f64::from(*f) - e).abs() <= 3e-6 * scale, "{name}: {f} instead of {e}");
        }
    }

    #[test]
    fn output_and_gradients_match_seven_loops() {
        // (N, C, H, W, O, kernel, stride, padding): odd sizes, H ≠ W with stride 2 (candle fails there), 1D, no padding,
        // wide padding, several tiles, more images than parts.
        for (case, (n, c, h, w, o, k, st, p)) in [
            (2, 3, 8, 8, 4, [3, 3], [1, 1], [1, 1]),
            (2, 2, 8, 7, 3, [3, 3], [2, 2], [1, 1]),
            (3, 2, 7, 8, 3, [3, 3], [2, 2], [1, 1]),
            (2, 4, 9, 5, 3, [1, 1], [1, 1], [0, 0]),
            (2, 4, 9, 6, 3, [1, 1], [2, 2], [0, 0]),
            (2, 3, 1, 17, 4, [1, 8], [1, 1], [0, 3]),
            (1, 2, 5, 6, 2, [2, 3], [3, 1], [0, 2]),
            (1, 1, 2, 2, 1, [3, 3], [1, 1], [3, 3]),
            (1, 64, 33, 31, 2, [3, 3], [1, 1], [1, 1]),
            (19, 1, 4, 3, 2, [3, 3], [2, 1], [1, 1]),
        ]
        .into_iter()
        .enumerate()
        {
            let op = Conv { stride: st, padding: p };
            let (xs, ws) = ([n, c, h, w], [o, c, k[0], k[1]]);
            let sizes = Sizes::of(op, &xs, &ws).unwrap();
            let (x, weight) = (random(&xs, 3 * case as u64), random(&ws, 3 * case as u64 + 1));
            let gs = [n, o, sizes.out[0], sizes.out[1]];
            let g = random(&gs, 3 * case as u64 + 2);
            let [y, dx, dw] = reference(&sizes, &x, &weight, &g);
            let x = Var::from_vec(x, &xs, &Device::Cpu).unwrap();
            let weight = Var::from_vec(weight, &ws, &Device::Cpu).unwrap();
            let out = conv(&x, &weight, op).unwrap();
            assert_eq!(out.dims(), gs);
            close("output", &out, &y);
            let upstream = Tensor::from_vec(g, &gs, &Device::Cpu).unwrap();
            let gradients = (out * upstream).unwrap().sum_all().unwrap().backward().unwrap();
            close("input gradient", gradients.get(&x).unwrap(), &dx);
            close("weight gradient", gradients.get(&weight).unwrap(), &dw);
        }
    }

    #[test]
    fn impossible_shapes_are_errors() {
        let op = Conv { stride: [1, 1], padding: [0, 0] };
        let tensor = |shape: &[usize]| Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu).unwrap();
        for (x, w) in [([1, 2, 4, 4], [1, 3, 3, 3]), ([1, 2, 2, 4], [1, 2, 3, 3]), ([1, 2, 4, 4], [1, 2, 0, 3])] {
            assert!(conv(&tensor(&x), &tensor(&w), op).is_err());
        }
        assert!(conv(&tensor(&[4, 4]), &tensor(&[1, 1, 3, 3]), op).is_err());
        assert!(conv(&tensor(&[1, 2, 4, 4]), &tensor(&[1, 2, 3, 3]), Conv { stride: [0, 1], ..op }).is_err());
    }
}
