//! From a heart's trace to the numbers of a recording: span, wander, noise, gain (task specification §13.10). Knows no file.

use crate::data::synthetic::{Purpose, Stream};
use crate::tasks::ecg::heart::{RATE, trace};
use crate::tasks::ecg::rhythm::rhythm;
use std::f64::consts::TAU;

/// Label of noisy recordings.
const NOISY: u32 = 3;
/// Height of the clean signal, in mV.
const SPAN: f64 = 1.6;
/// Seconds of most recordings, of the shortest, and the range of the rest.
const USUAL: f64 = 30.0;
const SHORT: f64 = 9.5;
const RANGE: (f64, f64) = (12.0, 60.0);

/// The recording with this number: signed 16-bit units of 1/gain mV at 300 Hz.
pub fn recording(label: u32, number: u64, seed: Option<u64>) -> Vec<i16> {
    let mut stream = Stream::new("ecg", "all", Purpose::Content, number, seed);
    let mut noise = Stream::new("ecg", "all", Purpose::Noise, number, seed);
    let kind = stream.uniform();
    let seconds = match kind {
        _ if kind < 0.70 => USUAL,
        _ if kind < 0.75 => SHORT,
        _ => stream.between(RANGE.0, RANGE.1),
    };
    let len = (seconds * RATE) as usize;
    // a noisy recording is one of the others under noise
    let kind = if label == NOISY { stream.below(u64::from(NOISY)) as u32 } else { label };
    let rhythm = rhythm(kind, seconds, &mut stream);
    let mut lead = trace(&rhythm.beats, len);
    scale(&mut lead);
    if rhythm.fibrillating {
        fibrillate(&mut lead, &mut stream);
    }
    if label == NOISY {
        drown(&mut lead, &mut stream, &mut noise);
    }
    wander(&mut lead, &mut stream);
    let hiss = stream.between(0.01, 0.03);
    lead.iter_mut().for_each(|v| *v += hiss * noise.normal());
    if stream.uniform() < 0.15 {
        let (first, height) = (stream.below((len - RATE as usize) as u64) as usize, stream.between(0.1, 0.3));
        lead[first..first + RATE as usize].iter_mut().for_each(|v| *v += height * noise.normal());
    }
    let sign = if stream.uniform() < 0.12 { -1.0 } else { 1.0 };
    let gain = sign * stream.between(400.0, 1000.0);
    lead.iter().map(|v| (v * gain).round().clamp(-32768.0, 32767.0) as i16).collect()
}

/// Zero mean, and as many mV from the lowest to the highest value as a clean signal has.
fn scale(lead: &mut [f64]) {
    let (low, high) = lead.iter().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
    let mean = lead.iter().sum::<f64>() / lead.len() as f64;
    let factor = SPAN / (high - low).max(1e-9);
    lead.iter_mut().for_each(|v| *v = (*v - mean) * factor);
}

/// The fine wave of fibrillating atria, whose rate strays.
fn fibrillate(lead: &mut [f64], stream: &mut Stream) {
    let (rate, height) = (stream.between(4.5, 8.0), stream.between(0.03, 0.09));
    let (stray, turn) = (stream.between(0.05, 0.3), stream.between(0.0, TAU));
    for (at, value) in lead.iter_mut().enumerate() {
        let time = at as f64 / RATE;
        *value += height * (TAU * rate * time + 1.5 * (TAU * stray * time + turn).sin()).sin();
    }
}

/// Slow movement of the baseline with breath.
fn wander(lead: &mut [f64], stream: &mut Stream) {
    let (rate, height, turn) = (stream.between(0.15, 0.4), stream.between(0.02, 0.12), stream.between(0.0, TAU));
    for (at, value) in lead.iter_mut().enumerate() {
        *value += height * (TAU * rate * at as f64 / RATE + turn).sin();
    }
}

/// A weaker signal under a drifting baseline, noise that swells and fades, and spikes.
fn drown(lead: &mut [f64], stream: &mut Stream, noise: &mut Stream) {
    let (weak, loud, swell) = (stream.between(0.2, 0.8), stream.between(0.2, 0.5), stream.between(0.1, 0.5));
    let turn = stream.between(0.0, TAU);
    let (mut drift, mut spike) = (0.0, 0.0);
    for (at, value) in lead.iter_mut().enumerate() {
        drift = 0.998 * drift + 0.02 * noise.normal();
        spike *= 0.9;
        if noise.uniform() < 0.7 / RATE {
            spike += if noise.uniform() < 0.5 { -1.0 } else { 1.0 } * noise.between(0.8, 2.5);
        }
        let envelope = 0.3 + 0.7 * (TAU * swell * at as f64 / RATE + turn).sin().powi(2);
        *value = weak * *value + drift + spike + loud * envelope * noise.normal();
    }
}

#[cfg(test)]
mod tests {
    use super::recording;

    #[test]
    fn lengths_and_heights_are_those_of_real_recordings() {
        let mut usual = 0;
        for number in 0..60 {
            let values = recording((number % 4) as u32, number, None);
            assert!((2850..=18_000).contains(&values.len()), "{}", values.len());
            usual += usize::from(values.len() == 9000);
            let top = values.iter().map(|v| v.unsigned_abs()).max().unwrap();
            assert!((200..15_000).contains(&top), "{number}: {top}");
        }
        assert!((30..54).contains(&usual), "{usual}");
        assert_eq!(recording(1, 5, None), recording(1, 5, None));
        assert_ne!(recording(1, 5, None), recording(1, 5, Some(0)));
    }
}
