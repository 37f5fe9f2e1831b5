//! A forearm's constants: where muscles and electrodes lie, what each gesture asks of each muscle, how subjects differ
//! (task specification §13.5). Knows no time.

use crate::data::synthetic::{Purpose, Stream};
use std::f64::consts::TAU;

pub const MUSCLES: usize = 6;
/// Two armbands of eight electrodes.
pub const ELECTRODES: usize = 16;
const RING: usize = 8;
/// Gestures beside rest.
pub const GESTURES: usize = 17;
pub const SUBJECTS: usize = 10;
/// Activations of two gestures differ by at least this.
const APART: f64 = 0.3;
/// Spread of an armband's rotation, in degrees.
const ROTATION: f64 = 6.0;
/// Numbers of subjects in the streams of constants, behind those of gestures.
const FIRST_SUBJECT: u64 = 100;

/// Constants shared by all splits.
pub struct Forearm {
    /// Activation of each muscle by gesture, of length 1.
    pub gestures: Vec<[f64; MUSCLES]>,
    /// What electrode e hears of muscle m, by subject.
    pub gains: Vec<[[f64; MUSCLES]; ELECTRODES]>,
}

impl Forearm {
    pub fn new(seed: Option<u64>) -> Self {
        let world = |index| Stream::new("ninapro", "world", Purpose::World, index, seed);
        let mut stream = world(0);
        let angles: [f64; MUSCLES] =
            std::array::from_fn(|m| TAU * m as f64 / MUSCLES as f64 + 8f64.to_radians() * stream.normal());
        // the second ring sits where muscles are thinner
        let thinner: [f64; MUSCLES] = std::array::from_fn(|_| stream.between(0.6, 1.0));
        let mut gestures: Vec<[f64; MUSCLES]> = Vec::new();
        for gesture in 1..=GESTURES as u64 {
            let mut stream = world(gesture);
            loop {
                let activation = unit(std::array::from_fn(|_| stream.gamma(0.6)));
                if gestures.iter().all(|other| distance(other, &activation) >= APART) {
                    gestures.push(activation);
                    break;
                }
            }
        }
        let subject = |subject: u64| -> [[f64; MUSCLES]; ELECTRODES] {
            let mut stream = world(FIRST_SUBJECT + subject);
            let (turn, loud) = (ROTATION.to_radians() * stream.normal(), (0.2 * stream.normal()).exp());
            std::array::from_fn(|electrode| {
                let second = electrode >= RING;
                let place = (electrode % RING) as f64 + if second { 0.5 } else { 0.0 };
                let angle = TAU * place / RING as f64 + turn;
                std::array::from_fn(|m| {
                    let near = (2.5 * ((angle - angles[m]).cos() - 1.0)).exp();
                    loud * near * if second { thinner[m] } else { 1.0 }
                })
            })
        };
        let gains = (0..SUBJECTS as u64).map(subject).collect();
        Forearm { gestures, gains }
    }
}

fn unit(values: [f64; MUSCLES]) -> [f64; MUSCLES] {
    let length = values.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12);
    values.map(|v| v / length)
}

fn distance(a: &[f64; MUSCLES], b: &[f64; MUSCLES]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::{APART, Forearm, distance};

    #[test]
    fn gestures_are_apart_and_electrodes_hear_what_is_near() {
        let forearm = Forearm::new(None);
        assert_eq!((forearm.gestures.len(), forearm.gains.len()), (17, 10));
        for (at, gesture) in forearm.gestures.iter().enumerate() {
            assert!((gesture.iter().map(|v| v * v).sum::<f64>() - 1.0).abs() < 1e-9);
            for other in &forearm.gestures[..at] {
                assert!(distance(gesture, other) >= APART);
            }
        }
        for gains in &forearm.gains {
            let all: Vec<f64> = gains.iter().flatten().copied().collect();
            let sound = all.iter().all(|gain| *gain > 0.0 && *gain < 2.5);
            assert!(sound, "{all:?}");
        }
        assert_ne!(forearm.gestures, Forearm::new(Some(0)).gestures);
    }
}
