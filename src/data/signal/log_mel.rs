//! The log-mel map of a sound (task specification §6.2(b)). Knows no file, no label and no augmentation.
//!
//! A frame of the transform holds 1920 samples, but its window leaves 661 of them, and only powers are wanted. So a frame is
//! taken from its first windowed sample on (a shift changes no power), and split by bin k mod 3 into transforms of length 640:
//! bins 3m need a real input, two frames of which share one complex transform; bins 3m + 1 need a complex one; bins 3m + 2 are
//! mirrored bins 3m + 1. Eight frames make three transforms of four lanes.

use crate::data::signal::lane_fft::{LANES, LaneFft, Point, ZERO};
use crate::data::signal::mel_bands::MelBands;
use crate::data::signal::window::hann_periodic;
use crate::ops::simd::{Routine, Vector, dispatch};
use std::f64::consts::TAU;

/// Samples of a transform, of its window, and from frame to frame; bands (task specification §6.2(b)).
pub const N_FFT: usize = 1920;
pub const WINDOW: usize = 661;
pub const HOP: usize = 220;
pub const BANDS: usize = 96;

/// Powers below this count as this.
const SMALLEST_POWER: f64 = 1e-10;

/// Lowest value of a map, in dB below its highest.
const RANGE_DB: f64 = 80.0;

const PART: usize = N_FFT / 3;
const BINS: usize = N_FFT / 2 + 1;
/// Frames that are transformed together.
const FRAMES: usize = 2 * LANES;
/// Of a frame's first windowed sample, from the sample that the frame is centred on: padding of half a transform, then the
/// zeros that centre the window.
const BEFORE: usize = N_FFT / 2 - (N_FFT - WINDOW) / 2;

/// What transforms of one sampling rate share.
pub struct LogMel {
    window: Vec<f64>,
    /// Window times e^(−2πi·n/1920): turns bins 3m + 1 into bins m.
    turned: Vec<[f64; 2]>,
    fft: LaneFft,
    bands: MelBands,
}

/// Room for a transform, to be used again: nothing is allocated but the map and, for longer sounds, its room.
pub struct LogMelScratch {
    /// Samples of the frames that reach beyond the sound, one after the other.
    edge: Vec<f32>,
    real: Vec<Point>,
    low: Vec<Point>,
    high: Vec<Point>,
    spare: Vec<Point>,
    power: Vec<[f64; FRAMES]>,
    /// dB, row-major by band.
    map: Vec<f64>,
}

/// Frames of a sound of `samples` samples: one at each multiple of [`HOP`] up to its end. None of an empty sound.
pub fn frames(samples: usize) -> usize {
    if samples == 0 { 0 } else { 1 + samples / HOP }
}

impl LogMel {
    /// For samples at `rate` Hz; the benchmark's is 22,050.
    pub fn new(rate: u32) -> Self {
        let window = hann_periodic(WINDOW);
        let turn = |n: usize| -TAU * n as f64 / N_FFT as f64;
        let turned = window.iter().enumerate().map(|(n, w)| [w * turn(n).cos(), w * turn(n).sin()]).collect();
        LogMel { window, turned, fft: LaneFft::new(PART), bands: MelBands::new(BANDS, rate, N_FFT) }
    }

    pub fn scratch(&self) -> LogMelScratch {
        let points = || vec![ZERO; PART];
        let power = vec![[0.0; FRAMES]; BINS];
        let edge = vec![0.0; FRAMES * WINDOW];
        LogMelScratch { edge, real: points(), low: points(), high: points(), spare: points(), power, map: Vec::new() }
    }

    /// 96 × [`frames`] values in dB with mean 0, row-major by band, of samples in −1..1. Empty of an empty sound; not finite
    /// where a sample is not.
    pub fn transform(&self, samples: &[f32]) -> Vec<f32> {
        let mut map = vec![0.0; BANDS * frames(samples.len())];
        self.transform_into(samples, &mut self.scratch(), &mut map);
        map
    }

    /// [`LogMel::transform`] into a map of the right size.
    pub fn transform_into(&self, samples: &[f32], scratch: &mut LogMelScratch, map: &mut [f32]) {
        let frames = frames(samples.len());
        assert_eq!(map.len(), BANDS * frames, "a map of {BANDS} bands and {frames} frames");
        scratch.map.resize(map.len(), 0.0);
        dispatch(Transform { of: self, samples, scratch });
        let highest = scratch.map.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut sum = 0.0;
        for value in &mut scratch.map {
            // a NaN stays
            if *value < highest - RANGE_DB {
                *value = highest - RANGE_DB;
            }
            sum += *value;
        }
        let mean = sum / map.len() as f64;
        for (out, value) in map.iter_mut().zip(&scratch.map) {
            *out = (value - mean) as f32;
        }
    }
}

/// All frames into the room's map, in dB.
struct Transform<'a> {
    of: &'a LogMel,
    samples: &'a [f32],
    scratch: &'a mut LogMelScratch,
}

impl Routine for Transform<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Transform { of, samples, scratch } = self;
        let frames = frames(samples.len());
        for first in (0..frames).step_by(FRAMES) {
            let count = FRAMES.min(frames - first);
            let LogMelScratch { edge, real, low, high, spare, power, map } = &mut *scratch;
            let rows = rows(samples, first, edge);
            place(of, &rows, real, low, high);
            of.fft.transform(real, spare);
            of.fft.transform(low, spare);
            of.fft.transform(high, spare);
            powers(real, low, high, power);
            for band in 0..BANDS {
                let sums = of.bands.sums(band, power);
                for (out, sum) in map[band * frames + first..][..count].iter_mut().zip(sums) {
                    *out = 10.0 * if sum < SMALLEST_POWER { SMALLEST_POWER } else { sum }.log10();
                }
            }
        }
    }
}

/// The samples under the windows of eight frames from number `first` on, mirrored at the ends. Frames behind the last one
/// are frames of the mirrored sound, and nobody reads their powers.
#[inline(always)]
fn rows<'a>(samples: &'a [f32], first: usize, edge: &'a mut [f32]) -> [&'a [f32]; FRAMES] {
    let inside = |frame: usize| {
        let begin = ((first + frame) * HOP).checked_sub(BEFORE)?;
        samples.get(begin..begin + WINDOW)
    };
    for (frame, row) in edge.chunks_exact_mut(WINDOW).enumerate() {
        if inside(frame).is_none() {
            let begin = ((first + frame) * HOP) as i64 - BEFORE as i64;
            for (i, out) in row.iter_mut().enumerate() {
                *out = samples[reflected(begin + i as i64, samples.len())];
            }
        }
    }
    let mut rows: [&[f32]; FRAMES] = [&[]; FRAMES];
    for (frame, row) in edge.chunks_exact(WINDOW).enumerate() {
        rows[frame] = inside(frame).unwrap_or(row);
    }
    rows
}

/// Windows eight frames into the inputs of the three transforms: the first four frames are the real parts of `real`, the
/// others the imaginary ones; `low` and `high` are each group's bins 3m + 1.
#[inline(always)]
fn place(of: &LogMel, rows: &[&[f32]; FRAMES], real: &mut [Point], low: &mut [Point], high: &mut [Point]) {
    for (group, complex) in [low, high].into_iter().enumerate() {
        let rows = &rows[group * LANES..][..LANES];
        for n in 0..WINDOW {
            let (window, [re, im]) = (of.window[n], of.turned[n]);
            let mut x = [0f64; LANES];
            for lane in 0..LANES {
                x[lane] = f64::from(rows[lane][n]);
            }
            // the 21 samples beyond a third of the transform fall onto its beginning; the table's angles hold the turn by
            // e^(−2πi/3) that bins 3m + 1 ask for
            if n < PART {
                for lane in 0..LANES {
                    real[n][group][lane] = x[lane] * window;
                    complex[n][0][lane] = x[lane] * re;
                    complex[n][1][lane] = x[lane] * im;
                }
            } else {
                for lane in 0..LANES {
                    real[n - PART][group][lane] += x[lane] * window;
                    complex[n - PART][0][lane] += x[lane] * re;
                    complex[n - PART][1][lane] += x[lane] * im;
                }
            }
        }
    }
}

/// Index of a sample before or behind the sound, which is mirrored at its first and last sample as often as it takes.
fn reflected(at: i64, length: usize) -> usize {
    let last = length as i64 - 1;
    if last == 0 {
        return 0;
    }
    let around = at.rem_euclid(2 * last);
    around.min(2 * last - around) as usize
}

/// |X|² of the bins 0..=960 of eight frames from the three transforms.
#[inline(always)]
fn powers(real: &[Point], low: &[Point], high: &[Point], power: &mut [[f64; FRAMES]]) {
    for m in 0..=PART / 2 {
        let (z, mirror) = (real[m], real[(PART - m) % PART]);
        // the first frame is (z + conjugate of mirror) / 2, the second one (z − conjugate of mirror) / 2i
        for lane in 0..LANES {
            let (sum, difference) = (z[0][lane] + mirror[0][lane], z[1][lane] - mirror[1][lane]);
            power[3 * m][lane] = (sum * sum + difference * difference) * 0.25;
            let (sum, difference) = (z[1][lane] + mirror[1][lane], z[0][lane] - mirror[0][lane]);
            power[3 * m][LANES + lane] = (sum * sum + difference * difference) * 0.25;
        }
    }
    for m in 0..PART {
        let bin = 3 * m + 1;
        let out = &mut power[if bin < BINS { bin } else { N_FFT - bin }];
        for lane in 0..LANES {
            out[lane] = low[m][0][lane] * low[m][0][lane] + low[m][1][lane] * low[m][1][lane];
            out[LANES + lane] = high[m][0][lane] * high[m][0][lane] + high[m][1][lane] * high[m][1][lane];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BANDS, LogMel, frames, reflected};
    use std::f64::consts::TAU;

    #[test]
    fn vectors_of_the_specification() {
        // task specification §16
        let mel = LogMel::new(22_050);
        let at = |map: &[f32], band: usize, frame: usize| f64::from(map[band * 101 + frame]);
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        let sine: Vec<f32> = (0..22_050).map(|i| (TAU * 1000.0 * f64::from(i) / 22_050.0).sin() as f32).collect();
        let map = mel.transform(&sine);
        assert_eq!(map.len(), BANDS * 101);
        near(at(&map, 30, 50), 72.9604);
        let peak = (0..BANDS).max_by(|a, b| at(&map, *a, 50).total_cmp(&at(&map, *b, 50)));
        assert_eq!(peak, Some(30));
        near(f64::from(map.iter().copied().fold(f32::MAX, f32::min)), -7.0396);
        near(at(&map, 33, 0), 57.3400);
        let mut impulse = vec![0f32; 22_050];
        impulse[11_025] = 1.0;
        let map = mel.transform(&impulse);
        near(at(&map, 10, 50), 67.467);
        near(at(&map, 90, 50), 77.4154);
        near(at(&map, 10, 0), -1.95290);
        near(f64::from(map.iter().copied().fold(f32::MIN, f32::max)), 78.0471);
    }

    #[test]
    fn any_length_gives_a_map_of_mean_zero() {
        let mel = LogMel::new(22_050);
        assert!(mel.transform(&[]).is_empty());
        for n in [1, 2, 3, 219, 220, 330, 331, 660, 661, 1919, 5000] {
            let samples: Vec<f32> = (0..n).map(|i| ((i * i) as f32 * 0.37).sin()).collect();
            let map = mel.transform(&samples);
            assert_eq!(map.len(), BANDS * frames(n));
            let mean = map.iter().map(|v| f64::from(*v)).sum::<f64>() / map.len() as f64;
            assert!(mean.abs() < 1e-4, "{n}: {mean}");
        }
        let silence = mel.transform(&[0.0; 700]);
        assert_eq!(silence, vec![0.0; BANDS * 4]);
        let broken = mel.transform(&[0.5, f32::NAN]).iter().any(|v| v.is_nan());
        assert!(broken);
    }

    #[test]
    fn room_used_again_changes_nothing() {
        let mel = LogMel::new(22_050);
        let mut room = mel.scratch();
        let sound = |n: usize, k: f32| (0..n).map(|i| (i as f32 * k).sin()).collect::<Vec<f32>>();
        for (n, k) in [(9000, 0.1), (500, 0.7), (3333, 0.03)] {
            let mut map = vec![1.0; BANDS * frames(n)];
            mel.transform_into(&sound(n, k), &mut room, &mut map);
            assert_eq!(map, mel.transform(&sound(n, k)));
        }
    }

    #[test]
    fn mirrors_repeat() {
        let indices = |n: usize| (-5..n as i64 + 5).map(|at| reflected(at, n)).collect::<Vec<_>>();
        assert_eq!(indices(3), [1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]);
        assert_eq!(indices(1), [0; 11]);
    }
}
