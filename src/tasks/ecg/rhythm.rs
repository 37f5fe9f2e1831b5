//! Beats of the classes: their intervals and the shapes of their waves (task specification §13.10). Knows no noise, no
//! amplifier and no file.

use crate::data::synthetic::Stream;
use crate::tasks::ecg::heart::{Beat, P, QRS, T, Wave, waves};
use std::f64::consts::TAU;

/// Labels of the rhythms, as in the official files' order.
pub const NORMAL: u32 = 0;
pub const FIBRILLATION: u32 = 1;
pub const OTHER: u32 = 2;

/// Beats of a recording.
pub struct Rhythm {
    pub beats: Vec<Beat>,
    /// Whether the atria fibrillate: no P wave, and a fine wave instead.
    pub fibrillating: bool,
}

/// What makes a rhythm of class `OTHER`.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    WideExtra,
    NarrowExtra,
    WideAlways,
    Rate,
}

/// The share of extra beats, how early they come, and the pause after a wide one.
const WIDE_SHARE: f64 = 0.18;
const WIDE_EARLY: f64 = 0.62;
const PAUSE: f64 = 1.35;
const NARROW_SHARE: f64 = 0.20;
const NARROW_EARLY: f64 = 0.68;
/// How much wider the main waves of an extra beat are, and of a conduction block.
const EXTRA_WIDTH: f64 = 2.6;
const BLOCK_WIDTH: f64 = 1.7;
/// Slow and fast rhythms: factors of the interval.
const SLOW: f64 = 1.75;
const FAST: f64 = 0.58;

/// Beats of class `label` for at least `seconds`; a noisy recording is one of another class.
pub fn rhythm(label: u32, seconds: f64, stream: &mut Stream) -> Rhythm {
    let fibrillating = label == FIBRILLATION;
    let fault = match label {
        OTHER => [Fault::WideExtra, Fault::NarrowExtra, Fault::WideAlways, Fault::Rate][stream.below(4) as usize],
        _ => Fault::None,
    };
    let mut interval = 60.0 / if fibrillating { stream.between(70.0, 125.0) } else { stream.between(58.0, 95.0) };
    if fault == Fault::Rate {
        interval *= if stream.below(2) == 0 { SLOW } else { FAST };
    }
    let shape = shape(60.0 / interval, fibrillating, fault == Fault::WideAlways, stream);
    // the two slow swings of the interval: blood pressure (0.1 Hz) and breath
    let breath = stream.between(0.2, 0.33);
    let phases = (stream.between(0.0, TAU), stream.between(0.0, TAU));
    let (mut beats, mut time) = (Vec::new(), 0.0);
    let mut pause = false;
    while time < seconds {
        let mut beat = Beat { seconds: interval, waves: shape };
        if fibrillating {
            beat.seconds = (interval * (0.22 * stream.normal()).exp()).max(0.3);
        } else {
            let swing = 0.02 * (TAU * 0.1 * time + phases.0).sin() + 0.035 * (TAU * breath * time + phases.1).sin();
            beat.seconds *= 1.0 + swing + 0.01 * stream.normal();
            let extra = stream.uniform();
            if pause {
                beat.seconds *= PAUSE;
                pause = false;
            } else if fault == Fault::WideExtra && extra < WIDE_SHARE {
                beat.seconds *= WIDE_EARLY;
                beat.waves[P].height = 0.0;
                widen(&mut beat.waves, EXTRA_WIDTH);
                pause = true;
            } else if fault == Fault::NarrowExtra && extra < NARROW_SHARE {
                beat.seconds *= NARROW_EARLY;
            }
        }
        time += beat.seconds;
        beats.push(beat);
    }
    Rhythm { beats, fibrillating }
}

/// The waves of one person.
fn shape(rate: f64, fibrillating: bool, block: bool, stream: &mut Stream) -> [Wave; 5] {
    let mut shape = waves(rate);
    for wave in &mut shape {
        wave.height *= (0.18 * stream.normal()).exp();
        wave.width *= (0.1 * stream.normal()).exp();
        wave.angle += 0.05 * stream.normal();
    }
    if fibrillating {
        shape[P].height = 0.0;
    }
    if block {
        widen(&mut shape, BLOCK_WIDTH);
    }
    shape
}

/// Main waves wider by `factor` and as high as before (the model's height grows with the width squared), T upside down.
fn widen(waves: &mut [Wave; 5], factor: f64) {
    for wave in &mut waves[QRS] {
        wave.width *= factor;
        wave.height /= factor * factor;
        wave.angle *= factor;
    }
    waves[T].height *= -1.0;
}

#[cfg(test)]
mod tests {
    use super::{FIBRILLATION, NORMAL, OTHER, rhythm};
    use crate::data::synthetic::{Purpose, Stream};
    use crate::tasks::ecg::heart::P;

    /// Mean interval and its coefficient of variation.
    fn spread(label: u32, index: u64) -> (f64, f64) {
        let rhythm = rhythm(label, 60.0, &mut Stream::new("ecg", "test", Purpose::Content, index, None));
        let n = rhythm.beats.len() as f64;
        let mean = rhythm.beats.iter().map(|beat| beat.seconds).sum::<f64>() / n;
        let variance = rhythm.beats.iter().map(|beat| (beat.seconds - mean).powi(2)).sum::<f64>() / n;
        (mean, variance.sqrt() / mean)
    }

    #[test]
    fn fibrillation_is_irregular_and_a_normal_rhythm_is_not() {
        for index in 0..20 {
            let (interval, variation) = spread(NORMAL, index);
            assert!((60.0 / 96.0..60.0 / 57.0).contains(&interval) && variation < 0.06, "{interval} {variation}");
            let (_, variation) = spread(FIBRILLATION, index);
            assert!((0.1..0.4).contains(&variation), "{variation}");
        }
        let fibrillating = rhythm(FIBRILLATION, 9.5, &mut Stream::new("ecg", "test", Purpose::Content, 0, None));
        assert!(fibrillating.fibrillating);
        let silent = fibrillating.beats.iter().all(|beat| beat.waves[P].height == 0.0);
        assert!(silent, "no P wave");
    }

    #[test]
    fn other_rhythms_differ_in_one_of_four_ways() {
        let mut ways = [0; 2];
        for index in 0..80 {
            let (interval, variation) = spread(OTHER, index);
            ways[0] += usize::from(variation > 0.08);
            ways[1] += usize::from(!(0.6..1.05).contains(&interval));
        }
        assert!(ways[0] > 8 && ways[1] > 8, "{ways:?}");
    }
}
