//! One window of what electrodes record while muscles work (task specification §13.5). Knows no file.

use crate::data::synthetic::{Purpose, Stream};
use crate::tasks::ninapro::forearm::{ELECTRODES, Forearm, MUSCLES, SUBJECTS};
use std::f64::consts::TAU;

/// Moments of a window: 260 ms at 200 Hz.
pub const MOMENTS: usize = 52;
const RATE: f64 = 200.0;
/// Resonance of a muscle's noise, in Hz, and the radius of its pole.
const RESONANCE: f64 = 60.0;
const RADIUS: f64 = 0.7;
/// Moments after which the noise has forgotten its start.
const SETTLED: usize = 24;
/// Middle of the amplitude, in the armband's units, and its spread.
const AMPLITUDE: f64 = 25.0;
const AMPLITUDE_SPREAD: f64 = 0.3;
const ACTIVATION_SPREAD: f64 = 0.25;
/// Share of windows in which a movement starts.
const ONSETS: f64 = 0.15;
/// Share of rest windows in which a muscle twitches.
const TWITCHES: f64 = 0.25;
const NOISE: f64 = 2.0;

/// A window of a gesture (0 is rest): all electrodes of the first moment, then of the next; whole numbers of 8 bits.
pub fn window(forearm: &Forearm, split: &str, index: u64, gesture: u32, seed: Option<u64>) -> Vec<f64> {
    let mut stream = Stream::new("ninapro", split, Purpose::Content, index, seed);
    let mut noise = Stream::new("ninapro", split, Purpose::Noise, index, seed);
    let gains = &forearm.gains[stream.below(SUBJECTS as u64) as usize];
    let amplitude = AMPLITUDE * (AMPLITUDE_SPREAD * stream.normal()).exp();
    let mut activation = match gesture {
        0 => [0.0; MUSCLES],
        _ => forearm.gestures[gesture as usize - 1].map(|a| a * (ACTIVATION_SPREAD * stream.normal()).exp()),
    };
    if gesture == 0 && stream.uniform() < TWITCHES {
        activation[stream.below(MUSCLES as u64) as usize] = stream.between(0.02, 0.15);
    }
    let onset =
        (gesture > 0 && stream.uniform() < ONSETS).then(|| (stream.between(5.0, 30.0), stream.between(1.5, 4.0)));
    let sources: Vec<Vec<f64>> = (0..MUSCLES).map(|_| source(&mut noise)).collect();
    let mut values = Vec::with_capacity(MOMENTS * ELECTRODES);
    for moment in 0..MOMENTS {
        let grown = onset.map_or(1.0, |(middle, slope)| 1.0 / (1.0 + (-(moment as f64 - middle) / slope).exp()));
        for gains in gains {
            let heard: f64 = (0..MUSCLES).map(|m| gains[m] * activation[m] * sources[m][moment]).sum();
            let value = amplitude * grown * heard + NOISE * noise.normal();
            values.push(value.round().clamp(-128.0, 127.0));
        }
    }
    values
}

/// Noise of unit variance around the resonance: an autoregression of order two.
fn source(noise: &mut Stream) -> Vec<f64> {
    let first = 2.0 * RADIUS * (TAU * RESONANCE / RATE).cos();
    let second = -RADIUS * RADIUS;
    // the stationary variance for unit innovations
    let variance = (1.0 - second) / ((1.0 + second) * ((1.0 - second).powi(2) - first * first));
    let scale = 1.0 / variance.sqrt();
    let (mut last, mut before) = (0.0, 0.0);
    let mut out = Vec::with_capacity(MOMENTS);
    for step in 0..SETTLED + MOMENTS {
        let value = first * last + second * before + noise.normal();
        (before, last) = (last, value);
        if step >= SETTLED {
            out.push(scale * value);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{source, window};
    use crate::data::synthetic::{Purpose, Stream};
    use crate::tasks::ninapro::forearm::Forearm;

    #[test]
    fn sources_have_unit_variance() {
        let mut stream = Stream::new("ninapro", "test", Purpose::Noise, 0, None);
        let all: Vec<f64> = (0..400).flat_map(|_| source(&mut stream)).collect();
        let variance = all.iter().map(|v| v * v).sum::<f64>() / all.len() as f64;
        assert!((variance - 1.0).abs() < 0.05, "{variance}");
    }

    #[test]
    fn gestures_are_louder_than_rest_and_windows_repeat() {
        let forearm = Forearm::new(None);
        let power = |gesture, index| {
            let values = window(&forearm, "test", index, gesture, None);
            assert_eq!(values.len(), 52 * 16);
            values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64
        };
        for index in 0..20 {
            let gesture = 1 + (index % 17) as u32;
            assert!(power(gesture, index) > 1.5 * power(0, 100 + index));
            assert!(power(0, index) < 25.0);
        }
        assert_eq!(window(&forearm, "test", 3, 4, None), window(&forearm, "test", 3, 4, None));
    }
}
