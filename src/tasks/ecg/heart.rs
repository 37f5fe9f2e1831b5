//! The three-state dynamical model of an electrocardiogram (P. McSharry et al., IEEE Transactions on Biomedical Engineering
//! 50, 2003): each beat is a turn on a circle, each wave a bump at its angle. Knows no class and no noise.

use std::f64::consts::{PI, TAU};

/// Sampling rate of the official files, in Hz.
pub const RATE: f64 = 300.0;
/// Waves P, Q, R, S, T: angle in degrees, height and width (table I of the paper; task specification §13.10).
const WAVES: [(f64, f64, f64); 5] =
    [(-70.0, 1.2, 0.25), (-15.0, -5.0, 0.1), (0.0, 30.0, 0.1), (15.0, -7.5, 0.1), (100.0, 0.75, 0.4)];
/// Further from a wave than so many widths it adds nothing that a number of 16 bits could show.
const REACH: f64 = 6.0;

/// Places of the waves in a beat.
pub const P: usize = 0;
pub const QRS: std::ops::Range<usize> = 1..4;
pub const T: usize = 4;

/// One wave: angle in radians, height, width in radians.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wave {
    pub angle: f64,
    pub height: f64,
    pub width: f64,
}

/// One turn: its duration and its waves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beat {
    pub seconds: f64,
    pub waves: [Wave; 5],
}

/// The waves at a mean heart rate in beats per minute: widths grow with its square root, P and T move by the fourth root,
/// Q and S by the square root.
pub fn waves(rate: f64) -> [Wave; 5] {
    let scale = (rate / 60.0).sqrt();
    let shift = [scale.sqrt(), scale, 1.0, scale, scale.sqrt()];
    std::array::from_fn(|i| {
        let (angle, height, width) = WAVES[i];
        Wave { angle: angle.to_radians() * shift[i], height, width: width * scale }
    })
}

/// `len` samples of the model, one beat after the other; the last one goes on where they are too few. The equation of the
/// trace, ż = f − z, is taken step by step exactly, with f held for a sample.
pub fn trace(beats: &[Beat], len: usize) -> Vec<f64> {
    let decay = (-1.0 / RATE).exp();
    let (mut beat, mut phase, mut z) = (0, 0.0, 0.0);
    let mut out = Vec::with_capacity(len);
    while out.len() < len && !beats.is_empty() {
        let Beat { seconds, waves } = &beats[beat.min(beats.len() - 1)];
        let angle = TAU * phase - PI;
        let force: f64 = waves.iter().map(|wave| force(wave, angle)).sum();
        z = decay * z + (1.0 - decay) * force;
        out.push(z);
        phase += 1.0 / (RATE * seconds);
        if phase >= 1.0 {
            phase -= 1.0;
            beat += 1;
        }
    }
    out
}

fn force(wave: &Wave, angle: f64) -> f64 {
    let mut away = angle - wave.angle;
    if away > PI {
        away -= TAU;
    } else if away < -PI {
        away += TAU;
    }
    if away.abs() > REACH * wave.width {
        return 0.0;
    }
    -wave.height * away * (-away * away / (2.0 * wave.width * wave.width)).exp()
}

#[cfg(test)]
mod tests {
    use super::{Beat, RATE, trace, waves};

    #[test]
    fn each_beat_has_one_high_peak_in_its_middle() {
        let beats = [Beat { seconds: 1.0, waves: waves(60.0) }; 10];
        let z = trace(&beats, 3000);
        let top = z.iter().copied().fold(0.0, f64::max);
        let peaks: Vec<usize> =
            (1..2999).filter(|i| z[*i] > 0.7 * top && z[*i] > z[i - 1] && z[*i] >= z[i + 1]).collect();
        assert_eq!(peaks.len(), 10);
        for (beat, peak) in peaks.iter().enumerate() {
            let expected = (beat as f64 + 0.5) * RATE;
            assert!((*peak as f64 - expected).abs() < 5.0, "{peak} instead of {expected}");
        }
        assert!(trace(&[], 10).is_empty());
    }

    #[test]
    fn the_height_does_not_depend_on_the_rate() {
        let span = |rate: f64| {
            let z = trace(&[Beat { seconds: 60.0 / rate, waves: waves(rate) }], 3000);
            z.iter().copied().fold(0.0, f64::max) - z.iter().copied().fold(0.0, f64::min)
        };
        assert!((span(120.0) / span(60.0) - 1.0).abs() < 0.1, "{} {}", span(120.0), span(60.0));
    }
}
