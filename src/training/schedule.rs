//! Learning rate by epoch. Knows no optimiser.

use std::f64::consts::PI;

/// Epochs count from 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// `base` times `gamma` for each milestone that the epoch has reached.
    Steps { base: f64, gamma: f64, milestones: Vec<u64> },
    /// base·(1 + cos(π·epoch/epochs))/2. Beyond `epochs` it rises again, as PyTorch's closed form does.
    Cosine { base: f64, epochs: u64 },
}

impl Schedule {
    pub fn at(&self, epoch: u64) -> f64 {
        match self {
            Schedule::Steps { base, gamma, milestones } => {
                let reached = milestones.iter().filter(|m| epoch >= **m).count();
                base * gamma.powi(reached as i32)
            }
            Schedule::Cosine { base, epochs } => {
                base * 0.5 * (1.0 + (PI * epoch as f64 / (*epochs).max(1) as f64).cos())
            }
        }
    }
}

/// Milestones published for `published` epochs, moved in proportion to `epochs` and rounded down.
pub fn scaled(milestones: &[u64], published: u64, epochs: u64) -> Vec<u64> {
    milestones.iter().map(|m| m.saturating_mul(epochs) / published).collect()
}

/// As `scaled`, but at least 1: in a training of very few epochs too, the first one has the full rate.
pub fn scaled_milestones(milestones: &[u64], published: u64, epochs: u64) -> Vec<u64> {
    scaled(milestones, published, epochs).into_iter().map(|milestone| milestone.max(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Schedule, scaled, scaled_milestones};

    #[test]
    fn the_rate_falls_at_each_milestone() {
        let steps = Schedule::Steps { base: 0.1, gamma: 0.2, milestones: vec![60, 120, 160] };
        let rates: Vec<f64> = [0, 59, 60, 120, 160, 223].map(|e| steps.at(e)).to_vec();
        for (rate, expected) in rates.iter().zip([0.1, 0.1, 0.02, 0.004, 0.0008, 0.0008]) {
            assert!((rate - expected).abs() < 1e-15);
        }
        assert_eq!(scaled(&[60, 120, 160], 200, 10), [3, 6, 8]);
        assert_eq!(scaled(&[60, 120, 160], 200, 200), [60, 120, 160]);
    }

    #[test]
    fn no_milestone_comes_before_the_first_epoch_has_ended() {
        for (epochs, expected) in
            [(1, [1, 1, 1]), (2, [1, 1, 1]), (3, [1, 1, 2]), (10, [3, 6, 8]), (200, [60, 120, 160])]
        {
            let milestones = scaled_milestones(&[60, 120, 160], 200, epochs);
            assert_eq!(milestones, expected);
            assert_eq!(Schedule::Steps { base: 0.1, gamma: 0.2, milestones }.at(0), 0.1);
        }
    }

    #[test]
    fn the_cosine_has_the_published_values() {
        // methods §4.3; past the end: §1.4, audio
        let cosine = Schedule::Cosine { base: 0.1, epochs: 50 };
        for (epoch, expected) in [(0, 0.1), (10, 0.0904508), (25, 0.05), (49, 9.866e-5)] {
            assert!((cosine.at(epoch) - expected).abs() < 1e-7 * expected.max(1.0));
        }
        assert!(Schedule::Cosine { base: 0.025, epochs: 150 }.at(167) > 7e-4);
    }
}
