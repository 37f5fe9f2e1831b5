//! Draws one series of the embedded stand-in for Satellite: a double-logistic year of one land cover, seen on 46 days
//! (task specification §13.11). Knows no file.

use crate::data::synthetic::{Purpose, Stream};
use std::f64::consts::TAU;

pub const DAYS: usize = 46;
pub const CLASSES: usize = 24;

/// What all splits share: the days of acquisition and the frequency of the classes.
pub struct World {
    days: [f64; DAYS],
    /// Cumulative prior of the classes, which fall like 1/(rank + 3).
    prior: [f64; CLASSES],
    seed: Option<u64>,
}

impl World {
    pub fn new(seed: Option<u64>) -> World {
        let mut stream = Stream::new("satellite", "world", Purpose::World, 0, seed);
        let mut all: Vec<u64> = (5..=360).collect();
        stream.shuffle(&mut all);
        all.truncate(DAYS);
        all.sort_unstable();
        let mut sum = 0.0;
        let prior = std::array::from_fn(|rank| {
            sum += 1.0 / (rank as f64 + 3.0);
            sum
        });
        World { days: std::array::from_fn(|i| all[i] as f64), prior: prior.map(|p| p / sum), seed }
    }

    /// Class of sample `index`, from 0.
    pub fn class(&self, split: &str, index: u64) -> usize {
        let at = Stream::new("satellite", split, Purpose::Label, index, self.seed).uniform();
        self.prior.iter().position(|p| at < *p).unwrap_or(CLASSES - 1)
    }

    /// The series of sample `index` of this class.
    pub fn series(&self, split: &str, index: u64, class: usize) -> [f64; DAYS] {
        let mut content = Stream::new("satellite", split, Purpose::Content, index, self.seed);
        let mut noise = Stream::new("satellite", split, Purpose::Noise, index, self.seed);
        let change = Change {
            shift: 10.0 * content.normal(),
            stretch: (0.12 * content.normal()).exp(),
            gain: (0.12 * content.normal()).exp(),
        };
        let mut values = self.days.map(|day| change.value(class, day));
        let mut error = 0.0;
        for value in &mut values {
            error = 0.6 * error + 0.02 * noise.normal();
            *value += error;
        }
        let cloudy: [bool; DAYS] = std::array::from_fn(|_| noise.uniform() < 0.12);
        fill(&self.days, &mut values, &cloudy);
        values
    }
}

/// How one pixel differs from its class.
struct Change {
    shift: f64,
    stretch: f64,
    gain: f64,
}

impl Change {
    fn value(&self, class: usize, day: f64) -> f64 {
        let c = class as f64;
        let rise = |class: usize| 8.0 + ((5 * class) % 14) as f64;
        let fall = |class: usize| 6.0 + ((7 * class) % 16) as f64;
        match class {
            0..14 => {
                let start = 60.0 + ((23 * class) % 190) as f64;
                let length = 70.0 + ((37 * class) % 130) as f64;
                let height = 0.55 + 0.03 * (class % 5) as f64;
                0.18 + self.season(day, start, length, rise(class), fall(class), height)
            }
            14..18 => {
                let start = 12.0 * (class - 14) as f64;
                let season = |start| self.season(day, start, 70.0, rise(class), fall(class), 0.5);
                0.18 + season(50.0 + start) + season(190.0 + start)
            }
            18..21 => {
                let height = 0.3 + 0.1 * (c - 18.0);
                0.4 + self.season(day, 95.0 + 8.0 * (c - 18.0), 190.0, 18.0, 22.0, height)
            }
            // water, built, bare: flat but for a small wave of the year
            _ => 0.12 + self.gain * 0.03 * (TAU * (day - self.shift) / 365.0 + 2.1 * (c - 21.0)).cos(),
        }
    }

    fn season(&self, day: f64, start: f64, length: f64, rise: f64, fall: f64, height: f64) -> f64 {
        let start = start + self.shift;
        let end = start + self.stretch * length;
        let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
        self.gain * height * (logistic((day - start) / rise) - logistic((day - end) / fall))
    }
}

/// Cloudy days get the line between the clear ones around them.
fn fill(days: &[f64; DAYS], values: &mut [f64; DAYS], cloudy: &[bool; DAYS]) {
    let clear: Vec<usize> = (0..DAYS).filter(|i| !cloudy[*i]).collect();
    for i in (0..DAYS).filter(|i| cloudy[*i]) {
        let after = clear.partition_point(|c| *c < i);
        let (before, after) = (after.checked_sub(1).map(|at| clear[at]), clear.get(after).copied());
        values[i] = match (before, after) {
            (Some(b), Some(a)) => values[b] + (values[a] - values[b]) * (days[i] - days[b]) / (days[a] - days[b]),
            (Some(b), None) => values[b],
            (None, Some(a)) => values[a],
            (None, None) => values[i],
        };
    }
}

#[cfg(test)]
mod tests {
    use super::{CLASSES, DAYS, World, fill};

    #[test]
    fn days_are_drawn_without_repetition_and_in_order() {
        let world = World::new(None);
        let ascending = world.days.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(ascending && world.days[0] >= 5.0 && world.days[DAYS - 1] <= 360.0);
    }

    #[test]
    fn classes_come_with_their_prior() {
        let world = World::new(None);
        let mut counts = [0; CLASSES];
        (0..20_000).for_each(|index| counts[world.class("train", index)] += 1);
        // the most frequent: (1/3) / Σ 1/(rank + 3)
        assert!((f64::from(counts[0]) / 20_000.0 - 0.143).abs() < 0.01, "{counts:?}");
        assert!(counts.iter().all(|count| *count > 100));
    }

    #[test]
    fn clouds_become_lines() {
        let days: [f64; DAYS] = std::array::from_fn(|i| 2.0 * i as f64);
        let mut values: [f64; DAYS] = std::array::from_fn(|i| if i % 3 == 1 { 99.0 } else { i as f64 });
        let cloudy = std::array::from_fn(|i| i % 3 == 1);
        fill(&days, &mut values, &cloudy);
        let expected: Vec<f64> = (0..DAYS).map(|i| i as f64).collect();
        let largest = values.iter().zip(&expected).map(|(v, e)| (v - e).abs()).fold(0.0, f64::max);
        // the last day is clear or copies the one before
        assert!(largest <= 1.0, "{values:?}");
    }

    #[test]
    fn series_depend_on_class_split_and_index() {
        let world = World::new(None);
        assert_eq!(world.series("train", 3, 5), world.series("train", 3, 5));
        assert_ne!(world.series("train", 3, 5), world.series("test", 3, 5));
        assert_ne!(world.series("train", 3, 5), world.series("train", 3, 6));
        assert_ne!(World::new(Some(1)).series("train", 3, 5), world.series("train", 3, 5));
    }
}
