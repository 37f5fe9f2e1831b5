//! Learning rate by epoch. Knows no optimiser.

/// `base` times `gamma` for each milestone that the epoch has reached (0-based epochs).
#[derive(Clone, Debug, PartialEq)]
pub struct Steps {
    pub base: f64,
    pub gamma: f64,
    pub milestones: Vec<u64>,
}

impl Steps {
    pub fn at(&self, epoch: u64) -> f64 {
        let reached = self.milestones.iter().filter(|m| epoch >= **m).count();
        self.base * self.gamma.powi(reached as i32)
    }
}

/// Milestones published for `published` epochs, moved in proportion to `epochs` and rounded down.
pub fn scaled(milestones: &[u64], published: u64, epochs: u64) -> Vec<u64> {
    milestones.iter().map(|m| m * epochs / published).collect()
}

#[cfg(test)]
mod tests {
    use super::{Steps, scaled};

    #[test]
    fn the_rate_falls_at_each_milestone() {
        let steps = Steps { base: 0.1, gamma: 0.2, milestones: vec![60, 120, 160] };
        let rates: Vec<f64> = [0, 59, 60, 120, 160, 223].map(|e| steps.at(e)).to_vec();
        for (rate, expected) in rates.iter().zip([0.1, 0.1, 0.02, 0.004, 0.0008, 0.0008]) {
            assert!((rate - expected).abs() < 1e-15);
        }
        assert_eq!(scaled(&[60, 120, 160], 200, 10), [3, 6, 8]);
        assert_eq!(scaled(&[60, 120, 160], 200, 200), [60, 120, 160]);
    }
}
