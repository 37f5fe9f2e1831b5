//! The world of the embedded DeepSEA data: motifs, sequences that hold them, and the tracks that follow from them
//! (task specification §12, §13.12). Knows no file.

use crate::data::synthetic::{Purpose, Stream};

const TASK: &str = "deepsea";
/// Motifs of the world (§13.12).
pub const MOTIFS: usize = 30;
/// Labels that say that a motif is there; the next ones are "accessible", the others "histone".
const FACTORS: usize = 24;
const ACCESSIBLE: usize = 5;
/// All labels: as many as the official file has.
pub const LABELS: usize = 36;
/// The motif that weighs on the histone labels.
const SPREADING: usize = 29;

/// Probabilities of the four bases (A, G, C, T) at each position.
#[derive(Clone, Debug, PartialEq)]
pub struct Motif {
    pub columns: Vec<[f64; 4]>,
}

/// Constants that all splits share.
#[derive(Clone, Debug)]
pub struct World {
    pub motifs: Vec<Motif>,
    /// Offset, slope by GC content and weight of the last motif, of each histone label.
    histone: Vec<[f64; 3]>,
}

/// One window: bases as 0 to 3 for A, G, C, T, and its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    pub bases: Vec<u8>,
    pub labels: [bool; LABELS],
}

impl World {
    pub fn new(seed: Option<u64>) -> World {
        let motif = |index: usize| {
            let mut stream = Stream::new(TASK, "world", Purpose::World, index as u64, seed);
            let length = 8 + stream.below(7) as usize;
            let columns = (0..length).map(|_| {
                let dominant = stream.below(4) as usize;
                // a quarter of the positions is softened
                let share = if stream.uniform() < 0.25 { 0.55 } else { 0.85 };
                std::array::from_fn(|base| if base == dominant { share } else { (1.0 - share) / 3.0 })
            });
            Motif { columns: columns.collect() }
        };
        let histone = (0..LABELS - FACTORS - ACCESSIBLE).map(|index| {
            let mut stream = Stream::new(TASK, "world", Purpose::World, (MOTIFS + index) as u64, seed);
            let sign = if stream.below(2) == 0 { -1.0 } else { 1.0 };
            [stream.between(-2.8, -1.6), sign * stream.between(6.0, 12.0), stream.between(1.0, 2.5)]
        });
        World { motifs: (0..MOTIFS).map(motif).collect(), histone: histone.collect() }
    }

    /// Window `index` of a split; drawn again until it has a label (rows without one are not in the official file).
    pub fn window(&self, split: &str, index: u64, length: usize, seed: Option<u64>) -> Window {
        let mut stream = Stream::new(TASK, split, Purpose::Content, index, seed);
        let mut noise = Stream::new(TASK, split, Purpose::Label, index, seed);
        loop {
            let window = self.draw(&mut stream, &mut noise, length);
            if window.labels.contains(&true) {
                return window;
            }
        }
    }

    fn draw(&self, stream: &mut Stream, noise: &mut Stream, length: usize) -> Window {
        let (a, b) = (stream.gamma(8.0), stream.gamma(10.0));
        let gc = a / (a + b);
        let mut bases: Vec<u8> = (0..length)
            .map(|_| {
                let strong = stream.uniform() < gc;
                match (strong, stream.below(2)) {
                    (true, 0) => 1,  // G
                    (true, _) => 2,  // C
                    (false, 0) => 0, // A
                    (false, _) => 3, // T
                }
            })
            .collect();
        let mut present = [false; MOTIFS];
        for (motif, present) in self.motifs.iter().zip(&mut present) {
            *present = stream.uniform() < 0.05;
            if *present {
                for _ in 0..1 + stream.poisson(0.6) {
                    motif.plant(stream, &mut bases);
                }
            }
        }
        let mut labels = self.labels(&present, gc, noise);
        for label in &mut labels {
            *label ^= noise.uniform() < 0.01;
        }
        Window { bases, labels }
    }

    fn labels(&self, present: &[bool; MOTIFS], gc: f64, noise: &mut Stream) -> [bool; LABELS] {
        let mut labels = [false; LABELS];
        labels[..FACTORS].copy_from_slice(&present[..FACTORS]);
        for k in 0..ACCESSIBLE {
            let factor = (k..FACTORS).step_by(ACCESSIBLE).any(|motif| present[motif]);
            // the draw comes in any case, so that later ones do not depend on it
            let opened = noise.uniform() < 0.7;
            labels[FACTORS + k] = present[FACTORS + k] || (factor && opened);
        }
        for (label, [offset, slope, weight]) in labels[FACTORS + ACCESSIBLE..].iter_mut().zip(&self.histone) {
            // mean of the content: 8/18
            let score = offset + slope * (gc - 8.0 / 18.0) + if present[SPREADING] { *weight } else { 0.0 };
            *label = noise.uniform() < 1.0 / (1.0 + (-score).exp());
        }
        labels
    }
}

impl Motif {
    /// Overwrites a place around the middle, on either strand.
    fn plant(&self, stream: &mut Stream, bases: &mut [u8]) {
        let length = self.columns.len();
        let centre = bases.len() as f64 / 2.0 + 0.09 * bases.len() as f64 * stream.normal();
        let reverse = stream.below(2) == 1;
        let drawn: Vec<u8> = self
            .columns
            .iter()
            .map(|column| {
                let mut left = stream.uniform();
                let base = column.iter().position(|share| {
                    left -= share;
                    left < 0.0
                });
                base.unwrap_or(3) as u8
            })
            .collect();
        let Some(room) = bases.len().checked_sub(length) else { return };
        let start = (centre - length as f64 / 2.0).round().clamp(0.0, room as f64) as usize;
        for (at, base) in drawn.iter().enumerate() {
            if reverse {
                bases[start + length - 1 - at] = 3 - base; // A–T and G–C lie at 0–3 and 1–2
            } else {
                bases[start + at] = *base;
            }
        }
    }

    /// The best log-odds against even bases, at any place of either strand.
    pub fn best(&self, bases: &[u8]) -> f64 {
        let odds: Vec<[f64; 4]> = self.columns.iter().map(|column| column.map(|share| (share * 4.0).ln())).collect();
        let at = |place: &[u8]| {
            let forward: f64 = odds.iter().zip(place).map(|(column, base)| column[usize::from(*base)]).sum();
            let back: f64 = odds.iter().zip(place.iter().rev()).map(|(column, b)| column[usize::from(3 - b)]).sum();
            forward.max(back)
        };
        bases.windows(self.columns.len()).map(at).fold(f64::NEG_INFINITY, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::{FACTORS, LABELS, MOTIFS, World};

    #[test]
    fn the_world_is_as_described() {
        let world = World::new(None);
        assert_eq!(world.motifs.len(), MOTIFS);
        let columns: Vec<[f64; 4]> = world.motifs.iter().flat_map(|m| m.columns.clone()).collect();
        let lengths = world.motifs.iter().all(|m| (8..=14).contains(&m.columns.len()));
        assert!(lengths);
        let sums = columns.iter().all(|c| (c.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(sums);
        let soft = columns.iter().filter(|c| c.iter().all(|p| *p < 0.8)).count() as f64 / columns.len() as f64;
        assert!((soft - 0.25).abs() < 0.1, "{soft}");
        assert_ne!(World::new(Some(1)).motifs, world.motifs);
    }

    #[test]
    fn labels_are_neither_rare_nor_common_and_motifs_are_where_they_should() {
        let world = World::new(None);
        let windows: Vec<_> = (0..1000).map(|index| world.window("train", index, 1000, None)).collect();
        for label in 0..LABELS {
            let rate = windows.iter().filter(|w| w.labels[label]).count() as f64 / 1000.0;
            assert!((0.03..0.35).contains(&rate), "label {label}: {rate}");
        }
        let mean = |label: usize, wanted: bool| {
            let scores: Vec<f64> = windows
                .iter()
                .filter(|w| w.labels[label] == wanted)
                .map(|w| world.motifs[label].best(&w.bases))
                .collect();
            scores.iter().sum::<f64>() / scores.len() as f64
        };
        let lifted = (0..FACTORS).filter(|label| mean(*label, true) > mean(*label, false) + 0.3).count();
        assert!(lifted > 20, "{lifted}");
    }
}
