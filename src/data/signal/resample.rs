//! Change of the sampling rate by a windowed sinc, for any pair of rates. Knows no file.
//!
//! Measured for 44,100 → 22,050 Hz on sines of full scale: up to 9,260 Hz levels keep within 0.001 dB, and noise and aliases lie
//! 144 dB below; −6 dB at 10,143 Hz; what lies beyond 11,100 Hz comes out 106 dB lower. The tests hold 0.01, 130 and 100 dB.

use crate::data::signal::window::{kaiser, kaiser_beta};
use crate::ops::simd::{LANES, Routine, Vector, dispatch};
use std::f64::consts::PI;

/// Half width of the kernel in samples of the lower rate. With the attenuation below, its edge is 0.16 of half that rate wide.
const HALF_WIDTH: usize = 40;

/// Attenuation beyond half the lower rate, in dB.
const ATTENUATION_DB: f64 = 100.0;

/// Middle of the edge, in half the lower rate: it ends at 1.
const CUTOFF: f64 = 0.92;

/// Products that are summed side by side: two vectors.
const BLOCK: usize = 2 * LANES;

/// Largest table of weights; rates with a common divisor that is too small get theirs computed for each sample.
const TABLE: usize = 1 << 20;

/// Largest ratio of two rates: the kernel grows with it on the way down, and the result on the way up.
const LARGEST_RATIO: u64 = 64;

/// Whether [`resample`] goes from one rate to the other, in Hz: both positive, at most 64 times apart.
pub fn can_resample(from: u32, to: u32) -> bool {
    let (low, high) = (u64::from(from.min(to)), u64::from(from.max(to)));
    low > 0 && high <= low * LARGEST_RATIO
}

/// `samples` at `from` Hz as samples at `to` Hz: ⌈length · to / from⌉ of them, the first at the same instant; silence around.
/// Panics where [`can_resample`] says no: whoever reads a rate from a file asks first.
pub fn resample(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    assert!(can_resample(from, to), "no way from {from} Hz to {to} Hz");
    if from == to || samples.is_empty() {
        return samples.to_vec();
    }
    let divisor = gcd(from, to);
    let (step, phases) = ((from / divisor) as usize, (to / divisor) as usize);
    let kernel = Kernel::new(step, phases);
    let length = (samples.len() as u128 * phases as u128).div_ceil(step as u128) as usize;
    let tabled = phases.saturating_mul(kernel.taps()) <= TABLE;
    let table = if tabled { (0..phases).map(|p| kernel.weights(p)).collect() } else { Vec::new() };
    let mut padded = vec![0f32; kernel.reach() + samples.len() + kernel.taps()];
    padded[kernel.reach()..][..samples.len()].copy_from_slice(samples);
    dispatch(Polyphase { padded, kernel, table, step, length })
}

/// All samples of the result.
struct Polyphase {
    /// The input with silence around it, as far as the kernel reaches.
    padded: Vec<f32>,
    kernel: Kernel,
    /// Weights of each phase; empty where they are computed for each sample.
    table: Vec<Vec<f32>>,
    step: usize,
    length: usize,
}

impl Routine for Polyphase {
    type Output = Vec<f32>;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> Vec<f32> {
        let phases = self.kernel.phases;
        let (whole, part) = (self.step / phases, self.step % phases);
        // the sample at or before the instant, and how far behind it the instant lies, in 1/phases of a sample
        let (mut before, mut phase) = (0, 0);
        let mut out = Vec::with_capacity(self.length);
        for _ in 0..self.length {
            let samples = &self.padded[before..];
            // SAFETY: the CPU has the instructions of `V`.
            out.push(match self.table.get(phase) {
                Some(weights) => unsafe { weighted::<V>(samples, weights) },
                None => unsafe { weighted::<V>(samples, &self.kernel.weights(phase)) },
            });
            before += whole;
            phase += part;
            if phase >= phases {
                (before, phase) = (before + 1, phase - phases);
            }
        }
        out
    }
}

/// Σ weights[k] · samples[k], in f32: the rounding lies 120 dB and more below the sound.
///
/// # Safety
///
/// The CPU must have the instructions of `V`.
#[inline(always)]
unsafe fn weighted<V: Vector>(samples: &[f32], weights: &[f32]) -> f32 {
    let samples = &samples[..weights.len()];
    let (mut even, mut odd) = unsafe { (V::splat(0.0), V::splat(0.0)) };
    for (samples, weights) in samples.chunks_exact(BLOCK).zip(weights.chunks_exact(BLOCK)) {
        // SAFETY: a block holds two vectors.
        unsafe {
            even = V::load(samples.as_ptr()).fma(V::load(weights.as_ptr()), even);
            odd = V::load(samples[LANES..].as_ptr()).fma(V::load(weights[LANES..].as_ptr()), odd);
        }
    }
    unsafe { even.add(odd).sum() }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The continuous kernel between samples of the input.
struct Kernel {
    phases: usize,
    /// Samples of the lower rate in one of the input: 1 where the rate rises.
    scale: f64,
    beta: f64,
}

impl Kernel {
    fn new(step: usize, phases: usize) -> Self {
        let scale = (phases as f64 / step as f64).min(1.0);
        Kernel { phases, scale, beta: kaiser_beta(ATTENUATION_DB) }
    }

    /// Samples before the one at or before an instant that have a weight.
    fn reach(&self) -> usize {
        (HALF_WIDTH as f64 / self.scale).ceil() as usize
    }

    /// Weights of an instant, with zeros behind them up to whole blocks.
    fn taps(&self) -> usize {
        (2 * self.reach() + 2).next_multiple_of(BLOCK)
    }

    /// For instants `phase`/`phases` behind a sample, the first one for the sample [`Kernel::reach`] before it. Their sum
    /// is 1, so that a constant stays.
    fn weights(&self, phase: usize) -> Vec<f32> {
        let behind = self.reach() as f64 + phase as f64 / self.phases as f64;
        let weight = |k: usize| {
            let t = (k as f64 - behind) * self.scale;
            sinc(CUTOFF * t) * kaiser(t / HALF_WIDTH as f64, self.beta)
        };
        let weights: Vec<f64> = (0..self.taps()).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(|w| (w / sum) as f32).collect()
    }
}

/// sin(πx) / πx.
fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

#[cfg(test)]
mod tests {
    use super::{can_resample, resample};
    use std::f64::consts::TAU;

    fn sine(hertz: f64, rate: u32, n: usize) -> Vec<f32> {
        (0..n).map(|i| (TAU * hertz * i as f64 / f64::from(rate)).sin() as f32).collect()
    }

    /// Amplitude at `hertz`, and the root mean square of all else, away from the ends.
    fn amplitude_and_rest(signal: &[f32], hertz: f64, rate: u32) -> (f64, f64) {
        // a second of whole periods
        let part = &signal[rate as usize / 2..][..rate as usize];
        let (mut re, mut im) = (0.0, 0.0);
        for (i, s) in part.iter().enumerate() {
            let (sin, cos) = (TAU * hertz * i as f64 / f64::from(rate)).sin_cos();
            re += f64::from(*s) * cos * 2.0 / part.len() as f64;
            im += f64::from(*s) * sin * 2.0 / part.len() as f64;
        }
        let square: f64 = part.iter().enumerate().fold(0.0, |sum, (i, s)| {
            let (sin, cos) = (TAU * hertz * i as f64 / f64::from(rate)).sin_cos();
            sum + (f64::from(*s) - re * cos - im * sin).powi(2)
        });
        (re.hypot(im), (square / part.len() as f64).sqrt())
    }

    fn db(ratio: f64) -> f64 {
        20.0 * ratio.log10()
    }

    #[test]
    fn half_the_rate_keeps_what_it_states() {
        for hertz in [50.0, 1000.0, 5000.0, 8000.0, 9000.0, 9260.0] {
            let out = resample(&sine(hertz, 44_100, 88_200), 44_100, 22_050);
            assert_eq!(out.len(), 44_100);
            let (amplitude, rest) = amplitude_and_rest(&out, hertz, 22_050);
            assert!(db(amplitude).abs() < 0.01, "{hertz} Hz: {} dB", db(amplitude));
            let noise = db(amplitude / 2f64.sqrt() / rest);
            assert!(noise > 130.0, "{hertz} Hz: {noise} dB over the rest");
        }
        for hertz in [11_100.0, 12_000.0, 15_000.0, 21_000.0] {
            let out = resample(&sine(hertz, 44_100, 88_200), 44_100, 22_050);
            let part = &out[11_025..33_075];
            let square = part.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / part.len() as f64;
            let level = db((2.0 * square).sqrt());
            assert!(level < -100.0, "{hertz} Hz: {level} dB");
        }
    }

    #[test]
    fn other_rates_keep_a_sine() {
        for (from, to) in [(48_000, 22_050), (22_050, 44_100), (16_000, 22_050), (44_101, 22_050), (8000, 8001)] {
            let n = 2 * from as usize + 1;
            let out = resample(&sine(1000.0, from, n), from, to);
            assert_eq!(out.len(), (n * to as usize).div_ceil(from as usize));
            let (amplitude, rest) = amplitude_and_rest(&out, 1000.0, to);
            let (level, noise) = (db(amplitude), db(amplitude / 2f64.sqrt() / rest));
            assert!(level.abs() < 0.01 && noise > 90.0, "{from} to {to}: {level} dB, {noise} dB");
        }
    }

    #[test]
    fn rates_too_far_apart_are_refused() {
        let found =
            [(0, 1), (1, 0), (1, 65), (65, 1), (u32::MAX, 1), (1, 64), (44_100, 22_050), (u32::MAX, u32::MAX - 1)]
                .map(|(from, to)| can_resample(from, to));
        assert_eq!(found, [false, false, false, false, false, true, true, true]);
    }

    #[test]
    fn edges_and_tiny_sounds() {
        assert!(resample(&[], 44_100, 22_050).is_empty());
        assert_eq!(resample(&[0.25, 0.5], 22_050, 22_050), [0.25, 0.5]);
        assert_eq!(resample(&[1.0], 44_100, 22_050).len(), 1);
        assert_eq!(resample(&[1.0; 3], 44_100, 22_050).len(), 2);
        assert_eq!(resample(&[1.0; 3], 64, 1).len(), 1);
        assert_eq!(resample(&[1.0], 1, 3).len(), 3);
        let constant = resample(&vec![1.0; 2000], 44_100, 22_050);
        let middle = constant[200..800].iter().map(|v| (v - 1.0).abs()).fold(0.0, f32::max);
        assert!(middle < 1e-6, "{middle}");
    }
}
