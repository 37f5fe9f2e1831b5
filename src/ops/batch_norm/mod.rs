//! Batch normalisation per channel, in training mode (batch statistics, summed in f64) and in evaluation mode (given
//! statistics). Knows no running average: it returns the batch's statistics to the layer.

use crate::ops::values;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator, ParallelSliceMut};
use std::sync::{Arc, Mutex};

/// Statistics of one batch, per channel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchStatistics {
    pub mean: Vec<f32>,
    /// With divisor n − 1 (n for a single value), as PyTorch feeds the running average.
    pub variance: Vec<f32>,
}

struct Channel {
    mean: f64,
    /// 1 / sqrt(biased variance + epsilon)
    scale: f64,
    unbiased: f64,
}

struct BatchNorm {
    epsilon: f64,
    saved: Arc<Mutex<Vec<Channel>>>,
}

/// Normalises `x` (N,C,…) by its own statistics, then scales by `gamma` (C) and shifts by `beta` (C).
pub fn train(x: &Tensor, gamma: &Tensor, beta: &Tensor, epsilon: f64) -> Result<(Tensor, BatchStatistics)> {
    let saved = Arc::new(Mutex::new(Vec::new()));
    let op = BatchNorm { epsilon, saved: saved.clone() };
    let y = x.contiguous()?.apply_op3(&gamma.contiguous()?, &beta.contiguous()?, op)?;
    let channels = saved.lock().expect("no panic while locked");
    let statistics = BatchStatistics {
        mean: channels.iter().map(|c| c.mean as f32).collect(),
        variance: channels.iter().map(|c| c.unbiased as f32).collect(),
    };
    Ok((y, statistics))
}

/// Normalises `x` (N,C,…) by given statistics. No gradient is defined for the statistics.
pub fn evaluate(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    statistics: &BatchStatistics,
    epsilon: f64,
) -> Result<Tensor> {
    let channels = x.dim(1)?;
    let mut shape = vec![1; x.rank()];
    shape[1] = channels;
    let scale: Vec<f32> = statistics.variance.iter().map(|v| (1.0 / (f64::from(*v) + epsilon).sqrt()) as f32).collect();
    let mean = Tensor::from_slice(&statistics.mean, channels, x.device())?;
    let scale = (gamma * Tensor::from_vec(scale, channels, x.device())?)?;
    let shift = (beta - (&scale * mean)?)?;
    x.broadcast_mul(&scale.reshape(shape.clone())?)?.broadcast_add(&shift.reshape(shape)?)
}

/// Sizes (N, C, values per plane) of a shape.
fn sizes(shape: &[usize]) -> Result<(usize, usize, usize)> {
    match shape {
        [n, c, rest @ ..] if n * c > 0 => Ok((*n, *c, rest.iter().product())),
        _ => bail!("batch_norm: a shape (N,C,…) without zeros was expected, found {shape:?}"),
    }
}

/// Independent partial sums: enough to hide the latency of an addition. Part of the result's bits, so it is a constant.
const LANES: usize = 8;

/// Sum of `f` over the values of channel `c` in one array, in one fixed order.
fn sum(x: &[f32], sizes: (usize, usize, usize), c: usize, f: impl Fn(f64) -> f64) -> f64 {
    sum_pairs(x, x, sizes, c, |x, _| f(x))
}

/// Sum of `f` over the pairs of values of channel `c` in two arrays of the same shape, in one fixed order.
fn sum_pairs(
    x: &[f32],
    y: &[f32],
    (n, channels, plane): (usize, usize, usize),
    c: usize,
    f: impl Fn(f64, f64) -> f64,
) -> f64 {
    let mut lanes = [0f64; LANES];
    for image in 0..n {
        let start = (image * channels + c) * plane;
        let (x, y) = (&x[start..start + plane], &y[start..start + plane]);
        let (xs, x_rest) = x.as_chunks::<LANES>();
        let (ys, y_rest) = y.as_chunks::<LANES>();
        for (x, y) in xs.iter().zip(ys) {
            for lane in 0..LANES {
                lanes[lane] += f(f64::from(x[lane]), f64::from(y[lane]));
            }
        }
        for (lane, (x, y)) in lanes.iter_mut().zip(x_rest.iter().zip(y_rest)) {
            *lane += f(f64::from(*x), f64::from(*y));
        }
    }
    lanes.iter().sum()
}

impl CustomOp3 for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        gamma: &CpuStorage,
        gl: &Layout,
        beta: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, channels, plane) = sizes(xl.dims())?;
        if gl.dims() != [channels] || bl.dims() != [channels] {
            bail!("batch_norm: scale and shift of {channels} values expected, found {:?}, {:?}", gl.dims(), bl.dims());
        }
        let x = values::of_storage(self.name(), x, xl)?;
        let (gamma, beta) =
            (values::of_storage::<f32>("batch_norm", gamma, gl)?, values::of_storage::<f32>("batch_norm", beta, bl)?);
        let count = (n * plane) as f64;
        let statistics: Vec<Channel> = (0..channels)
            .into_par_iter()
            .map(|c| {
                let mean = sum(x, (n, channels, plane), c, |x| x) / count;
                let squares = sum(x, (n, channels, plane), c, |x| (x - mean) * (x - mean));
                let unbiased = squares / (count - 1.0).max(1.0);
                Channel { mean, scale: 1.0 / (squares / count + self.epsilon).sqrt(), unbiased }
            })
            .collect();
        let mut y = vec![0f32; x.len()];
        y.par_chunks_exact_mut(plane).enumerate().for_each(|(at, out)| {
            let Channel { mean, scale, .. } = statistics[at % channels];
            let (slope, beta) = (scale * f64::from(gamma[at % channels]), f64::from(beta[at % channels]));
            for (to, from) in out.iter_mut().zip(&x[at * plane..(at + 1) * plane]) {
                *to = ((f64::from(*from) - mean) * slope + beta) as f32;
            }
        });
        *self.saved.lock().expect("no panic while locked") = statistics;
        Ok((CpuStorage::F32(y), xl.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        _beta: &Tensor,
        _y: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (n, channels, plane) = sizes(x.dims())?;
        let count = (n * plane) as f64;
        let saved = self.saved.lock().expect("no panic while locked");
        let (dx, sums) = values::with(x, |x| {
            values::with(gamma, |gamma: &[f32]| {
                values::with(gradient, |g| {
                    // per channel: sum of g, sum of g times the normalised x
                    let sums: Vec<(f64, f64)> = (0..channels)
                        .into_par_iter()
                        .map(|c| {
                            let Channel { mean, scale, .. } = saved[c];
                            let plain = sum(g, (n, channels, plane), c, |g| g);
                            let scaled = sum_pairs(x, g, (n, channels, plane), c, |x, g| g * (x - mean)) * scale;
                            (plain, scaled)
                        })
                        .collect();
                    let mut dx = vec![0f32; x.len()];
                    dx.par_chunks_exact_mut(plane).enumerate().for_each(|(at, out)| {
                        let Channel { mean, scale, .. } = saved[at % channels];
                        let (plain, scaled) = sums[at % channels];
                        let factor = f64::from(gamma[at % channels]) * scale;
                        let (shift, slope) = (plain / count, scale * scaled / count);
                        let range = at * plane..(at + 1) * plane;
                        for (to, (x, g)) in out.iter_mut().zip(x[range.clone()].iter().zip(&g[range])) {
                            *to = (factor * (f64::from(*g) - shift - (f64::from(*x) - mean) * slope)) as f32;
                        }
                    });
                    Ok((dx, sums))
                })
            })
        })?;
        let column = |values: Vec<f32>| Tensor::from_vec(values, channels, x.device());
        let dgamma = column(sums.iter().map(|s| s.1 as f32).collect())?;
        let dbeta = column(sums.iter().map(|s| s.0 as f32).collect())?;
        Ok((Some(Tensor::from_vec(dx, x.shape(), x.device())?), Some(dgamma), Some(dbeta)))
    }
}

#[cfg(test)]
mod tests {
    use super::{BatchStatistics, evaluate, train};
    use crate::seed::Purpose;
    use candle_core::{DType, Device, Tensor, Var};

    fn random(shape: &[usize], index: u64) -> Tensor {
        let mut stream = Purpose::new(0, "test", "batch norm").at(index);
        let values = (0..shape.iter().product()).map(|_| stream.normal()).collect::<Vec<f64>>();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    fn close(found: &Tensor, expected: &Tensor) {
        let found = found.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let expected = expected.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        for (f, e) in found.iter().zip(&expected) {
            assert!((f64::from(*f) - e).abs() < 2e-5 * (1.0 + e.abs()), "{f} instead of {e}");
        }
    }

    #[test]
    fn output_and_gradients_match_the_formula_in_f64() {
        for (case, shape) in [vec![4, 3, 5, 7], vec![2, 5, 9], vec![6, 2]].into_iter().enumerate() {
            let at = 10 * case as u64;
            let channels = shape[1];
            // f32 values first, so that both sides start from the same numbers
            let single = |t: Tensor| t.to_dtype(DType::F32).unwrap();
            let x = single((random(&shape, at) * 3.0).unwrap().affine(1.0, 5.0).unwrap());
            let (gamma, beta) = (single(random(&[channels], at + 1)), single(random(&[channels], at + 2)));
            let upstream = single(random(&shape, at + 3));
            let vars = [&x, &gamma, &beta].map(|t| Var::from_tensor(t).unwrap());
            let (y, statistics) = train(&vars[0], &vars[1], &vars[2], 1e-5).unwrap();
            let gradients = (&y * &upstream).unwrap().sum_all().unwrap().backward().unwrap();

            let doubles = [&x, &gamma, &beta].map(|t| Var::from_tensor(&t.to_dtype(DType::F64).unwrap()).unwrap());
            let rows = doubles[0].transpose(0, 1).unwrap().flatten_from(1).unwrap(); // (C, N·plane)
            let mean = rows.mean_keepdim(1).unwrap();
            let centred = rows.broadcast_sub(&mean).unwrap();
            let variance = centred.sqr().unwrap().mean_keepdim(1).unwrap();
            let normal = centred.broadcast_div(&(variance + 1e-5).unwrap().sqrt().unwrap()).unwrap();
            let column = |t: &Tensor| t.reshape((channels, 1)).unwrap();
            let z = normal.broadcast_mul(&column(&doubles[1])).unwrap();
            let z = z.broadcast_add(&column(&doubles[2])).unwrap();
            let mut turned = shape.clone();
            turned.swap(0, 1);
            let z = z.reshape(turned).unwrap().transpose(0, 1).unwrap();
            close(&y, &z);
            let reference =
                (z * upstream.to_dtype(DType::F64).unwrap()).unwrap().sum_all().unwrap().backward().unwrap();
            for (var, double) in vars.iter().zip(&doubles) {
                close(gradients.get(var).unwrap(), reference.get(double).unwrap());
            }
            let n = rows.dim(1).unwrap() as f64;
            let unbiased = (centred.sqr().unwrap().sum(1).unwrap() / (n - 1.0)).unwrap();
            close(&Tensor::from_slice(&statistics.variance, channels, &Device::Cpu).unwrap(), &unbiased);
        }
    }

    #[test]
    fn evaluation_uses_the_given_statistics() {
        let x = Tensor::new(&[[1f32, 10.0], [3.0, 20.0]], &Device::Cpu).unwrap();
        let statistics = BatchStatistics { mean: vec![1.0, 10.0], variance: vec![4.0, 100.0] };
        let gamma = Tensor::new(&[2f32, 1.0], &Device::Cpu).unwrap();
        let beta = Tensor::new(&[0.5f32, 0.0], &Device::Cpu).unwrap();
        let y = evaluate(&x, &gamma, &beta, &statistics, 0.0).unwrap();
        assert_eq!(y.to_vec2::<f32>().unwrap(), [[0.5, 0.0], [2.5, 1.0]]);
    }

    #[test]
    fn a_large_mean_does_not_swallow_the_variance() {
        let x: Vec<f32> = (0..64).map(|i| 1e4 + (i % 2) as f32).collect();
        let x = Tensor::from_vec(x, (8, 1, 8), &Device::Cpu).unwrap();
        let (one, zero) = (Tensor::new(&[1f32], &Device::Cpu).unwrap(), Tensor::new(&[0f32], &Device::Cpu).unwrap());
        let (y, statistics) = train(&x, &one, &zero, 0.0).unwrap();
        assert_eq!(statistics.mean, [10000.5]);
        assert!(y.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().all(|v| (v.abs() - 1.0).abs() < 1e-6));
    }
}
