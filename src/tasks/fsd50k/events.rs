//! Synthesis of the embedded FSD50K data: a clip with one or two sound events over a quiet background, and files of background
//! noise (task specification §13.6). Knows no label's name and no file.

use crate::data::synthetic::{Purpose, Stream};
use crate::tasks::fsd50k::taxonomy::{Leaf, Taxonomy};
use std::f64::consts::TAU;

const TASK: &str = "fsd50k";
/// Samples per second of what is made.
pub const RATE: u32 = 22_050;
const HZ: f64 = RATE as f64;
/// Shortest clip in seconds, median and spread of the lengths (§13.6).
const SHORTEST: f64 = 0.3;
const MEDIAN: f64 = 2.5;
const SPREAD: f64 = 0.8;
const SECOND_EVENT: f64 = 0.15;
/// Octaves.
const PITCH_JITTER: f64 = 0.05;
/// Harmonics of a tone at most; none lies above this part of half the rate.
const HARMONICS: usize = 24;
const BELOW: f64 = 0.9 * HZ / 2.0;

/// A clip of a split: 16-bit samples, and the leaves that sound in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    pub samples: Vec<i16>,
    pub leaves: Vec<usize>,
}

/// Clip `index` of a split, at most `longest` samples.
pub fn clip(taxonomy: &Taxonomy, split: &str, index: u64, longest: usize, seed: Option<u64>) -> Clip {
    let mut label = Stream::new(TASK, split, Purpose::Label, index, seed);
    let mut stream = Stream::new(TASK, split, Purpose::Content, index, seed);
    let mut noise = Stream::new(TASK, split, Purpose::Noise, index, seed);
    let seconds = (MEDIAN * (SPREAD * stream.normal()).exp()).max(SHORTEST);
    let length = ((seconds * HZ) as usize).min(longest).max(1);
    let mut leaves = vec![taxonomy.draw(&mut label)];
    if label.uniform() < SECOND_EVENT {
        leaves.push(taxonomy.draw(&mut label));
    }
    let mut sound = vec![0.0; length];
    for leaf in &leaves {
        let mut event = event(&taxonomy.leaves[*leaf], length, &mut stream);
        level(&mut event, 1.0);
        sound.iter_mut().zip(&event).for_each(|(s, e)| *s += e);
    }
    let quiet = 10f64.powf(-stream.between(10.0, 30.0) / 20.0);
    let mut background = pink(length, &mut noise);
    level(&mut background, quiet);
    sound.iter_mut().zip(&background).for_each(|(s, b)| *s += b);
    let gain = 0.9 * 10f64.powf(-stream.between(0.0, 12.0) / 20.0);
    Clip { samples: pcm(&sound, gain), leaves }
}

/// File `index` of background noise, 5 to 15 s: white, pink, hum or rain in turn.
pub fn background(index: u64, seed: Option<u64>) -> Vec<i16> {
    let mut stream = Stream::new(TASK, "background", Purpose::Noise, index, seed);
    let length = (stream.between(5.0, 15.0) * HZ) as usize;
    let sound = match index % 4 {
        0 => (0..length).map(|_| stream.normal()).collect(),
        1 => pink(length, &mut stream),
        2 => {
            let pitch = stream.between(45.0, 65.0);
            let mut hum = harmonics(length, |_| pitch, |h, _| 1.0 / h as f64);
            let hiss = pink(length, &mut stream);
            hum.iter_mut().zip(hiss).for_each(|(s, n)| *s += 0.05 * n);
            hum
        }
        _ => {
            let rate = stream.between(60.0, 200.0);
            let mut rain = clicks(length, rate, 3000.0, 0.003, &mut stream);
            let hiss = pink(length, &mut stream);
            rain.iter_mut().zip(hiss).for_each(|(s, n)| *s += 0.05 * n);
            rain
        }
    };
    pcm(&sound, 0.5)
}

/// Peak to `gain`, then 16 bits.
fn pcm(sound: &[f64], gain: f64) -> Vec<i16> {
    let peak = sound.iter().fold(1e-9, |peak: f64, s| peak.max(s.abs()));
    sound.iter().map(|s| (s / peak * gain * 32_767.0).round() as i16).collect()
}

/// Root mean square to `wanted`.
fn level(sound: &mut [f64], wanted: f64) {
    let square = sound.iter().map(|s| s * s).sum::<f64>() / sound.len() as f64;
    let factor = wanted / square.sqrt().max(1e-9);
    sound.iter_mut().for_each(|s| *s *= factor);
}

/// One event of a leaf, as long as the clip.
fn event(leaf: &Leaf, length: usize, stream: &mut Stream) -> Vec<f64> {
    let pitch = leaf.pitch * 2f64.powf(PITCH_JITTER * stream.normal());
    let rate = leaf.rate * (0.1 * stream.normal()).exp();
    let start = stream.uniform();
    match leaf.family {
        // struck again once it has died away
        0 => {
            let period = (3.0 * leaf.decay).max(1.0 / rate);
            let fade = |t: f64| (-((t / period + start).fract() * period) / leaf.decay).exp();
            let tone = harmonics(length, |_| pitch, |h, _| (h as f64).powf(-leaf.tilt));
            tone.iter().enumerate().map(|(n, s)| s * fade(n as f64 / HZ)).collect()
        }
        1 => band(length, pitch, leaf.bandwidth, stream),
        2 => clicks(length, rate, pitch, 0.004 + 0.02 * leaf.bandwidth, stream),
        3 => {
            let period = 4.0 / rate;
            let at = |t: f64| (t / period + start).fract();
            let glide = |t: f64| pitch * 2f64.powf(leaf.sweep * at(t));
            let chirp = harmonics(length, glide, |h, _| (h as f64).powf(-1.0 - leaf.tilt));
            // silent in the last third of a period
            let on = |t: f64| (3.0 * (0.67 - at(t))).clamp(0.0, 1.0).sqrt();
            chirp.iter().enumerate().map(|(n, s)| s * on(n as f64 / HZ)).collect()
        }
        4 => {
            let formant = 400.0 * 2f64.powf(4.0 * leaf.bandwidth);
            let depth = 0.01 + 0.03 * leaf.bandwidth;
            let voice = |t: f64| 0.5 * pitch.min(800.0) * (1.0 + depth * (TAU * (5.0 * t + start)).sin());
            let weight = |h: usize, f: f64| {
                let octaves = (h as f64 * f / formant).log2();
                (h as f64).powf(-0.5 * leaf.tilt) * (0.05 + (-4.0 * octaves * octaves).exp())
            };
            harmonics(length, voice, weight)
        }
        _ => {
            let hiss = band(length, pitch, 2.0 * leaf.bandwidth, stream);
            let swell = |t: f64| (0.5 - 0.5 * (TAU * (rate * t + start)).cos()).powi(2);
            hiss.iter().enumerate().map(|(n, s)| s * swell(n as f64 / HZ)).collect()
        }
    }
}

/// Σ weight(h, f) · sin(h·φ) where φ runs with frequency f(t) in Hz.
fn harmonics(length: usize, frequency: impl Fn(f64) -> f64, weight: impl Fn(usize, f64) -> f64) -> Vec<f64> {
    let mut phase = 0.0f64;
    let mut weights = [0.0; HARMONICS];
    let mut sound = Vec::with_capacity(length);
    for n in 0..length {
        let f = frequency(n as f64 / HZ);
        // weights change slowly: anew every 3 ms
        if n % 64 == 0 {
            for (at, out) in weights.iter_mut().enumerate() {
                *out = if (at + 1) as f64 * f < BELOW { weight(at + 1, f) } else { 0.0 };
            }
        }
        let (sin, cos) = (TAU * phase).sin_cos();
        // sin((h+1)φ) = 2·cos φ · sin(hφ) − sin((h−1)φ)
        let (mut before, mut here, mut sum) = (0.0, sin, 0.0);
        for weight in weights {
            sum += weight * here;
            (before, here) = (here, 2.0 * cos * here - before);
        }
        sound.push(sum);
        phase = (phase + f / HZ).fract();
    }
    sound
}

/// White noise through a band-pass of some octaves (two poles, R. Bristow-Johnson's audio EQ cookbook), twice.
fn band(length: usize, centre: f64, octaves: f64, stream: &mut Stream) -> Vec<f64> {
    let w = TAU * centre.min(BELOW) / HZ;
    let alpha = w.sin() * (2f64.ln() / 2.0 * octaves * w / w.sin()).sinh();
    let (b, a1, a2) = (alpha / (1.0 + alpha), -2.0 * w.cos() / (1.0 + alpha), (1.0 - alpha) / (1.0 + alpha));
    let mut sound: Vec<f64> = (0..length).map(|_| stream.normal()).collect();
    for _ in 0..2 {
        let (mut x1, mut x2, mut y1, mut y2) = (0.0, 0.0, 0.0, 0.0);
        for s in &mut sound {
            let y = b * (*s - x2) - a1 * y1 - a2 * y2;
            (x2, x1) = (x1, *s);
            (y2, y1) = (y1, y);
            *s = y;
        }
    }
    sound
}

/// Clicks at random instants, `rate` a second: each rings at `pitch` and fades in `decay` seconds.
fn clicks(length: usize, rate: f64, pitch: f64, decay: f64, stream: &mut Stream) -> Vec<f64> {
    let mut sound = vec![0.0; length];
    let ring = ((5.0 * decay * HZ) as usize).max(1);
    let shape: Vec<f64> = (0..ring)
        .map(|n| {
            let t = n as f64 / HZ;
            (-t / decay).exp() * (TAU * pitch * t).sin()
        })
        .collect();
    // the first comes early, so that no clip is silent
    let mut at = 0.05 * HZ * stream.uniform();
    while (at as usize) < length {
        let strength = (0.4 * stream.normal()).exp();
        for (s, r) in sound[at as usize..].iter_mut().zip(&shape) {
            *s += strength * r;
        }
        at += stream.exponential() * HZ / rate;
    }
    sound
}

/// 1/f noise: white noise through three leaky sums (P. Kellet's economy filter).
fn pink(length: usize, stream: &mut Stream) -> Vec<f64> {
    let (mut a, mut b, mut c) = (0.0, 0.0, 0.0);
    (0..length)
        .map(|_| {
            let white = stream.normal();
            a = 0.99765 * a + 0.0990460 * white;
            b = 0.96300 * b + 0.2965164 * white;
            c = 0.57000 * c + 1.0526913 * white;
            a + b + c + 0.1848 * white
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{background, clip};
    use crate::tasks::fsd50k::taxonomy::{FAMILIES, Taxonomy};

    #[test]
    fn every_family_sounds_and_lengths_are_as_described() {
        let taxonomy = Taxonomy::new(None);
        let clips: Vec<_> = (0..150).map(|index| clip(&taxonomy, "train", index, 8 * 22_050, None)).collect();
        let mut families = [0; FAMILIES];
        for clip in &clips {
            assert!((6615..=176_400).contains(&clip.samples.len()));
            families[taxonomy.leaves[clip.leaves[0]].family] += 1;
            let peak = clip.samples.iter().map(|s| s.unsigned_abs()).max().unwrap();
            assert!((7000..=29_500).contains(&peak), "{peak}");
        }
        let heard = families.iter().filter(|count| **count > 0).count();
        assert_eq!(heard, FAMILIES);
        let two = clips.iter().filter(|clip| clip.leaves.len() == 2).count();
        assert!((8..40).contains(&two), "{two}");
        assert_eq!(clip(&taxonomy, "train", 3, 8 * 22_050, None), clips[3]);
        assert_ne!(clip(&taxonomy, "val", 3, 8 * 22_050, None).samples, clips[3].samples);
    }

    #[test]
    fn noise_files_are_long_and_loud() {
        for index in 0..4 {
            let samples = background(index, None);
            assert!((110_250..=330_750).contains(&samples.len()));
            let square = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64;
            assert!(square.sqrt() > 300.0, "{index}: {}", square.sqrt());
        }
    }
}
